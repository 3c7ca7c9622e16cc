"""What the systems under Lambda's Pythons have, as far as a binary can miss it.

Sources. glibc: the Lambda developer guide. Compilers: Amazon Linux 2 has libstdc++ and libgcc 7.3; Amazon Linux 2023
began with those of GCC 11 and took the runtime libraries of GCC 14 in the spring of 2025
(github.com/amazonlinux/container-images issue 132), Lambda's own images some time later. So there are two figures:
what every image of a system has had, and what the newest has. What lies between is a warning, what lies above an
error. Which compiler brought which symbol version: the libstdc++ manual, "ABI Policy and Guidelines" (GCC 7.2
GLIBCXX_3.4.24 and CXXABI_1.3.11, GCC 11.1 3.4.29 and 1.3.13, GCC 14.1 3.4.33 and 1.3.15), libgcc's ``*.ver`` files and
zlib's ``zlib.map`` (1.2.7 and 1.2.11).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from builder.model.runtimes import Runtime

Version = tuple[int, ...]


@dataclass(frozen=True)
class System:
    """A system's libraries: for each family of symbol versions what is surely there and what may be."""

    sure: dict[str, Version]
    newest: dict[str, Version]


_AL2 = {"GLIBCXX": (3, 4, 24), "CXXABI": (1, 3, 11), "GCC": (7, 0, 0), "ZLIB": (1, 2, 5, 2)}
SYSTEMS: Final[dict[str, System]] = {
    "Amazon Linux 2": System(_AL2, _AL2),
    "Amazon Linux 2023": System(
        {"GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13), "GCC": (11, 0, 0), "ZLIB": (1, 2, 9)},
        {"GLIBCXX": (3, 4, 33), "CXXABI": (1, 3, 15), "GCC": (14, 0, 0), "ZLIB": (1, 2, 9)},
    ),
}

#: glibc's own parts, and the libraries that manylinux lets wheels leave out and that Lambda's images have.
_LIBRARIES: Final = frozenset(
    {
        "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libmvec.so.1", "libdl.so.2",
        "libpthread.so.0", "librt.so.1", "libutil.so.1", "libresolv.so.2", "libanl.so.1", "libnss_files.so.2",
        "libgcc_s.so.1", "libstdc++.so.6", "libz.so.1",
    }
)  # fmt: skip


def has_library(runtime: Runtime, name: str) -> bool:
    """Whether the runtime's image has a shared library: its system's, and the Python that lies in /var/lang/lib."""
    return name in _LIBRARIES or name in (f"libpython{runtime.python}.so.1.0", "libpython3.so")
