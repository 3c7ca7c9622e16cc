"""RECORD files (PEP 376, PEP 427): which files a distribution installed, each with its digest."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

#: Far above real RECORDs: more bytes would cost too much memory and time.
MAX_RECORD_BYTES = 16 * 1024 * 1024
#: Stands for a digest that cannot be decoded. It equals no file's digest.
UNREADABLE_DIGEST = "unreadable"


@dataclass(frozen=True)
class RecordRow:
    """One row of a RECORD."""

    path: str  #: as written, with forward slashes
    algorithm: str | None = None  #: algorithm name for hashlib; None: the row has no digest
    digest: str | None = None  #: hexadecimal

    @property
    def sha256(self) -> str | None:
        """The sha256 in hexadecimal; None if the row has none, or another algorithm's."""
        return self.digest if self.algorithm == "sha256" else None


def parse_record(text: str) -> tuple[RecordRow, ...]:
    """Return the rows of a RECORD. Raises csv.Error if the text is not CSV."""
    return tuple(record_rows(io.StringIO(text, newline="")))


def record_rows(lines: Iterable[str]) -> Iterator[RecordRow]:
    """Yield the rows of a RECORD one by one, so that the caller can limit their number. Raises csv.Error."""
    return (_parse_row(row) for row in csv.reader(lines) if row and row[0])


def format_record(dist_info: str, files: Iterable[tuple[str, str, int]]) -> bytes:
    """Return the RECORD of files, each given as path, sha256 in hexadecimal and size. Installers list no bytecode."""
    rows = [
        (path, "sha256=" + base64.urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode(), str(size))
        for path, sha256, size in files
    ]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([*rows, (f"{dist_info}/RECORD", "", "")])
    return text.getvalue().encode()


def _parse_row(row: list[str]) -> RecordRow:
    algorithm, separator, encoded = row[1].partition("=") if len(row) > 1 else ("", "", "")
    digest = _decode_digest(encoded) if separator else None
    return RecordRow(row[0].replace("\\", "/"), algorithm.lower() if separator else None, digest)


def _decode_digest(encoded: str) -> str:
    """Decode unpadded URL-safe base64 (PEP 376), or the hexadecimal digits that early releases of uv_build wrote."""
    if re.fullmatch(r"[0-9A-Fa-f]+", encoded) and len(encoded) in (64, 96, 128):  # SHA-256, SHA-384, SHA-512
        return encoded.lower()
    try:
        return base64.b64decode(encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4), b"-_", validate=True).hex()
    except ValueError:
        return UNREADABLE_DIGEST
