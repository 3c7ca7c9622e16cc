"""Reading a pylock.toml (PEP 751) and choosing each package's wheel for a target. Pure."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import BuildTag, InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from builder.artifact import Locked
from builder.matrix import Target
from builder.runtimes import Architecture

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class NoWheel(Exception):  # noqa: N818 - a value that the caller words
    """A package of a lock that has no wheel for the target."""

    name: str
    version: str


def read_pylock(text: str, target: Target) -> tuple[Locked, ...]:
    """The lock of ``target`` from uv's answer, sorted by name. Raises NoWheel, or ValueError on a foreign document."""
    return tuple(sorted((_locked(package, target) for package in tomllib.loads(text).get("packages", ())), key=_name))


def tags(target: Target) -> dict[Tag, int]:
    """The wheel tags that the target's runtime takes, with their rank: the lowest is the best."""
    major, minor = target.runtime.manylinux.split("_")[1:]
    return _tags(target.python, target.architecture, int(major), int(minor))


@lru_cache(maxsize=64)
def _tags(python: str, architecture: Architecture, major: int, minor: int) -> dict[Tag, int]:
    version = tuple(int(part) for part in python.split("."))
    interpreter = f"cp{version[0]}{version[1]}"
    platforms = list(_platforms(architecture, major, minor))
    ranked = [
        *cpython_tags(version, [interpreter], platforms),
        *compatible_tags(version, interpreter, platforms),
    ]
    return {tag: rank for rank, tag in reversed(list(enumerate(ranked)))}


def _platforms(architecture: Architecture, major: int, minor: int) -> Iterator[str]:
    """manylinux from the newest to the oldest that the architecture ever had, older names beside their numbers."""
    x86 = architecture is Architecture.X86_64
    names = {17: "manylinux2014", **({12: "manylinux2010", 5: "manylinux1"} if x86 else {})}
    for each in range(minor, (5 if x86 else 17) - 1, -1):
        yield f"manylinux_{major}_{each}_{architecture}"
        if each in names:
            yield f"{names[each]}_{architecture}"
    yield f"linux_{architecture}"


def _name(locked: Locked) -> str:
    return locked.name


def _locked(package: dict[str, Any], target: Target) -> Locked:
    ranks = tags(target)
    best: tuple[int, BuildTag, str, str] | None = None
    for wheel in package.get("wheels", ()):
        filename = wheel.get("name") or unquote(PurePosixPath(urlsplit(wheel.get("url") or wheel["path"]).path).name)
        try:
            _, _, build, of_wheel = parse_wheel_filename(filename)
        except InvalidWheelFilename:
            continue
        rank = min((ranks[tag] for tag in of_wheel if tag in ranks), default=None)
        sha256 = wheel.get("hashes", {}).get("sha256")
        if rank is None or sha256 is None:
            continue
        candidate = (-rank, build, filename, sha256)
        best = max(best, candidate) if best else candidate
    name = canonicalize_name(package["name"])
    if best is None:
        raise NoWheel(name, str(package.get("version", "?")))
    return Locked(name=name, version=str(package["version"]), filename=best[2], sha256=best[3])
