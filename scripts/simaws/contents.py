"""The zips of the simulation: checked as Lambda does, each stored once."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from scripts.simaws.limits import MAX_REQUEST_BYTES, MAX_UNZIPPED_BYTES, MAX_ZIPPED_BYTES, AwsError


@dataclass(frozen=True)
class Content:
    """A checked zip, and how to read it again."""

    sha256: str
    size: int
    read: Callable[[], bytes]


class Contents:
    """The zips of the whole simulation, each stored once; large ones in ``folder``, if given."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._known: dict[str, Content] = {}

    def __getitem__(self, digest: str) -> Content:
        return self._known[digest]

    def add(self, data: bytes) -> Content:
        """Check a zip as Lambda does, and store it."""
        digest = sha256(data).hexdigest()
        if digest not in self._known:
            _check_zip(data)
            self._known[digest] = Content(digest, len(data), self._keep(digest, data))
        return self._known[digest]

    def _keep(self, digest: str, data: bytes) -> Callable[[], bytes]:
        if self._folder is None or len(data) < 1 << 20:
            return lambda: data
        path = self._folder / f"{digest}.zip"
        path.write_bytes(data)
        return path.read_bytes


def _check_zip(data: bytes) -> None:
    if len(data) > MAX_ZIPPED_BYTES:
        raise AwsError(413, "RequestEntityTooLargeException", f"Request must be smaller than {MAX_REQUEST_BYTES} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unzipped = sum(info.file_size for info in archive.infolist())
            files = len(archive.infolist())
    except zipfile.BadZipFile:
        raise AwsError(400, "InvalidParameterValueException", "Could not unzip uploaded file.") from None
    if not files:
        raise AwsError(400, "InvalidParameterValueException", "Uploaded file must be a non-empty zip")
    if unzipped >= MAX_UNZIPPED_BYTES:
        raise AwsError(
            400, "InvalidParameterValueException", f"Unzipped size must be smaller than {MAX_UNZIPPED_BYTES} bytes"
        )
