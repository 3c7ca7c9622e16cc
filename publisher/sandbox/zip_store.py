"""Store the sandbox's zips on disk, once for each sha256, for all regions and layers.

moto keeps every upload in memory, for each region and with its base64: 136 cells of 36 MB would be 12 GB. Here an
upload is streamed to a file, and moto gets a short stand-in that names it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import IO, Any

from builder.model.runtimes import UNZIPPED_LIMIT_BYTES, ZIPPED_LIMIT_BYTES
from builder.model.zip_damage import ZIP_DAMAGE
from publisher.aws.gateway import Zip
from publisher.aws.publish_request import MAX_REQUEST_BYTES

#: Uploads whose JSON is parsed in memory at the same time.
MAX_PARSED_UPLOADS = 2
#: How much of a request is read at once.
CHUNK_BYTES = 1 << 20

_STAND_IN = b"layers-sandbox:"


class Refusal(Exception):  # noqa: N818 - a response, not a fault
    """The error that AWS would return: its code and message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def invalid_parameter(message: str) -> Refusal:
    """Return Lambda's error for the value of a parameter."""
    return Refusal("InvalidParameterValueException", message)


class Store:
    """Zips by their sha256, in a folder that is deleted with the sandbox."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = threading.BoundedSemaphore(MAX_PARSED_UPLOADS)
        self._bodies: dict[str, tuple[dict[str, Any], Zip | None]] = {}
        self._storing: dict[str, threading.Event] = {}  #: by signed sha256: set when the body is stored

    def take(self, stream: IO[bytes], length: int, signed_sha256: str | None = None) -> bytes:
        """Read a publish request; return the short body that replaces it. Raises Refusal.

        ``signed_sha256`` is the request's ``X-Amz-Content-SHA256``. All regions of a release send the same body at the
        same time: the first one is stored; the others are read and hashed, and then wait for it.
        """
        if length > MAX_REQUEST_BYTES:
            raise Refusal(
                "RequestEntityTooLargeException",
                f"Request must be smaller than {MAX_REQUEST_BYTES} bytes for the PublishLayerVersion operation",
                413,
            )
        ended = threading.Event()
        first = self._storing.setdefault(signed_sha256, ended) if signed_sha256 else ended
        if first is ended:
            try:
                digest = self._add(stream, length)
            finally:
                if signed_sha256 not in self._bodies:
                    self._storing.pop(signed_sha256 or "", None)  # the next one is the first again
                ended.set()
        else:
            digest = _drain(stream, length, None)
            first.wait()
        if signed_sha256 not in (None, digest):
            raise Refusal("InvalidSignatureException", "X-Amz-Content-SHA256 is not the sha256 of the body", 403)
        if digest not in self._bodies:
            raise Refusal(
                "ServiceException", "An equal request that arrived before this one failed: send it again.", 500
            )
        rest, stored = self._bodies[digest]
        if stored is None:
            return json.dumps(rest).encode()
        return json.dumps({**rest, "Content": {"ZipFile": stand_in(stored)}}).encode()

    def _add(self, stream: IO[bytes], length: int) -> str:
        handle, name = tempfile.mkstemp(prefix="request-", dir=self._folder)
        try:
            with os.fdopen(handle, "wb") as file:
                digest = _drain(stream, length, file)
            with self._turn:
                if digest not in self._bodies:
                    self._bodies[digest] = self._open(Path(name))
        finally:
            Path(name).unlink(missing_ok=True)
        return digest

    def path(self, sha256: str) -> Path:
        """Return the path of a zip."""
        return self._folder / f"{sha256}.zip"

    def keep(self, content: bytes) -> Zip:
        """Put a zip into the store."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.path(sha256)
        if not path.exists():
            check_zip(content)
            aside = path.with_suffix(f".{threading.get_ident()}")
            aside.write_bytes(content)
            aside.replace(path)
        return Zip(path, sha256, len(content))

    def _open(self, raw: Path) -> tuple[dict[str, Any], Zip | None]:
        try:
            body = json.loads(raw.read_bytes())
            text = body["Content"].get("ZipFile")
        except (ValueError, AttributeError, KeyError):
            raise Refusal("InvalidRequestContentException", "Could not parse request body into json") from None
        if text is None:
            return body, None  # the zip is in S3
        try:
            data = base64.b64decode(text, validate=True)
        except (ValueError, TypeError):
            raise Refusal("InvalidRequestContentException", "ZipFile is not base64") from None
        return body, self.keep(data)


def _drain(stream: IO[bytes], length: int, copy: IO[bytes] | None) -> str:
    """Read ``length`` bytes, or fewer if the client closes the connection; return their sha256."""
    digest = hashlib.sha256()
    while length > 0 and (piece := stream.read(min(length, CHUNK_BYTES))):
        if copy:
            copy.write(piece)
        digest.update(piece)
        length -= len(piece)
    return digest.hexdigest()


def check_zip(content: bytes) -> None:
    """Raise Refusal for a file that Lambda refuses: it is not a zip, or it is too large."""
    if len(content) > ZIPPED_LIMIT_BYTES:
        raise Refusal(
            "RequestEntityTooLargeException", f"Zipped size must be smaller than {ZIPPED_LIMIT_BYTES} bytes", 413
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unzipped = sum(info.file_size for info in archive.infolist())
    except ZIP_DAMAGE:
        message = "Could not unzip uploaded file. Please check your file, then try to upload again."
        raise invalid_parameter(message) from None
    if unzipped > UNZIPPED_LIMIT_BYTES:
        raise invalid_parameter(f"Unzipped size must be smaller than {UNZIPPED_LIMIT_BYTES} bytes")


def stand_in(stored: Zip) -> str:
    """Return the short bytes that moto stores instead of a zip."""
    return base64.b64encode(_STAND_IN + f"{stored.sha256}:{stored.size}".encode()).decode()


def read_stand_in(text: str | bytes) -> tuple[str, int] | None:
    """Return the sha256 and size that a stand-in names; None if it is not a stand-in."""
    try:
        data = base64.b64decode(text[:400] if isinstance(text, bytes) else text[:400].encode())
    except ValueError:
        return None
    match = re.fullmatch(re.escape(_STAND_IN) + rb"([0-9a-f]{64}):(\d+)", data)
    return (match[1].decode(), int(match[2])) if match else None
