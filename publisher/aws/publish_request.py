"""The body of a ``PublishLayerVersion`` request: encoded and hashed once, sent to every region from one file.

A direct upload carries the zip as base64 in JSON: 40 MB of text for a 30 MB zip. It is the same in every region, so
it is written to disk once, in pieces, and each request reads it from there: no region costs memory or a second pass.
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

#: A whole ``PublishLayerVersion`` request, with the zip as base64 (developer guide, "Lambda quotas").
REQUEST_LIMIT = 69_905_067
#: A multiple of 3, so that the base64 of the pieces is the base64 of the whole.
PIECE = 3 * 256 * 1024
_MARK = "\0zip\0"


@dataclass(frozen=True)
class Body:
    """A request body on disk. ``sha256`` in hex is what the signature covers."""

    path: Path
    size: int
    sha256: str


class Bodies:
    """Encodes each publication once, into a folder that belongs to the caller."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._once: Once[Publication, Body] = Once(self._encode)

    def of(self, publication: Publication) -> Body:
        """The body of a publication. InputError where its zip is not what its sha256 says."""
        return self._once(publication)

    def _encode(self, publication: Publication) -> Body:
        before, after = _around_the_zip(publication)
        path = self._folder / f"{hashlib.sha256(repr(publication).encode()).hexdigest()[:32]}.json"
        body, content, size = hashlib.sha256(), hashlib.sha256(), 0
        try:
            with path.open("wb") as out, publication.zip.path.open("rb") as zip_file:

                def write(data: bytes) -> None:
                    nonlocal size
                    out.write(data)
                    body.update(data)
                    size += len(data)

                write(before)
                while piece := zip_file.read(PIECE):
                    content.update(piece)
                    write(base64.b64encode(piece))
                write(after)
        except OSError as error:
            raise InputError(
                f"the request cannot be prepared: {error.strerror or error}",
                where=error.filename or str(path),
                fix="make room for temporary files (TMPDIR names the folder)",
            ) from None
        if content.hexdigest() != publication.zip.sha256:
            raise InputError("the zip changed while it was read", where=str(publication.zip.path), fix="build it again")
        return Body(path, size, body.hexdigest())


def _around_the_zip(publication: Publication) -> tuple[bytes, bytes]:
    text = json.dumps(
        {
            "Description": publication.description,
            "LicenseInfo": publication.license,
            "CompatibleRuntimes": list(publication.runtimes),
            "CompatibleArchitectures": list(publication.architectures),
            "Content": {"ZipFile": _MARK},
        }
    )
    before, after = text.split(json.dumps(_MARK)[1:-1])
    return before.encode(), after.encode()
