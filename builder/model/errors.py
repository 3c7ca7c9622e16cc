"""Every error that a user can meet, and the exit code each ends the program with.

An error is one sentence of what is wrong, where (file, line, key, region, target), and what to do. Whatever reaches
the command line and is not one of these is a defect and leaves with 1.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar


class FailureClass(str, Enum):
    """Whether running the same command again can help."""

    TEMPORARY = "temporary"  #: the next run may succeed
    PERMANENT = "permanent"  #: it fails until someone changes something; the advice says what
    DEFECT = "defect"  #: a bug in this program

    def __str__(self) -> str:
        return self.value


class LayersError(Exception):
    """Base of the program's own errors: ``what`` is wrong, ``where``, and the ``fix``."""

    exit_code: ClassVar[int] = 1
    failure_class: FailureClass = FailureClass.DEFECT

    def __init__(
        self, what: str, *, where: str | None = None, fix: str | None = None, failure_class: FailureClass | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix
        self.failure_class = failure_class or type(self).failure_class

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n  → {self.fix}" if self.fix else text


class UsageError(LayersError):
    """The command line contradicts itself (click's own usage errors leave with the same code)."""

    exit_code = 2
    failure_class = FailureClass.PERMANENT


class InputError(LayersError):
    """A configuration or input is bad: matrix, version, ledger, ARN, credentials, zip."""

    exit_code = 3
    failure_class = FailureClass.PERMANENT


class BuildError(LayersError):
    """A zip cannot be built: nothing to resolve, no usable wheel, no interpreter, a failed check."""

    exit_code = 4
    failure_class = FailureClass.PERMANENT


class IncompleteError(LayersError):
    """A publish ended with cells that are not at the release; each is named in the report."""

    exit_code = 5
    failure_class = FailureClass.TEMPORARY


class DriftError(LayersError):
    """AWS and the record differ."""

    exit_code = 6
    failure_class = FailureClass.PERMANENT


#: Each class that carries an exit code of the contract; a test proves that the codes are distinct.
FAMILIES: tuple[type[LayersError], ...] = (
    LayersError,
    UsageError,
    InputError,
    BuildError,
    IncompleteError,
    DriftError,
)


def plain(text: str, limit: int = 200) -> str:
    """Somebody else's words as one line that no terminal or log takes for more."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
