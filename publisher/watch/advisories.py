"""Get the advisories for packages at certain versions from pip-audit.

pip-audit runs as a program. It exits with 1 both for "found some" and for "the service failed", so only its JSON
counts, and only if it has an entry for every package.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Protocol

from packaging.utils import canonicalize_name
from packaging.version import Version
from pydantic import AfterValidator, BaseModel, Field, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from builder.model.errors import FailureClass, InputError
from builder.model.escape import shorten
from builder.resolve.uv import without_addresses

TOTAL_TIMEOUT_SECONDS = 900
REQUEST_TIMEOUT_SECONDS = 20


@dataclass(frozen=True, order=True)
class Pin:
    """A package at a version, the name normalised."""

    name: str
    version: str


def _in_order(versions: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(str(version) for version in sorted({Version(text) for text in versions}))
    except ValueError:  # InvalidVersion, or more digits than Python reads
        return tuple(map(_short, versions))


def _short(text: str) -> str:
    return shorten(text, 60)


_Identifier = Annotated[str, AfterValidator(_short)]


@checked_dataclass(frozen=True)
class Advisory:
    """One advisory that names a package's version, as pip-audit writes it."""

    id: _Identifier
    aliases: tuple[_Identifier, ...] = ()
    #: The versions that fix it; empty if there is none yet.
    fixed: Annotated[tuple[str, ...], AfterValidator(_in_order)] = Field(default=(), validation_alias="fix_versions")

    def same_as(self, other: Advisory) -> bool:
        """Return whether both are the same advisory, by id or alias."""
        return not {self.id, *self.aliases}.isdisjoint({other.id, *other.aliases})


class AdvisorySource(Protocol):
    """A source of advisories: pip-audit, or a fake."""

    def of(self, pins: Collection[Pin]) -> Mapping[Pin, tuple[Advisory, ...]]:
        """Return the advisories of each pin. Pins that the service does not know are left out. Raises InputError if the
        service fails."""


class _Dependency(BaseModel):
    name: str
    version: str | None = None
    skip_reason: str | None = None
    vulns: tuple[Advisory, ...] = ()


class _Report(BaseModel):
    dependencies: tuple[_Dependency, ...]


class PipAudit:
    """pip-audit, with the service of its own settings (PIP_AUDIT_VULNERABILITY_SERVICE, PIP_AUDIT_OSV_URL)."""

    def of(self, pins: Collection[Pin]) -> Mapping[Pin, tuple[Advisory, ...]]:
        if find_spec("pip_audit") is None:
            raise InputError(
                "pip-audit is not installed", where="--advisories", fix="install strands-layers[advisories]"
            )
        advisories: dict[Pin, tuple[Advisory, ...]] = {}
        with tempfile.TemporaryDirectory(prefix="layers-advisories-") as folder:
            for group in one_of_each(pins):
                advisories.update(_read(_run(group, Path(folder)), group))
        return advisories


def one_of_each(pins: Collection[Pin]) -> Iterator[tuple[Pin, ...]]:
    """Yield the pins in groups that have each package once: pip-audit refuses two versions of one package."""
    by_name: dict[str, list[Pin]] = {}
    for pin in sorted(set(pins)):
        by_name.setdefault(pin.name, []).append(pin)
    for place in range(max(map(len, by_name.values()), default=0)):
        yield tuple(pins[place] for pins in by_name.values() if place < len(pins))


def _run(pins: Collection[Pin], folder: Path) -> str:
    """Run pip-audit for these pins and return its output."""
    requirements = folder / "requirements.txt"
    requirements.write_text("".join(f"{pin.name}=={pin.version}\n" for pin in pins), "utf-8")
    command = [
        sys.executable, "-m", "pip_audit", "--requirement", str(requirements), "--no-deps", "--disable-pip",
        "--format", "json", "--desc", "off", "--aliases", "on", "--progress-spinner", "off",
        "--timeout", str(REQUEST_TIMEOUT_SECONDS), "--cache-dir", str(folder / "cache"),
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name != "PIP_AUDIT_OUTPUT"}
    try:
        process = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", errors="replace",
            check=False, timeout=TOTAL_TIMEOUT_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _unavailable(f"timed out after {TOTAL_TIMEOUT_SECONDS} s") from None
    except OSError as error:
        raise _unavailable(str(error)) from None
    if process.returncode not in (0, 1) or not process.stdout.strip():
        raise _unavailable(_failure_reason(process.stderr) or f"pip-audit exited with {process.returncode}")
    return process.stdout


def _failure_reason(text: str) -> str:
    """Return why pip-audit failed, without addresses: they may contain a token."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("WARNING")]
    last = lines[-1] if lines else ""
    exception = re.match(r"(?:\w+\.)*(\w+)(?::|$)", last)
    return exception[1] if exception and "Traceback" in text else shorten(without_addresses(last))


def _read(text: str, pins: Collection[Pin]) -> dict[Pin, tuple[Advisory, ...]]:
    """Return the advisories of the pins that the service knows. Raises InputError if an entry is missing."""
    try:
        report = _Report.model_validate(json.loads(text))
    except (ValueError, ValidationError, RecursionError):
        raise _unavailable("the output of pip-audit is not valid JSON") from None
    reported: dict[str, _Dependency] = {canonicalize_name(each.name): each for each in report.dependencies}
    if missing := [pin.name for pin in pins if pin.name not in reported]:
        raise _unavailable(f"no entry for {', '.join(missing[:5])}")
    return {pin: reported[pin.name].vulns for pin in pins if reported[pin.name].skip_reason is None}


def _unavailable(why: str) -> InputError:
    return InputError(
        f"the advisory service failed: {why}",
        where="--advisories",
        fix="check the network, then run the command again; PIP_AUDIT_VULNERABILITY_SERVICE selects another service",
        failure_class=FailureClass.TEMPORARY,
    )
