"""The zip: written from finished DEFLATE streams, so that a file that many zips hold is compressed once.

Deterministic: sorted names, one fixed time, modes 0644 or 0755, no folders, no extra fields. The compressor is
libdeflate, which gives the same bytes on every processor and, in figures (docs/building.md), better ones sooner.
Layout: APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.16 (end record).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Protocol

import deflate

LEVEL = 6
#: Names the bytes that ``compress`` makes: part of every cache key.
COMPRESSOR = f"libdeflate {version('deflate')} {LEVEL}"
#: 1980-01-01 00:00, the earliest time that a zip can say, in MS-DOS form.
_TIME, _DATE = 0, (1 << 5) | 1
_STORED, _DEFLATED = 0, 8
_UTF8 = 0x800
_UNIX = 3
_LIMIT = 0xFFFFFFFF


@dataclass(frozen=True)
class Stream:
    """A file's bytes as they stand in a zip."""

    method: int
    data: bytes
    crc: int
    size: int  #: unpacked


@dataclass(frozen=True)
class Entry:
    """A file in a zip."""

    name: str
    stream: Stream
    executable: bool = False


def compress(content: bytes) -> Stream:
    """The content's stream: DEFLATE, or stored where that would not be shorter."""
    data = bytes(deflate.deflate_compress(content, LEVEL)) if content else b""
    if len(data) < len(content):
        return Stream(_DEFLATED, data, zlib.crc32(content), len(content))
    return Stream(_STORED, content, zlib.crc32(content), len(content))


class Sink(Protocol):
    """Where a zip is written to."""

    def write(self, data: bytes, /) -> object: ...


def write_zip(file: Sink, entries: Iterable[Entry]) -> None:
    """Write the entries, sorted by name. ValueError where a name stands twice or a zip64 would be needed."""
    central: list[bytes] = []
    offset = 0
    previous: bytes | None = None
    for entry in sorted(entries, key=lambda entry: entry.name.encode()):
        name = entry.name.encode()
        if name == previous:
            raise ValueError(f"{entry.name} stands twice")
        previous = name
        flags = 0 if name.isascii() else _UTF8
        stream = entry.stream
        common = struct.pack(
            "<HHHHHLLLHH",
            20, flags, stream.method, _TIME, _DATE, stream.crc, len(stream.data), stream.size, len(name), 0,
        )  # fmt: skip
        mode = 0o100755 if entry.executable else 0o100644
        central.append(
            b"PK\x01\x02"
            + struct.pack("<BB", 20, _UNIX)
            + common
            + struct.pack("<HHHLL", 0, 0, 0, mode << 16, offset)
            + name
        )
        header = b"PK\x03\x04" + common + name
        file.write(header)
        file.write(stream.data)
        offset += len(header) + len(stream.data)
    directory = b"".join(central)
    if offset + len(directory) > _LIMIT or len(central) > 0xFFFF:
        raise ValueError("more than a zip without zip64 can hold")
    file.write(directory)
    file.write(b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, len(central), len(central), len(directory), offset, 0))
