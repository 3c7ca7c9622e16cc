"""From packed files to a zip on disk: what is in it, as the checks want to know it, and its size and hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from builder.archive.zip_writer import Entry, Stream, compress, write_zip
from builder.inspection import ElfFacts, FileFacts, PycFacts, elf_facts, pyc_facts


@dataclass(frozen=True)
class Packed:
    """A content as it goes into zips, and what the checks need to know where it is a binary."""

    stream: Stream
    sha256: str  #: of the content
    elf: ElfFacts | None = None
    pyc: PycFacts | None = None


#: Every file of a zip by its path there, and whether it is executable.
Files = Mapping[str, tuple[Packed, bool]]


def pack(content: bytes, sha256: str | None = None) -> Packed:
    """Compress a content and look at it."""
    facts = elf_facts(content) if content.startswith(b"\x7fELF") else None
    return Packed(compress(content), sha256 or hashlib.sha256(content).hexdigest(), facts)


def pack_pyc(path: str, content: bytes) -> Packed:
    """The same for bytecode; ``path`` is the one below ``python/``."""
    return Packed(compress(content), hashlib.sha256(content).hexdigest(), pyc=pyc_facts(f"python/{path}", content))


def facts_of(files: Files) -> list[FileFacts]:
    """What the checks look at."""
    return [
        FileFacts(path, 0o755 if executable else 0o644, each.stream.size, each.sha256, elf=each.elf, pyc=each.pyc)
        for path, (each, executable) in files.items()
    ]


def write(path: Path, files: Files) -> tuple[int, str]:
    """Write the zip; its size and sha256."""
    with path.open("wb") as file:
        out = _Hashing(file)
        write_zip(out, (Entry(name, each.stream, executable) for name, (each, executable) in files.items()))
    return out.size, out.digest.hexdigest()


class _Hashing:
    """A file that knows the sha256 and the size of what was written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self.digest.update(data)
        self.size += len(data)
        self._file.write(data)
