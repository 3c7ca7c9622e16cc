"""Files that commands make and compare: read whole or not there, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from builder.model.errors import InputError


def read(path: Path) -> bytes | None:
    """What a file holds; None where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=str(path)) from None


def write(path: Path, data: bytes) -> None:
    """Make a file, and the folders to it, or replace it."""
    from builder.model.artifact import write_atomically

    try:
        write_atomically(path, data)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", where=str(path)) from None
