"""Read what a binary needs from the system from its ELF headers, without running it.

It reads the program headers and the dynamic segment, as the dynamic loader does (ELF specification, "Program Loading
and Dynamic Linking"), and not the section headers, which may be stripped. Every loop has a limit, so that a hostile
file costs no more than a real one.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

#: File content: bytes, or a memory-mapped file.
Content = bytes | mmap.mmap

MAGIC: Final = b"\x7fELF"
#: ``e_machine`` → the machine's name in findings. The first two are Lambda's.
_MACHINES: Final = {
    62: "x86_64", 183: "aarch64", 2: "sparc", 3: "386", 8: "mips", 20: "ppc", 21: "ppc64", 22: "s390", 40: "arm",
    50: "ia_64", 243: "riscv", 247: "bpf", 258: "loongarch",
}  # fmt: skip
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_VERNEED, _DT_VERNEEDNUM = 0, 1, 5, 10, 0x6FFFFFFE, 0x6FFFFFFF
_VER_FLG_WEAK = 0x2  #: the loader only warns if this version is missing
_VERSION = re.compile(r"^([A-Z]+)_(\d{1,6}(?:\.\d{1,6}){0,5})$")
#: More than any real file has.
_MAX_PROGRAM_HEADERS, _MAX_DYNAMIC_ENTRIES, _MAX_VERSIONS, _MAX_STRING_BYTES = 512, 1024, 1024, 1024
#: What a name in the facts takes in memory in addition to its characters, here and in a finding.
_NAME_OVERHEAD_BYTES = 64
_MAX_SYMBOL_NAMES_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Need:
    """The highest symbol version of one family that a file requires from one library."""

    library: str  #: ``libstdc++.so.6``
    family: str  #: ``GLIBCXX``
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.family}_{'.'.join(map(str, self.version))}"


@dataclass(frozen=True)
class ElfFacts:
    """The facts of one ELF file."""

    machine: str  #: ``x86_64``, ``aarch64``, or another machine's name
    bits: int = 64
    needs: tuple[Need, ...] = ()  #: sorted
    features: tuple[str, ...] = ()  #: required versions without a number: ``GLIBC_ABI_DT_RELR``
    needed: tuple[str, ...] = ()  #: shared libraries, DT_NEEDED
    is_module: bool = False  #: exports a ``PyInit_`` function, as every extension module does (PEP 489)
    broken: str | None = None  #: why the file cannot be read

    @property
    def memory_bytes(self) -> int:
        """Roughly the memory that the names take."""
        names = (*self.features, *self.needed, *(need.library for need in self.needs))
        return sum(_NAME_OVERHEAD_BYTES + len(name) for name in names)

    def highest(self, family: str) -> tuple[int, ...] | None:
        """Return the highest required version of a family (``GLIBC`` → (2, 17)), or None."""
        return max((need.version for need in self.needs if need.family == family), default=None)


def elf_facts(data: Content) -> ElfFacts | None:
    """Return the facts of an ELF file, or None for any other file. For a damaged file ``broken`` has the reason."""
    if data[:4] != MAGIC:
        return None
    try:
        return _ElfFile(data).facts()
    except (struct.error, ValueError, IndexError, OverflowError) as error:
        return ElfFacts("unreadable", broken=f"{type(error).__name__}: {error}")


class _ElfFile:
    """Parses an ELF file's headers. Raises struct.error or ValueError if they are damaged."""

    def __init__(self, data: Content) -> None:
        self._data = data
        ident = bytes(data[4:6])
        if len(ident) < 2 or ident[0] not in (1, 2) or ident[1] not in (1, 2):
            raise ValueError("unknown ELF class or byte order")
        self.bits = 32 * ident[0]
        self._order = "<" if ident[1] == 1 else ">"
        word = "Q" if self.bits == 64 else "L"
        _, self.machine, _, _, headers, _, _, _, size, count = self._unpack(f"HHL{word * 3}LHHH", 16)
        if count > _MAX_PROGRAM_HEADERS:
            raise ValueError(f"{count} program headers")
        self._word = word
        self._segments = [self._segment(headers + number * size) for number in range(count)]

    def _unpack(self, form: str, offset: int) -> tuple[int, ...]:
        return struct.unpack_from(self._order + form, self._data, offset)

    def _segment(self, position: int) -> tuple[int, int, int, int]:
        """Return a segment's type, offset in the file, address in memory and size in the file."""
        if self.bits == 64:
            kind, _, offset, address, _, size = self._unpack("LLQQQQ", position)
        else:
            kind, offset, address, _, size = self._unpack("LLLLL", position)
        return kind, offset, address, size

    def _offset_of(self, address: int) -> int:
        """Return the file offset of a memory address."""
        for kind, offset, start, size in self._segments:
            if kind == _PT_LOAD and start <= address < start + size:
                return offset + address - start
        raise ValueError(f"address {address:#x} is in no segment")

    def _text(self, offset: int) -> str:
        end = self._data.find(b"\0", offset, offset + _MAX_STRING_BYTES)
        if end < 0:
            raise ValueError("an unterminated string")
        return self._data[offset:end].decode("utf-8", "replace")

    def _dynamic(self) -> Iterator[tuple[int, int]]:
        """Yield the tag and value of each entry of the dynamic segment."""
        for kind, offset, _, size in self._segments:
            if kind == _PT_DYNAMIC:
                step = self.bits // 4
                for number in range(min(size // step, _MAX_DYNAMIC_ENTRIES)):
                    tag, value = self._unpack(self._word * 2, offset + number * step)
                    if tag == _DT_NULL:
                        break
                    yield tag, value
                return

    def facts(self) -> ElfFacts:
        """Return all facts that the checks use."""
        entries = list(self._dynamic())
        values = dict(entries)
        machine = _MACHINES.get(self.machine, f"machine {self.machine}")
        if _DT_STRTAB not in values:
            return ElfFacts(machine, self.bits)
        strings = self._offset_of(values[_DT_STRTAB])
        highest: dict[tuple[str, str], tuple[int, ...]] = {}
        features = set()
        for library, name in self._needed_versions(strings, values):
            if match := _VERSION.match(name):
                key, version = (library, match[1]), tuple(int(part) for part in match[2].split("."))
                highest[key] = max(highest.get(key, ()), version)
            else:
                features.add(name)
        symbols_end = strings + min(values.get(_DT_STRSZ, 0), _MAX_SYMBOL_NAMES_BYTES)
        return ElfFacts(
            machine,
            self.bits,
            needs=tuple(Need(*key, version) for key, version in sorted(highest.items())),
            features=tuple(sorted(features)),
            needed=tuple(dict.fromkeys(self._text(strings + value) for tag, value in entries if tag == _DT_NEEDED)),
            is_module=self._data.find(b"\0PyInit_", strings, symbols_end) >= 0,
        )

    def _needed_versions(self, strings: int, values: dict[int, int]) -> Iterator[tuple[str, str]]:
        """Yield each library and symbol version that the loader requires (DT_VERNEED, LSB "Symbol Versioning")."""
        if _DT_VERNEED not in values:
            return
        table, remaining = self._offset_of(values[_DT_VERNEED]), _MAX_VERSIONS
        for _ in range(min(values.get(_DT_VERNEEDNUM, 0), _MAX_VERSIONS)):
            _, count, library, first, following = self._unpack("HHLLL", table)
            offset = table + first
            remaining -= count + 1
            if remaining < 0:
                raise ValueError(f"more than {_MAX_VERSIONS} symbol versions")
            for _ in range(count):
                _, flags, _, name, further = self._unpack("LHHLL", offset)
                if not flags & _VER_FLG_WEAK:
                    yield self._text(strings + library), self._text(strings + name)
                offset += further
            table += following
