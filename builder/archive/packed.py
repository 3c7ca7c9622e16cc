"""Packed files: each is compressed, hashed and examined once, then written into any number of zips.

Many of them can be dumped to one sequence of bytes, which is how the cache keeps a wheel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from builder.archive.zip_writer import Stream, ZipEntry, compress, write_zip
from builder.inspection.elf import ElfFacts, elf_facts
from builder.inspection.file_facts import FileFacts, PycFacts
from builder.inspection.pyc import pyc_facts
from builder.model.file_access import sha256_of

if TYPE_CHECKING:
    from pydantic import TypeAdapter

#: Part of every cache key. Increase it with every change of `dump_files` or of the facts' classes.
PACKED_FORMAT = 3
_LENGTH_BYTES = 8


class PackedFile(NamedTuple):
    """A compressed file with the facts that the checks need."""

    stream: Stream
    sha256: str  #: of the content
    executable: bool = False
    elf: ElfFacts | None = None
    pyc: PycFacts | None = None
    is_unrecorded: bool = False  #: the wheel's own RECORD has no digest for it


#: Files by their path in the zip, or below ``python/``.
PackedFiles = Mapping[str, PackedFile]


def pack(content: bytes, sha256: str | None = None, path: str = "") -> PackedFile:
    """Compress and examine a content. ``path`` is needed for a ``.pyc`` only, the one below ``python/``."""
    elf = elf_facts(content) if content.startswith(b"\x7fELF") else None
    pyc = pyc_facts(f"python/{path}", content)
    return PackedFile(compress(content), sha256 or hashlib.sha256(content).hexdigest(), elf=elf, pyc=pyc)


def facts_of(files: PackedFiles) -> list[FileFacts]:
    """Return the facts that the checks read."""
    return [
        FileFacts(path, 0o755 if file.executable else 0o644, file.stream.size, file.sha256, elf=file.elf, pyc=file.pyc)
        for path, file in files.items()
    ]


class _IndexRow(NamedTuple):
    """The entry of one file in the index that `dump_files` writes before the streams."""

    path: str
    sha256: str
    executable: bool
    method: int
    crc: int
    size: int
    length: int  #: of the stream
    elf: ElfFacts | None
    pyc: PycFacts | None
    is_unrecorded: bool


@cache
def _index() -> TypeAdapter[list[_IndexRow]]:
    from pydantic import TypeAdapter

    return TypeAdapter(list[_IndexRow])


def dump_files(files: PackedFiles) -> list[bytes | memoryview]:
    """Serialize files: return the length of the index, the index as JSON, and the streams, to be joined."""
    rows = [
        _IndexRow(path, sha256, executable, stream.method, stream.crc, stream.size, len(stream.data), elf, pyc, extra)
        for path, (stream, sha256, executable, elf, pyc, extra) in files.items()
    ]
    index = _index().dump_json(rows)
    return [len(index).to_bytes(_LENGTH_BYTES, "little"), index, *(file.stream.data for file in files.values())]


def load_files(dumped: memoryview) -> dict[str, PackedFile]:
    """Read files that `dump_files` wrote. Their streams point into ``dumped``. Raises ValueError if it is malformed."""
    start = _LENGTH_BYTES + int.from_bytes(dumped[:_LENGTH_BYTES], "little")
    files: dict[str, PackedFile] = {}
    for row in _index().validate_json(bytes(dumped[_LENGTH_BYTES:start])):
        stream = Stream(row.method, dumped[start : start + row.length], row.crc, row.size)
        files[row.path] = PackedFile(stream, row.sha256, row.executable, row.elf, row.pyc, row.is_unrecorded)
        start += row.length
    if start != len(dumped):
        raise ValueError("the streams are incomplete")
    return files


def write_zip_file(path: Path, files: PackedFiles) -> tuple[int, str]:
    """Write the zip of the files and return its size and sha256."""
    with path.open("wb", buffering=1 << 20) as file:
        write_zip(file, (ZipEntry(name, each.stream, each.executable) for name, each in files.items()))
    return path.stat().st_size, sha256_of(path)
