"""What is known of one file of a zip: all that the checks look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from builder.inspection.elf import ElfFacts


@dataclass(frozen=True)
class PycFacts:
    """One ``.pyc``, as far as its header and its bytes say (PEP 552)."""

    magic: int
    check: Literal["unchecked", "checked", "time", "broken"]
    source_time: int | None = None  #: of the source it was made from, for ``time``
    source_size: int | None = None
    names_layer: bool = False  #: whether tracebacks will name the file where a layer's files are


@dataclass(frozen=True)
class FileFacts:
    """One entry of a zip."""

    path: str  #: in the zip, as it is written there
    mode: int | None  #: permission bits; None where the zip names none
    size: int  #: unpacked
    sha256: str | None  #: None: not read (a folder, a link, a file that cannot be read)
    is_link: bool = False  #: a symbolic link, or any other thing that is neither file nor folder
    elf: ElfFacts | None = None
    pyc: PycFacts | None = None
    modified: int | None = None  #: the zip's time of it, in seconds since 1970, taken as UTC

    @cached_property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def is_folder(self) -> bool:
        return self.path.endswith("/")
