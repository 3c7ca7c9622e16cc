"""Whether a zip's distributions are whole, are for the target, and have what they require."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import compatible_tags, cpython_tags, parse_tag
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from builder.inspection.distributions import Distribution
from builder.inspection.file_facts import FileFacts
from builder.inspection.findings import dotted, finding, grouped
from builder.inspection.pyc import source_of
from builder.model.artifact import Finding
from builder.model.runtimes import Architecture
from builder.model.target import Target
from builder.wheels.requires_dist import active_requirements

#: What Lambda's Pythons have themselves (developer guide, "Runtime-included SDK versions"): a layer may do without.
_IN_RUNTIME = frozenset({"boto3", "botocore", "s3transfer", "jmespath", "urllib3", "python-dateutil", "six"})
#: A glibc that no wheel asks for: to tell "too new a system" from "another machine's".
_FAR_GLIBC = (2, 99)


def check_packages(found: Sequence[Distribution], files: Sequence[FileFacts], target: Target) -> tuple[Finding, ...]:
    """Everything that can be said of the distributions in a target's zip."""
    return (
        *_check_twice(found),
        *(each for distribution in found for each in _check_target(distribution, target)),
        *_check_requirements(found, target),
        *_check_records(found, files),
    )


def _check_twice(found: Sequence[Distribution]) -> list[Finding]:
    folders: dict[str, list[str]] = {}
    for distribution in found:
        folders.setdefault(distribution.name, []).append(distribution.folder)
    return [
        finding("error", "package-twice", f"{name} is there {len(all_)} times: {', '.join(all_)}", all_[0])
        for name, all_ in folders.items()
        if len(all_) > 1
    ]


def _check_target(distribution: Distribution, target: Target) -> Iterator[Finding]:
    """The wheel's tags and its Requires-Python against the target."""
    named = f"{distribution.name} {distribution.version}"
    tags = {tag for text in distribution.tags for tag in parse_tag(text)}
    if tags and not tags & _supported(target.python, target.architecture, target.runtime.glibc):
        listed = ", ".join(distribution.tags[:3]) + (", …" if len(distribution.tags) > 3 else "")
        if tags & _supported(target.python, target.architecture, _FAR_GLIBC):
            message = f"{named} is a wheel for a newer glibc than {dotted(target.runtime.glibc)} ({listed})"
            yield finding("warning", "wheel-glibc", message, distribution.folder)
        else:
            message = f"{named} is a wheel for {listed}, not for CPython {target.python} on {target.architecture} Linux"
            yield finding("error", "wheel-tag", message, distribution.folder)
    try:
        wanted = SpecifierSet(distribution.requires_python or "")
    except InvalidSpecifier:
        return
    if not wanted.contains(target.runtime.full_version, prereleases=True):
        message = f"{named} requires Python {wanted}, the target has {target.python}"
        yield finding("error", "python-required", message, distribution.folder)


@cache
def _supported(python: str, architecture: Architecture, glibc: tuple[int, int]) -> frozenset[object]:
    """The wheel tags that this Python runs on Linux with this glibc (PEP 600 and its forerunners)."""
    major, minor = (int(part) for part in python.split("."))
    legacy = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}
    platforms = [f"linux_{architecture}"]
    for number in range(glibc[1], 4, -1):
        platforms.append(f"manylinux_2_{number}_{architecture}")
        if number in legacy:
            platforms.append(f"{legacy[number]}_{architecture}")
    version = (major, minor)
    return frozenset(
        [
            *cpython_tags(version, platforms=platforms),
            *compatible_tags(version, interpreter=f"cp{major}{minor}", platforms=platforms),
        ]
    )


def _check_requirements(found: Sequence[Distribution], target: Target) -> Iterator[Finding]:
    """What each distribution requires on this target is there, in a version that it takes.

    Found so: a layer that was put together by another Python and lacks what only this one needs.
    """
    active = active_requirements({each.name: each.requires for each in found}, target)
    versions = {distribution.name: distribution.version for distribution in found}
    for distribution in found:
        for requirement in active[distribution.name]:
            name = str(canonicalize_name(requirement.name))
            named = f"{distribution.name} {distribution.version} requires {name}{requirement.specifier}"
            if name not in versions:
                if name not in _IN_RUNTIME:
                    message = f"{named} on Python {target.python}, and the zip has none"
                    yield finding("warning", "requirement-missing", message, distribution.folder)
            elif not _fits(requirement, versions[name]):
                message = f"{named}; the zip has {versions[name]}"
                yield finding("warning", "requirement-version", message, distribution.folder)


def _fits(requirement: Requirement, version: str) -> bool:
    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True


def _check_records(found: Sequence[Distribution], files: Sequence[FileFacts]) -> Iterator[Finding]:
    """RECORD against the files, both ways."""
    hashes = {file.path: file.sha256 for file in files if not file.is_folder}
    for distribution in found:
        if distribution.record is None:
            continue
        changed, missing = [], []
        for row in distribution.record:
            if row.path not in hashes:
                if not _is_dropped(row.path, distribution.root):
                    missing.append(row.path)
            elif row.sha256 and hashes[row.path] and row.sha256 != hashes[row.path]:
                changed.append(row.path)
        owner = f"{distribution.name} {distribution.version}"
        yield from grouped("error", "record-hash", f"has other bytes than the RECORD of {owner} says", changed)
        yield from grouped("warning", "record-missing", f"is in the RECORD of {owner} and not in the zip", missing)
    yield from grouped("warning", "record-unknown", "belongs to no package by any RECORD", _unknown(found, hashes))


def _is_dropped(path: str, root: str) -> bool:
    """Whether a RECORD's file is one that installers put elsewhere or make again: scripts, bytecode, notes."""
    return not path.startswith(root) or path.endswith(".pyc") or path.startswith((f"{root}bin/", f"{root}share/"))


def _unknown(found: Sequence[Distribution], paths: Sequence[str] | dict[str, str | None]) -> list[str]:
    """Files under the import roots that no RECORD names. Nothing where no distribution has a RECORD."""
    recorded = {row.path for distribution in found for row in distribution.record or ()}
    if not recorded:
        return []
    notes = tuple(f"{distribution.folder}/" for distribution in found)
    return [
        path
        for path in sorted(paths)
        if path.startswith("python/")
        and path not in recorded
        and source_of(path) not in recorded
        and not path.startswith((*notes, "python/bin/"))
    ]
