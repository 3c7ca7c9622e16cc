"""What a binary in a zip needs: read from its ELF headers, never by running it."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

from builder.runtimes import Architecture

#: ``e_machine`` of each architecture, as pyelftools names it.
MACHINES = {Architecture.X86_64: "EM_X86_64", Architecture.AARCH64: "EM_AARCH64"}
_VERSION = re.compile(r"^([A-Z]+)_(\d+(?:\.\d+)*)$")


@dataclass(frozen=True)
class ElfFacts:
    """One ELF file. ``versions``: the highest symbol version needed of each family (``GLIBC`` → (2, 17))."""

    machine: str
    versions: tuple[tuple[str, tuple[int, ...]], ...] = ()
    needed: tuple[str, ...] = ()  #: shared libraries, DT_NEEDED
    broken: str | None = None

    def highest(self, family: str) -> tuple[int, ...] | None:
        """The highest version needed of a family, or None."""
        return dict(self.versions).get(family)


def elf_facts(data: bytes) -> ElfFacts | None:
    """The facts of an ELF file; None where the bytes are none."""
    if not data.startswith(b"\x7fELF"):
        return None
    try:
        elf = ELFFile(io.BytesIO(data))
        machine = str(elf["e_machine"])
        versions: dict[str, tuple[int, ...]] = {}
        needed: list[str] = []
        for section in elf.iter_sections():
            if isinstance(section, GNUVerNeedSection):
                for _, auxiliaries in section.iter_versions():
                    for auxiliary in auxiliaries:
                        if match := _VERSION.match(auxiliary.name):
                            version = tuple(int(part) for part in match[2].split("."))
                            versions[match[1]] = max(versions.get(match[1], ()), version)
            elif isinstance(section, DynamicSection):
                needed += [str(getattr(tag, "needed", "")) for tag in section.iter_tags("DT_NEEDED")]
        return ElfFacts(machine, tuple(sorted(versions.items())), tuple(needed))
    except (ELFError, ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        # pyelftools raises whatever its parsing of a damaged file runs into.
        return ElfFacts("unreadable", broken=f"{type(error).__name__}: {error}")
