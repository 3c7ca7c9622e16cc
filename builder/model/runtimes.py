"""Every fact about Lambda's Python runtimes, in one table: a new Python is one row of ``RUNTIMES``.

Sources: the Lambda developer guide ("Lambda runtimes", "Amazon Linux 2 / 2023") for systems, glibc and dates; CPython's
``importlib/_bootstrap_external.py`` for the magic numbers of final releases.

Compiler libraries: Amazon Linux 2 has libstdc++ and libgcc 7.3. Amazon Linux 2023 started with those of GCC 11 and
moved to the runtime libraries of GCC 14 in spring 2025 (github.com/amazonlinux/container-images issue 132); Lambda's
images followed later. So there are two figures for each family of symbol versions: what every image has, and what the
newest image has. Which compiler added which symbol version: the libstdc++ manual, "ABI Policy and Guidelines" (GCC 7.2
GLIBCXX_3.4.24 and CXXABI_1.3.11, GCC 11.1 3.4.29 and 1.3.13, GCC 14.1 3.4.33 and 1.3.15), libgcc's ``*.ver`` files and
zlib's ``zlib.map`` (1.2.7 and 1.2.11).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Final

#: Lambda's limits of a zip (developer guide, "Lambda quotas"): of one in a request; of a function with all its layers.
ZIPPED_LIMIT_BYTES: Final = 52_428_800
UNZIPPED_LIMIT_BYTES: Final = 262_144_000
#: Symbol versions by family: ``{"GLIBCXX": (3, 4, 29)}``.
SymbolVersions = Mapping[str, tuple[int, ...]]

#: Shared libraries in Lambda's images: glibc's own, and those that manylinux wheels may expect.
_SYSTEM_LIBRARIES: Final = frozenset(
    {
        "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libmvec.so.1", "libdl.so.2",
        "libpthread.so.0", "librt.so.1", "libutil.so.1", "libresolv.so.2", "libanl.so.1", "libnss_files.so.2",
        "libgcc_s.so.1", "libstdc++.so.6", "libz.so.1",
    }
)  # fmt: skip


class Architecture(str, Enum):
    """A Lambda architecture. Its value is the machine name that layer names and wheels use."""

    X86_64 = "x86_64"
    AARCH64 = "aarch64"

    @property
    def api_name(self) -> str:
        """The name in Lambda's API, where ``aarch64`` is ``arm64``."""
        return "arm64" if self is Architecture.AARCH64 else self.value

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class System:
    """The operating system of a runtime's image."""

    name: str
    glibc: tuple[int, int]
    #: The oldest uv platform that includes every wheel that runs on this system. uv has none between 2_17 and 2_28.
    uv_platform: str
    #: Symbol versions of the compiler libraries and zlib that every image has, and that the newest image has.
    every_image: SymbolVersions = field(hash=False)
    newest_image: SymbolVersions = field(hash=False)

    def __str__(self) -> str:
        return self.name


_AL2_LIBRARIES: Final = {"GLIBCXX": (3, 4, 24), "CXXABI": (1, 3, 11), "GCC": (7, 0, 0), "ZLIB": (1, 2, 5, 2)}
AMAZON_LINUX_2: Final = System("Amazon Linux 2", (2, 26), "manylinux_2_28", _AL2_LIBRARIES, _AL2_LIBRARIES)
AMAZON_LINUX_2023: Final = System(
    "Amazon Linux 2023",
    (2, 34),
    "manylinux_2_34",
    every_image={"GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13), "GCC": (11, 0, 0), "ZLIB": (1, 2, 9)},
    newest_image={"GLIBCXX": (3, 4, 33), "CXXABI": (1, 3, 15), "GCC": (14, 0, 0), "ZLIB": (1, 2, 9)},
)


@dataclass(frozen=True)
class Runtime:
    """One Python that Lambda offers."""

    python: str  #: "3.12"
    system: System
    #: A patch version that Lambda runs today, for ``requires-python`` and ``python_full_version`` markers. Fixed, so
    #: that a lock does not depend on the machine that makes it. Raise it when Lambda's images move on.
    full_version: str
    magic: int  #: the bytecode magic number of the final releases
    deprecated: date | None = None  #: no security patches from this date on
    no_new_functions: date | None = None  #: CreateFunction refuses the runtime from this date on

    @property
    def api_name(self) -> str:
        """Lambda's name: ``python3.12``."""
        return f"python{self.python}"

    @property
    def glibc(self) -> tuple[int, int]:
        """The system's glibc: ``(2, 34)``."""
        return self.system.glibc

    @property
    def manylinux(self) -> str:
        """The newest manylinux platform whose wheels run: ``manylinux_2_34``."""
        return f"manylinux_{self.glibc[0]}_{self.glibc[1]}"

    def has_library(self, name: str) -> bool:
        """Whether the image has a shared library: the system's own, or Python's in /var/lang/lib."""
        return name in _SYSTEM_LIBRARIES or name in (f"libpython{self.python}.so.1.0", "libpython3.so")


RUNTIMES: Final[dict[str, Runtime]] = {
    runtime.python: runtime
    for runtime in (
        Runtime("3.10", AMAZON_LINUX_2, "3.10.18", 3439, date(2026, 10, 31), date(2027, 2, 1)),
        Runtime("3.11", AMAZON_LINUX_2, "3.11.13", 3495, date(2027, 6, 30)),
        Runtime("3.12", AMAZON_LINUX_2023, "3.12.11", 3531, date(2028, 10, 31)),
        Runtime("3.13", AMAZON_LINUX_2023, "3.13.7", 3571, date(2029, 6, 30)),
        Runtime("3.14", AMAZON_LINUX_2023, "3.14.0", 3627),
    )
}
