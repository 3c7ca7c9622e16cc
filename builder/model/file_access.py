"""Read files of limited size, compute their digests, and replace them atomically."""

from __future__ import annotations

import hashlib
import os
import tempfile
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


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal."""
    return digest_of(path, "sha256")


def digest_of(path: Path, algorithm: str) -> str:
    """Return the digest of a file in hexadecimal."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def write_atomically(path: Path, data: bytes, *, flush: bool = True) -> None:
    """Replace a file atomically (write a temporary file, rename it): ``path`` has either the old bytes or the new ones.

    With ``flush`` (fsync) this is also true after a power failure.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if flush:
                file.flush()
                os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
