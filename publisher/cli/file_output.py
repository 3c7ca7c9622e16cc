"""Read and write the files of commands. Writes are atomic."""

from __future__ import annotations

from pathlib import Path

from builder.model.errors import InputError, write_fix
from builder.model.file_access import read_if_present, write_atomically

#: Far above the size of the largest file, the index.
_MAX_BYTES = 256 << 20


def read(path: Path) -> bytes | None:
    """Return the content of a file; None if it does not exist."""
    return read_if_present(path, "the file", _MAX_BYTES)


def write(path: Path, data: bytes) -> None:
    """Create or replace a file, and create its folders."""
    try:
        write_atomically(path, data, flush=False)  # no fsync: the command can write it again
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror or error}", where=str(path), fix=write_fix(error)
        ) from None
