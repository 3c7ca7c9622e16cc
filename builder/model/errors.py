"""The errors that a command can end with, and the exit code of each.

An error says what failed, where (file, line, key, region, target), and what to do. Any other exception that reaches
the command line is a defect of this program: exit code 1.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from enum import Enum
from typing import ClassVar

from builder.model.escape import escape, shorten


class FailureClass(str, Enum):
    """Whether running the same command again can help."""

    TEMPORARY = "temporary"  #: the next run may succeed
    PERMANENT = "permanent"  #: it fails until someone changes something; the advice says what
    DEFECT = "defect"  #: a bug in this program

    def __str__(self) -> str:
        return self.value


#: Between the steps of an error's ``fix``.
NEXT_STEP = "\n  → "


class LayersError(Exception):
    """Base class of all errors: ``what`` failed, ``where``, the ``fix``, and ``details``, one on each line.

    A ``fix`` of several steps has ``NEXT_STEP`` between them.
    """

    exit_code: ClassVar[int] = 1
    failure_class: FailureClass = FailureClass.DEFECT

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        fix: str | None = None,
        details: Sequence[str] = (),
        failure_class: FailureClass | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix
        self.failure_class = failure_class or type(self).failure_class
        self.details = tuple(details)

    @property
    def lines(self) -> tuple[str, ...]:
        """Return the message as escaped lines."""
        first = f"{self.where}: {self.what}" if self.where else self.what
        fix = [f"  → {step}" for step in self.fix.split(NEXT_STEP)] if self.fix else []
        return tuple(escape(line) for line in [first, *self.details, *fix])

    def __str__(self) -> str:
        return "\n".join(self.lines)


class UsageError(LayersError):
    """Options contradict each other. click's own usage errors have the same exit code."""

    exit_code = 2
    failure_class = FailureClass.PERMANENT


class InputError(LayersError):
    """A configuration or input is invalid: matrix, version, ledger, ARN, credentials, zip."""

    exit_code = 3
    failure_class = FailureClass.PERMANENT


class BuildError(LayersError):
    """A zip cannot be built: the resolution failed, no matching wheel, no interpreter, a failed check."""

    exit_code = 4
    failure_class = FailureClass.PERMANENT


_WRITE_FIXES = {
    errno.ENOSPC: "free some space, then run the command again",
    errno.EDQUOT: "free some of the user's disk quota, then run the command again",
    errno.EFBIG: "raise the limit for the size of files (ulimit -f), then run the command again",
}


def write_error(what: str, error: OSError, where: object) -> BuildError:
    """Return the error for a file that cannot be written."""
    return BuildError(
        f"{what}: {error.strerror or error}",
        where=str(error.filename or where),
        fix=write_fix(error),
    )


def write_fix(error: OSError) -> str:
    """Return what to do about a file that cannot be written."""
    return _WRITE_FIXES.get(error.errno or 0, "make the folder writable, or choose another --output")


_READ_FIXES = {
    errno.ENOENT: "correct the path",
    errno.ENOTDIR: "correct the path",
    errno.EISDIR: "name a file",
    errno.EACCES: "let this user read it (chmod, chown)",
    errno.EPERM: "let this user read it (chmod, chown)",
    errno.ELOOP: "replace the symbolic links, which lead to each other",
}


def read_error(what: str, error: Exception, where: object, fix: str | None = None) -> InputError:
    """Return the error for a file or folder that cannot be read; without ``fix``, with the usual advice."""
    number = error.errno if isinstance(error, OSError) else None
    reason = getattr(error, "strerror", None) or error
    return InputError(f"{what}: {reason}", where=shorten(str(where)), fix=fix or _READ_FIXES.get(number or 0))


class IncompleteError(LayersError):
    """A publish ended and some cells do not have the release; the report names each."""

    exit_code = 5
    failure_class = FailureClass.TEMPORARY


class DriftError(LayersError):
    """AWS and the ledger differ."""

    exit_code = 6
    failure_class = FailureClass.PERMANENT
