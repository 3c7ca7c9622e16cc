"""Encode and hash the body of a ``PublishLayerVersion`` request once, and send it to every region from one file.

A direct upload has the zip as base64 in JSON: 40 MB of text for a 30 MB zip. The body is the same in every region, so
it is written to disk once, in chunks, and each request reads it from there to save memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from builder.model.errors import InputError
from publisher.aws.gateway import Publication
from publisher.aws.once_per_key import Once

#: Limit in bytes of a ``PublishLayerVersion`` request, with the zip as base64 (developer guide, "Lambda quotas").
MAX_REQUEST_BYTES = 69_905_067
#: Bytes; a multiple of 3, so that the base64 of the chunks is the base64 of the whole.
CHUNK_BYTES = 3 * 256 * 1024
_MARK = "\0zip\0"


@dataclass(frozen=True)
class Body:
    """A request body on disk. The request's signature needs its ``sha256``, in hexadecimal."""

    path: Path
    sha256: str


class Bodies:
    """Encodes each publication once, into ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._once: Once[Publication, Body] = Once(self._encode)

    def of(self, publication: Publication) -> Body:
        """Return the body of a publication. Raises InputError if the zip's sha256 is another than expected."""
        return self._once(publication)

    def _encode(self, publication: Publication) -> Body:
        before, after = _split_body(publication)
        path = self._folder / f"{hashlib.sha256(repr(publication).encode()).hexdigest()[:32]}.json"
        body, content = hashlib.sha256(), hashlib.sha256()
        try:
            with path.open("wb") as out, publication.zip.path.open("rb") as zip_file:

                def write(data: bytes) -> None:
                    out.write(data)
                    body.update(data)

                write(before)
                while piece := zip_file.read(CHUNK_BYTES):
                    content.update(piece)
                    write(base64.b64encode(piece))
                write(after)
        except OSError as error:
            raise InputError(
                f"the request cannot be prepared: {error.strerror or error}",
                where=error.filename or str(path),
                fix="free space for temporary files, or set TMPDIR to another folder",
            ) from None
        if content.hexdigest() != publication.zip.sha256:
            raise InputError("the zip changed while it was read", where=str(publication.zip.path), fix="build it again")
        return Body(path, body.hexdigest())


def _split_body(publication: Publication) -> tuple[bytes, bytes]:
    text = json.dumps({**publication.fields, "Content": {"ZipFile": _MARK}})
    before, after = text.split(json.dumps(_MARK)[1:-1])
    return before.encode(), after.encode()
