"""Read files of limited size: whatever a file holds, reading it costs little time and memory."""

from __future__ import annotations

import os
from errno import ENOENT
from pathlib import Path
from typing import Final

from builder.model.errors import InputError, read_error
from builder.model.escape import shorten

#: Far above the size of any manifest and of any record of a release.
MAX_FACTS_BYTES: Final = 4 << 20
#: Far above the size of any SBOM.
MAX_SBOM_BYTES: Final = 16 << 20


def read_file(path: Path, what: str, max_bytes: int, fix: str | None = None) -> bytes:
    """Return the content of a file; ``what`` names it in messages.

    Raises InputError if it cannot be read or is too large; ``fix`` replaces the usual advice.
    """
    data = read_if_present(path, what, max_bytes, fix)
    if data is None:
        raise read_error(f"{what} cannot be read", FileNotFoundError(ENOENT, os.strerror(ENOENT)), path, fix)
    return data


def read_if_present(path: Path, what: str, max_bytes: int, fix: str | None = None) -> bytes | None:
    """Return the content of a file as ``read_file`` does; None if it does not exist."""
    try:
        if path.is_fifo() and not path.is_relative_to("/dev"):  # the shell's <(…) is below /dev/fd
            raise InputError(
                f"{what} is a named pipe, not a regular file", where=shorten(str(path)), fix=fix or "give a file"
            )
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL character
        raise read_error(f"{what} cannot be read", error, path, fix) from None
    return within_limit(data, what, max_bytes, shorten(str(path)), fix)


def within_limit(data: bytes, what: str, max_bytes: int, where: str, fix: str | None) -> bytes:
    """Return ``data``. Raises InputError if it has more than ``max_bytes``."""
    if len(data) > max_bytes:
        raise InputError(f"{what} is larger than {max_bytes >> 20} MB", where=where, fix=fix or "give another file")
    return data
