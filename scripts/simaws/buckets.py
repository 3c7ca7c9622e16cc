"""S3 for the simulation: what staging and its lease need. Zips are kept with the zips of Lambda."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from builder.model.clock import Clock
from scripts.simaws.contents import Content, Contents
from scripts.simaws.limits import AwsError

#: Estimated rate at which S3 copies an object to another region.
COPY_BYTES_PER_SECOND = 50e6


@dataclass(frozen=True)
class Response:
    """A response of S3. ``size``: of the object that a HEAD request names."""

    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None


@dataclass(frozen=True)
class _Object:
    etag: str
    data: bytes
    zip: Content | None  #: instead of ``data``


class Buckets:
    """The objects of all buckets. Every bucket name is accepted. Thread-safe."""

    def __init__(self, contents: Contents, clock: Clock) -> None:
        self._contents = contents
        self._clock = clock
        self._objects: dict[str, _Object] = {}
        self._uploads: dict[str, dict[int, bytes]] = {}
        self._lock = threading.Lock()

    def content(self, bucket: str, key: str) -> Content:
        """Return an object; 400 if it does not exist, as Lambda responds."""
        stored = self._objects.get(f"/{bucket}/{key}")
        if stored is None or stored.zip is None:
            message = f"Error occurred while GetObject. S3 Error Code: NoSuchKey. {bucket}/{key}"
            raise AwsError(400, "InvalidParameterValueException", message)
        return stored.zip

    def respond(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Execute a request about an object and return its response."""
        arguments = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
        upload = arguments.get("uploadId", "")
        if method == "HEAD":
            stored = self._existing(path)
            return Response(headers={"ETag": stored.etag}, size=stored.zip.size if stored.zip else len(stored.data))
        if method == "GET" and not arguments:
            stored = self._existing(path)
            return Response(stored.zip.read() if stored.zip else stored.data, {"ETag": stored.etag})
        if method == "PUT" and (source := headers.get("x-amz-copy-source")):
            return self._copy(unquote(source), path)
        if method == "POST" and "uploads" in arguments:
            upload = uuid.uuid4().hex
            self._uploads[upload] = {}
            return _xml("InitiateMultipartUploadResult", {"UploadId": upload})
        if method == "PUT" and upload:
            self._uploads[upload][int(arguments["partNumber"])] = body
            return Response(headers={"ETag": '"part"'})
        if method == "PUT":
            return Response(headers={"ETag": self._put(path, body, headers)})
        if method == "POST" and upload:
            parts = b"".join(part for _, part in sorted(self._uploads.pop(upload).items()))
            return _xml("CompleteMultipartUploadResult", {"Key": path, "ETag": self._put(path, parts, {})})
        raise AwsError(501, "NotImplemented", f"{method} {path}?{query}")

    def _existing(self, path: str) -> _Object:
        if path not in self._objects:
            raise AwsError(404, "NoSuchKey", "The specified key does not exist.")
        return self._objects[path]

    def _put(self, path: str, data: bytes, headers: Mapping[str, str]) -> str:
        """Write an object if the conditions in the headers hold, and return its ETag."""
        is_zip = path.endswith(".zip")
        stored = _Object(f'"{uuid.uuid4().hex}"', b"" if is_zip else data, self._contents.add(data) if is_zip else None)
        with self._lock:
            now = self._objects.get(path)
            if (headers.get("if-none-match") and now) or headers.get("if-match") not in (None, now and now.etag):
                raise AwsError(412, "PreconditionFailed", "At least one of the pre-conditions did not hold")
            self._objects[path] = stored
        return stored.etag

    def _copy(self, source: str, path: str) -> Response:
        stored = self._existing(f"/{source.lstrip('/')}")
        if stored.zip:
            self._clock.sleep(stored.zip.size / COPY_BYTES_PER_SECOND)
        self._objects[path] = stored
        return _xml("CopyObjectResult", {"ETag": stored.etag, "LastModified": "2026-11-23T12:00:00.000Z"})


def _xml(name: str, values: Mapping[str, str]) -> Response:
    inner = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in values.items())
    text = f'<?xml version="1.0" encoding="UTF-8"?><{name}>{inner}</{name}>'
    return Response(text.encode(), {"Content-Type": "text/xml"})
