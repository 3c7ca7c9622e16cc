"""What a binary in a zip needs: read from its ELF headers, never by running it.

Read is what the loader reads: the dynamic segment, not the section headers, which a stripped file need not have.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_VERSION = re.compile(r"^([A-Z]+)_(\d+(?:\.\d+)*)$")
_WEAK = 0x2  # VER_FLG_WEAK: the loader warns and goes on
#: ``e_machine`` as pyelftools names it → as we name it. Others keep pyelftools' name, lower case.
_MACHINES = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64"}


@dataclass(frozen=True)
class Need:
    """The highest symbol version of one family that a file needs from one library."""

    library: str  #: ``libstdc++.so.6``
    family: str  #: ``GLIBCXX``
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.family}_{'.'.join(map(str, self.version))}"


@dataclass(frozen=True)
class ElfFacts:
    """One ELF file."""

    machine: str  #: ``x86_64``, ``aarch64``, or another's name
    bits: int = 64
    is_shared: bool = True
    needs: tuple[Need, ...] = ()  #: sorted
    features: tuple[str, ...] = ()  #: needed versions that are no numbers: ``GLIBC_ABI_DT_RELR``
    needed: tuple[str, ...] = ()  #: shared libraries, DT_NEEDED
    broken: str | None = None  #: why the file cannot be read

    def highest(self, family: str) -> tuple[int, ...] | None:
        """The highest version needed of a family (``GLIBC`` → (2, 17)), or None."""
        return max((need.version for need in self.needs if need.family == family), default=None)


def elf_facts(data: bytes) -> ElfFacts | None:
    """The facts of an ELF file; None where the bytes are none. A damaged file's facts say so."""
    if not data.startswith(b"\x7fELF"):
        return None
    from elftools.common.exceptions import ELFError

    try:
        # Closed, it holds no content; what pyelftools made refers to itself and lives on.
        with io.BytesIO(data) as file:
            return _read(data, file)
    # pyelftools raises whatever its parsing of a damaged file runs into.
    except (
        ELFError, struct.error, ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, OSError,
        RecursionError, TypeError, ValueError,
    ) as error:  # fmt: skip
        return ElfFacts("unreadable", broken=f"{type(error).__name__} {error}".strip())


def _read(data: bytes, file: io.BytesIO) -> ElfFacts:
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.elffile import ELFFile

    elf = ELFFile(file)
    machine = str(elf["e_machine"])
    facts = {
        "machine": _MACHINES.get(machine, machine.removeprefix("EM_").lower()),
        "bits": int(elf.elfclass),
        "is_shared": elf["e_type"] == "ET_DYN",
    }
    dynamic = next((segment for segment in elf.iter_segments() if isinstance(segment, DynamicSegment)), None)
    if dynamic is None:
        return ElfFacts(**facts)
    highest: dict[tuple[str, str], tuple[int, ...]] = {}
    features = set()
    for library, name in _needed_versions(elf, dynamic, data):
        if match := _VERSION.match(name):
            key, version = (library, match[1]), tuple(int(part) for part in match[2].split("."))
            highest[key] = max(highest.get(key, ()), version)
        else:
            features.add(name)
    return ElfFacts(
        **facts,
        needs=tuple(Need(*key, version) for key, version in sorted(highest.items())),
        features=tuple(sorted(features)),
        needed=tuple(str(getattr(tag, "needed", "")) for tag in dynamic.iter_tags("DT_NEEDED")),
    )


def _needed_versions(elf: Any, dynamic: Any, data: bytes) -> Iterator[tuple[str, str]]:
    """Each library and symbol version that the loader will ask for (DT_VERNEED, "Symbol Versioning" of the LSB)."""
    _, table = dynamic.get_table_offset("DT_VERNEED")
    _, strings = dynamic.get_table_offset("DT_STRTAB")
    if table is None or strings is None:
        return
    order = "<" if elf.little_endian else ">"

    def text(offset: int) -> str:
        start = strings + offset
        return data[start : data.index(b"\0", start)].decode()

    count = next((int(tag["d_val"]) for tag in dynamic.iter_tags("DT_VERNEEDNUM")), 0)
    for _ in range(min(count, len(data))):
        _version, versions, library, first, following = struct.unpack_from(f"{order}HHLLL", data, table)
        auxiliary = table + first
        for _ in range(versions):
            _hash, flags, _index, name, further = struct.unpack_from(f"{order}LHHLL", data, auxiliary)
            if not flags & _WEAK:
                yield text(library), text(name)
            auxiliary += further
        table += following
