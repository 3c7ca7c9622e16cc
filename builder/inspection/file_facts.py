"""The facts of one file in a zip: all that the checks look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from builder.inspection.elf import ElfFacts


@dataclass(frozen=True, slots=True)
class PycFacts:
    """The header of one ``.pyc`` file (PEP 552)."""

    magic: int
    check: Literal["unchecked", "checked", "time", "broken"]
    source_time: int | None = None  #: of the source, for ``time``
    source_size: int | None = None
    names_layer: bool = False  #: whether tracebacks show the path that the file has in a layer


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One entry of a zip. Slots keep a zip of 65,535 files small in memory."""

    path: str  #: exactly as in the zip
    mode: int | None  #: permission bits; None if the zip has none
    size: int  #: unpacked
    sha256: str | None  #: None if not read: a folder, a link, an unreadable file
    is_link: bool = False  #: a symbolic link
    is_special: bool = False  #: a device, FIFO or socket
    link_target: str | None = None  #: what a symbolic link points to
    elf: ElfFacts | None = None
    pyc: PycFacts | None = None
    modified: int | None = None  #: the zip's time of it, in seconds since 1970, taken as UTC

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def is_folder(self) -> bool:
        """Whether the entry is a folder."""
        return self.path.endswith("/")
