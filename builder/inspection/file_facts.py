"""The facts of one file in a zip that the checks use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from builder.inspection.elf import ElfFacts


@dataclass(frozen=True, slots=True)
class PycFacts:
    """The header of one ``.pyc`` file (PEP 552)."""

    magic: int
    check: Literal["unchecked", "checked", "time", "broken"]
    source_time: int | None = None  #: of the source; None unless the bytecode is validated by time and size
    source_size: int | None = None
    names_layer: bool = False  #: whether tracebacks show the file's path in a layer


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One entry of a zip. Slots save memory for a zip of 65,535 files."""

    path: str  #: exactly as in the zip
    mode: int | None  #: permission bits; None if the zip has none
    size: int  #: unpacked
    sha256: str | None  #: None if not read: a folder, a link, an unreadable file
    is_link: bool = False  #: a symbolic link
    is_special: bool = False  #: a device, FIFO or socket
    link_target: str | None = None  #: the target of a symbolic link
    elf: ElfFacts | None = None
    pyc: PycFacts | None = None
    modified: int | None = None  #: the modification time in the zip, in seconds since 1970, read as UTC

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def is_folder(self) -> bool:
        """Whether the entry is a folder."""
        return self.path.endswith("/")
