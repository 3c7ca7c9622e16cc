"""Merge the files of a target's wheels into the content of a layer, below ``python/``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from packaging.utils import canonicalize_name, parse_wheel_filename

from builder.archive.packed import PackedFile, PackedFiles, pack
from builder.metadata.core_metadata import parse_headers, tags_in
from builder.metadata.module_names import pyc_path
from builder.metadata.record import format_record
from builder.model.artifact import Finding, Locked
from builder.model.errors import BuildError
from builder.model.findings import finding, group_paths
from builder.model.wheel_tags import expand_tags
from builder.resolve.failures import OTHER_WHEEL_FIX

#: Far above real packages; to parse 40 MB takes more than a minute.
MAX_HEADER_BYTES: Final = 1 << 20
_HEADERS_END = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True)
class PackedWheel:
    """A wheel's files for a layer, packed, its RECORD included."""

    locked: Locked
    files: PackedFiles
    bytecode: PackedFiles = field(default_factory=dict)  #: by the path of the module, if it compiles

    @cached_property
    def dist_info(self) -> str:
        """The name of its ``.dist-info`` folder."""
        # Deeper RECORDs are those of vendored packages.
        folders = (path.removesuffix("/RECORD") for path in self.files if path.endswith(".dist-info/RECORD"))
        return next(each for each in folders if "/" not in each and dist_info_name(each) == self.locked.name)

    @cached_property
    def metadata(self) -> str:
        """The headers of its METADATA, without the description below them. Raises BuildError if they are too large."""
        file = self.files.get(f"{self.dist_info}/METADATA")
        if file is None:
            return ""
        headers = _HEADERS_END.split(file.stream.content(MAX_HEADER_BYTES + 1), maxsplit=1)[0]
        if len(headers) > MAX_HEADER_BYTES:
            raise BuildError(
                f"METADATA has more than {MAX_HEADER_BYTES:,} bytes of headers",
                where=self.locked.filename,
                fix=OTHER_WHEEL_FIX,
            )
        return headers.decode("utf-8", "replace")

    @property
    def requires(self) -> list[str]:
        """The Requires-Dist lines of its METADATA."""
        return parse_headers(self.metadata).get("requires_dist", [])

    @property
    def extras(self) -> frozenset[str]:
        """The names of its extras, normalised: those that METADATA lists, and those in markers of requirements."""
        listed = parse_headers(self.metadata).get("provides_extra", [])
        marked = re.findall(r"""\bextra\s*==\s*['"]([^'"]+)""", "\n".join(self.requires))
        return frozenset(map(canonicalize_name, [*listed, *marked]))

    @property
    def size(self) -> int:
        """Unzipped bytes in the layer, bytecode included."""
        return sum(file.stream.size for files in (self.files, self.bytecode) for file in files.values())

    @property
    def file_count(self) -> int:
        """Files in the layer, bytecode included."""
        return len(self.files) + len(self.bytecode)


@dataclass(frozen=True)
class LayerContent:
    """The files of a layer, and the findings about conflicts between its wheels."""

    files: PackedFiles  #: by path in the zip
    findings: tuple[Finding, ...]


def merge(wheels: Sequence[PackedWheel], python: str) -> LayerContent:
    """Merge the files of all wheels. If files with one path differ, the first wheel by name wins."""
    files: dict[str, PackedFile] = {}
    replaced: dict[str, list[str]] = {}
    ordered = sorted(wheels, key=lambda wheel: wheel.locked.name)
    for wheel in ordered:
        for path, file in wheel.files.items():
            if files.setdefault(path, file).sha256 != file.sha256:
                replaced.setdefault(wheel.locked.name, []).append(path)
    for wheel in ordered:
        without = frozenset(replaced.get(wheel.locked.name, ()))
        if without:
            record = f"{wheel.dist_info}/RECORD"
            recorded = {p: file for p, file in wheel.files.items() if p not in without and p != record}
            files[record] = pack(record_of(wheel.dist_info, recorded))
        for path, compiled in wheel.bytecode.items():
            if path not in without:
                files[pyc_path(path, python)] = compiled
    findings = (*_check_collisions(ordered, replaced), *_check_unrecorded(ordered), *_check_tags(ordered))
    return LayerContent({f"python/{path}": file for path, file in files.items()}, findings)


def dist_info_name(folder: str) -> str:
    """Return the normalised package name of a ``.dist-info`` folder."""
    return canonicalize_name(folder.removesuffix(".dist-info").rpartition("-")[0])


def record_of(dist_info: str, files: PackedFiles) -> bytes:
    """Return the RECORD of a wheel's files, without bytecode, as installers write it."""
    return format_record(dist_info, ((path, file.sha256, file.stream.size) for path, file in files.items()))


def _check_collisions(wheels: Sequence[PackedWheel], replaced: Mapping[str, Sequence[str]]) -> list[Finding]:
    """Yield a finding for each pair of wheels that have different content for the same paths."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for loser, paths in replaced.items():
        for path in paths:
            winner = next(wheel.locked.name for wheel in wheels if path in wheel.files)
            pairs.setdefault((winner, loser), []).append(path)
    message = "{0} and {1} both have this file{2}, with different content; the layer has the content of {0}"
    return [
        finding(
            "warning",
            "wheels-collide",
            message.format(winner, loser, f" and {len(paths) - 1} more" if len(paths) > 1 else ""),
            f"python/{min(paths)}",
        )
        for (winner, loser), paths in pairs.items()
    ]


def _check_unrecorded(wheels: Sequence[PackedWheel]) -> Iterator[Finding]:
    """Yield a finding for each wheel with files for which its RECORD has no digest."""
    for wheel in wheels:
        paths = [f"python/{path}" for path, file in wheel.files.items() if file.is_unrecorded]
        message = f"has no digest in the RECORD of {wheel.locked.name} {wheel.locked.version}"
        yield from group_paths("warning", "record-unknown", message, paths)


def _check_tags(wheels: Sequence[PackedWheel]) -> Iterator[Finding]:
    """Yield a finding for each wheel whose WHEEL file has no tag of its file name, which installers go by."""
    for wheel in wheels:
        file = wheel.files.get(f"{wheel.dist_info}/WHEEL")
        tags = tags_in(file.stream.content(MAX_HEADER_BYTES) if file else b"")
        stated = {tag for each in tags for tag in expand_tags(each)}
        if stated and stated.isdisjoint(parse_wheel_filename(wheel.locked.filename)[3]):
            message = f"{wheel.locked.filename} says {', '.join(tags[:3])} in its WHEEL file, unlike its file name"
            yield finding("warning", "wheel-tag", message, f"python/{wheel.dist_info}/WHEEL")
