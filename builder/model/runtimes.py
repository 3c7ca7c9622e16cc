"""What Lambda's runtimes are, as far as a layer must know it: system, glibc, and the names AWS gives them.

Source: the Lambda developer guide, "Lambda runtimes" and "Amazon Linux 2 / 2023". One row a Python: adding a Python
that Lambda offers is one line here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Final


class Architecture(str, Enum):
    """A Lambda architecture, under the machine's name that layer names and wheels use."""

    X86_64 = "x86_64"
    AARCH64 = "aarch64"

    @property
    def api_name(self) -> str:
        """The name in Lambda's API, where ``aarch64`` is ``arm64``."""
        return "arm64" if self is Architecture.AARCH64 else self.value

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Runtime:
    """One Python of Lambda's."""

    python: str  #: "3.12"
    system: str
    glibc: tuple[int, int]
    #: The newest manylinux platform that uv knows and that this glibc runs. (uv knows none between 2_17 and 2_28.)
    manylinux: str
    #: The interpreter version that markers see. A floor that Lambda passed long ago: a fixed one, so that a lock does
    #: not depend on the machine that makes it; not x.y.0, which would shut out packages that need a later patch.
    full_version: str
    deprecated: date | None = None

    @property
    def api_name(self) -> str:
        """Lambda's name: ``python3.12``."""
        return f"python{self.python}"


RUNTIMES: Final[dict[str, Runtime]] = {
    runtime.python: runtime
    for runtime in (
        Runtime("3.10", "Amazon Linux 2", (2, 26), "manylinux_2_17", "3.10.12", date(2026, 10, 31)),
        Runtime("3.11", "Amazon Linux 2", (2, 26), "manylinux_2_17", "3.11.6", date(2027, 6, 30)),
        Runtime("3.12", "Amazon Linux 2023", (2, 34), "manylinux_2_34", "3.12.1", date(2028, 10, 31)),
        Runtime("3.13", "Amazon Linux 2023", (2, 34), "manylinux_2_34", "3.13.0", date(2029, 6, 30)),
        Runtime("3.14", "Amazon Linux 2023", (2, 34), "manylinux_2_34", "3.14.0"),
    )
}
