"""A target is one Python × one architecture: its id, its parser, its sort order and its form in names."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from typing import Protocol

from typing_extensions import TypedDict

from builder.model.runtimes import RUNTIMES, Architecture, Runtime


def python_order(python: str) -> tuple[int, ...]:
    """The sort key of a Python version: 3.9 before 3.10."""
    return tuple(int(part) for part in python.split("."))


@dataclass(frozen=True)
class TargetKey:
    """Identifies a target."""

    python: str  #: ``3.12``
    architecture: Architecture

    @classmethod
    def parse(cls, target_id: str) -> TargetKey:
        """Parse a target id, ``py3.12-x86_64``. Raises ValueError if it is invalid."""
        python, separator, architecture = target_id.removeprefix("py").partition("-")
        if not separator or not target_id.startswith("py"):
            raise ValueError(f"{target_id!r} is not a target id like py3.12-x86_64")
        return cls(python, Architecture(architecture))

    @property
    def id(self) -> str:
        """The target id: ``py3.12-x86_64``."""
        return f"py{self.python}-{self.architecture}"

    @property
    def order(self) -> tuple[tuple[int, ...], int]:
        """The sort key in every list: by Python, x86_64 before aarch64."""
        return python_order(self.python), list(Architecture).index(self.architecture)

    @property
    def python_field(self) -> str:
        """The Python in names that cannot contain a dot: ``3_12``."""
        return self.python.replace(".", "_")

    @property
    def runtime(self) -> Runtime:
        """The facts about the target's runtime. Raises KeyError if Lambda does not offer this Python."""
        return RUNTIMES[self.python]


def target_of_this_machine() -> TargetKey:
    """Return the target of the running Python on this machine; of 3.12 if Lambda does not have this Python."""
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    arm = platform.machine().lower() in ("arm64", "aarch64")
    return TargetKey(python if python in RUNTIMES else "3.12", Architecture.AARCH64 if arm else Architecture.X86_64)


class TargetFields(TypedDict):
    """The fields with which every record and document names a target."""

    python: str
    architecture: Architecture
    layer_name: str


@dataclass(frozen=True)
class Target(TargetKey):
    """A target with the name of its layer: one zip."""

    layer_name: str

    @property
    def fields(self) -> TargetFields:
        """The target's own fields, for a record of it."""
        return {"python": self.python, "architecture": self.architecture, "layer_name": self.layer_name}


class _HasTarget(Protocol):
    @property
    def python(self) -> str: ...

    @property
    def architecture(self) -> Architecture: ...


class OfTarget:
    """Mixin for models that have the fields ``python`` and ``architecture``."""

    @property
    def target_key(self: _HasTarget) -> TargetKey:
        """The target that the fields name."""
        return TargetKey(self.python, self.architecture)
