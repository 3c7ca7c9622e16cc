"""Write zips from finished DEFLATE streams, so that a file in many zips is compressed only once.

The same files give the same bytes: sorted names, one fixed time, modes 0644 or 0755, no folders, no extra fields. The
compressor is libdeflate, whose output does not depend on the processor; docs/building.md compares it with others.
Layout: APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.16 (end record).
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import deflate

COMPRESSION_LEVEL = 5
#: Identifies the output of ``compress``: part of every cache key.
COMPRESSOR = f"libdeflate {deflate.__version__} {COMPRESSION_LEVEL}, gzip stored"
#: 1980-01-01 00:00, the earliest time that a zip can express, in MS-DOS form.
_TIME, _DATE = 0, (1 << 5) | 1
_STORED, _DEFLATED = 0, 8
_UTF8 = 0x800
_UNIX = 3
_MAX_OFFSET = 0xFFFFFFFF
#: Files that a zip without zip64 can hold.
MAX_ZIP_FILES = 0xFFFF
_COMMON = struct.Struct("<HHHHHLLLHH")  # the fields that the local header and the central directory share
_REST = struct.Struct("<HHHLL")
_END = struct.Struct("<4sHHHHLLH")  # the end record
_MADE_BY = bytes((20, _UNIX))
#: The first bytes of gzip files, such as botocore's data. Compressing them again takes time and saves nothing.
_GZIP = b"\x1f\x8b"


class Stream(NamedTuple):
    """A file's bytes as a zip has them."""

    method: int
    data: bytes | memoryview
    crc: int
    size: int  #: unpacked

    def content(self, limit: int = 0) -> bytes:
        """Return the file's content, or with a ``limit`` its first bytes."""
        if self.method == _DEFLATED:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(self.data, limit)
        return bytes(self.data[: limit or None])


class ZipEntry(NamedTuple):
    """A file in a zip."""

    name: str
    stream: Stream
    executable: bool = False


def compress(content: bytes) -> Stream:
    """Compress content with DEFLATE, or store it if that is not shorter or it is a gzip file."""
    compressible = content and not content.startswith(_GZIP)
    data = deflate.deflate_compress(content, COMPRESSION_LEVEL) if compressible else b""
    if 0 < len(data) < len(content):
        return Stream(_DEFLATED, bytes(data), zlib.crc32(content), len(content))
    return Stream(_STORED, content, zlib.crc32(content), len(content))


def write_zip(file: IO[bytes], entries: Iterable[ZipEntry]) -> None:
    """Write the entries, sorted by name. Raises ValueError if a name occurs twice or the zip would need zip64."""
    central: list[bytes] = []
    offset = 0
    previous: bytes | None = None
    for entry in sorted(entries, key=lambda entry: entry.name.encode()):
        name = entry.name.encode()
        if name == previous:
            raise ValueError(f"{entry.name} is in the zip twice")
        previous = name
        stream = entry.stream
        common = _COMMON.pack(
            20, 0 if name.isascii() else _UTF8, stream.method, _TIME, _DATE, stream.crc, len(stream.data), stream.size,
            len(name), 0,
        )  # fmt: skip
        attributes = (0o100755 if entry.executable else 0o100644) << 16
        central += (b"PK\x01\x02", _MADE_BY, common, _REST.pack(0, 0, 0, attributes, offset), name)
        header = b"PK\x03\x04" + common + name
        file.write(header)
        file.write(stream.data)
        offset += len(header) + len(stream.data)
    directory = b"".join(central)
    count = len(central) // 5
    if offset + len(directory) > _MAX_OFFSET or count > MAX_ZIP_FILES:
        raise ValueError("more bytes or files than a zip without zip64 can hold")
    end = _END.pack(b"PK\x05\x06", 0, 0, count, count, len(directory), offset, 0)
    file.write(directory + end)


def read_checksums(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the name and the CRC-32 of each file of a zip of ``write_zip``. zipfile takes ten times as long."""
    with path.open("rb") as file:
        file.seek(-_END.size, os.SEEK_END)
        *_, length, offset, _ = _END.unpack(file.read())
        file.seek(offset)
        directory = file.read(length)
    place = 0
    while place < length:
        *_, crc, _, _, name_length, _ = _COMMON.unpack_from(directory, place + 6)
        place += 6 + _COMMON.size + _REST.size
        yield directory[place : place + name_length].decode(), crc
        place += name_length
