"""Known advisories for packages at certain versions, from pip-audit.

pip-audit runs as a program: it ends with 1 both for "found some" and for "nobody answered", so only its JSON is
believed, and only where it speaks of every package that was asked for.
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
from typing import Protocol

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, ConfigDict, ValidationError

from builder.model.errors import InputError
from builder.model.escape import shorten
from builder.resolve.uv import without_addresses

#: Seconds for all answers together, and for one.
TOTAL = 900
ONE = 20
#: Settings of pip-audit's that are ours to say.
_OURS = frozenset({"PIP_AUDIT_FORMAT", "PIP_AUDIT_DESC", "PIP_AUDIT_OUTPUT", "PIP_AUDIT_PROGRESS_SPINNER"})


@dataclass(frozen=True, order=True)
class Pin:
    """A package at a version, the name normalised."""

    name: str
    version: str


@dataclass(frozen=True)
class Advisory:
    """One advisory that names a package's version."""

    id: str
    aliases: tuple[str, ...]
    fixed: tuple[str, ...]  #: the versions that it is fixed in; empty where there is none yet

    def same_as(self, other: Advisory) -> bool:
        """Whether both are one thing, by whatever name."""
        return not {self.id, *self.aliases}.isdisjoint({other.id, *other.aliases})


class Advisories(Protocol):
    """Where advisories are asked for."""

    def of(self, pins: Collection[Pin]) -> Mapping[Pin, tuple[Advisory, ...]]:
        """The advisories of each pin. A pin that the service does not know is left out; InputError where the service
        does not answer."""


class _Vulnerability(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str
    aliases: tuple[str, ...] = ()
    fix_versions: tuple[str, ...] = ()


class _Dependency(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: str
    version: str | None = None
    skip_reason: str | None = None
    vulns: tuple[_Vulnerability, ...] = ()


class _Report(BaseModel):
    model_config = ConfigDict(extra="ignore")

    dependencies: tuple[_Dependency, ...]


class PipAudit:
    """pip-audit, with the service that its own settings name (PIP_AUDIT_VULNERABILITY_SERVICE, PIP_AUDIT_OSV_URL)."""

    def of(self, pins: Collection[Pin]) -> Mapping[Pin, tuple[Advisory, ...]]:
        if find_spec("pip_audit") is None:
            raise InputError(
                "pip-audit is not installed", where="--advisories", fix="install strands-layers[advisories]"
            )
        found: dict[Pin, tuple[Advisory, ...]] = {}
        with tempfile.TemporaryDirectory(prefix="layers-advisories-") as folder:
            for group in one_of_each(pins):
                found.update(_read(_run(group, Path(folder)), group))
        return found


def one_of_each(pins: Collection[Pin]) -> Iterator[tuple[Pin, ...]]:
    """The pins in groups that have each package once: pip-audit refuses a list with two versions of one."""
    by_name: dict[str, list[Pin]] = {}
    for pin in sorted(set(pins)):
        by_name.setdefault(pin.name, []).append(pin)
    for place in range(max(map(len, by_name.values()), default=0)):
        yield tuple(pins[place] for pins in by_name.values() if place < len(pins))


def _run(pins: Collection[Pin], folder: Path) -> str:
    """What pip-audit writes of these pins."""
    wanted = folder / "requirements.txt"
    wanted.write_text("".join(f"{pin.name}=={pin.version}\n" for pin in pins), "utf-8")
    command = [
        sys.executable, "-m", "pip_audit", "--requirement", str(wanted), "--no-deps", "--disable-pip",
        "--format", "json", "--desc", "off", "--aliases", "on", "--progress-spinner", "off",
        "--timeout", str(ONE), "--cache-dir", str(folder / "cache"),
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name not in _OURS}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", errors="replace",
            check=False, timeout=TOTAL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _unanswered(f"nothing came within {TOTAL} s") from None
    except OSError as error:
        raise _unanswered(str(error)) from None
    if done.returncode not in (0, 1) or not done.stdout.strip():
        raise _unanswered(_last_word(done.stderr) or f"pip-audit ended with {done.returncode}")
    return done.stdout


def _last_word(text: str) -> str:
    """Why pip-audit ended, without addresses: those may hold a token."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("WARNING")]
    last = lines[-1] if lines else ""
    exception = re.match(r"(?:\w+\.)*(\w+)(?::|$)", last)
    return exception[1] if exception and "Traceback" in text else shorten(without_addresses(last))


def _read(text: str, pins: Collection[Pin]) -> dict[Pin, tuple[Advisory, ...]]:
    """The advisories of the pins that the service knows. InputError where it leaves one out without a word."""
    try:
        report = _Report.model_validate(json.loads(text))
    except (ValueError, ValidationError):
        raise _unanswered("pip-audit writes no JSON that can be read") from None
    said: dict[str, _Dependency] = {canonicalize_name(each.name): each for each in report.dependencies}
    if silent := [pin.name for pin in pins if pin.name not in said]:
        raise _unanswered(f"nothing is said of {', '.join(silent[:5])}")
    known = ((pin, said[pin.name]) for pin in pins if said[pin.name].skip_reason is None)
    return {pin: tuple(_advisory(each) for each in dependency.vulns) for pin, dependency in known}


def _advisory(said: _Vulnerability) -> Advisory:
    return Advisory(shorten(said.id, 60), tuple(shorten(a, 60) for a in said.aliases), _in_order(said.fix_versions))


def _in_order(versions: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(str(version) for version in sorted({Version(text) for text in versions}))
    except InvalidVersion:
        return tuple(shorten(text, 60) for text in versions)


def _unanswered(why: str) -> InputError:
    return InputError(
        f"the advisories are not known, since their service gives no answer: {why}",
        where="--advisories",
        fix="see that it can be reached, then run the command again; PIP_AUDIT_VULNERABILITY_SERVICE names another",
    )
