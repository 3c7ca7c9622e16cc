"""Reading an index that somebody else made, from a file or an address."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from pydantic import ValidationError

from builder.model.errors import InputError
from builder.model.matrix import LAYER_NAME
from builder.model.regions import partition_of
from publisher.catalog.index import SCHEMA_VERSION, Index, IndexedLayer, IndexedRelease

TIMEOUT = 20
LIMIT = 256 * 1024 * 1024

_NAME = r"[0-9A-Za-z][0-9A-Za-z.!+_-]*"
_REGION = r"[a-z]+(-[a-z0-9]+)+"
_PYTHON = r"[0-9]+\.[0-9]+"


def read_index(source: str) -> Index:
    """The index in a file or behind an http(s) address. InputError where there is none that can be read."""
    data = _fetch(source) if source.startswith(("https://", "http://")) else _read(source)
    try:
        document = json.loads(data)
    except ValueError as error:
        raise InputError(
            f"not an index: {error}", where=source, fix="it may be cut off; fetch layers.json again"
        ) from None
    _check_version(document, source)
    try:
        index = Index.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"not an index: {place}: {first['msg']}", where=source, fix="give the layers.json that `layers docs` writes"
        ) from None
    _check_words(index, source)
    return index


def _check_words(index: Index, source: str) -> None:
    """Refuse words that no index has: they would stand in snippets that people paste into a shell."""
    layers = [(release, layer) for release in index.releases for layer in release.layers]
    words = {
        (r"[0-9]{12}", index.account),
        (_NAME, index.package),
        *((_NAME, release.version) for release in index.releases),
    }
    words |= {(_PYTHON, layer.python) for _, layer in layers}
    words |= {(_REGION, layer.region) for _, layer in layers}
    words |= {(LAYER_NAME.pattern, layer.layer_name) for _, layer in layers}
    bad = [word for shape, word in sorted(words) if not re.fullmatch(shape, word)]
    if not bad:
        bad = [layer.arn for release, layer in layers if layer.arn != _arn(index, release, layer)]
    if bad:
        raise InputError(f"not an index: {bad[0]!r} does not belong there", where=source, fix="do not use this file")


def _arn(index: Index, release: IndexedRelease, layer: IndexedLayer) -> str:
    where = f"arn:{partition_of(layer.region)}:lambda:{layer.region}:{index.account}"
    return f"{where}:layer:{layer.layer_name}:{release.layer_version}"


def _check_version(document: Any, source: str) -> None:
    if not isinstance(document, dict) or "schema_version" not in document:
        raise InputError(
            "not an index: it has no schema_version",
            where=source,
            fix="give the layers.json that `layers docs` writes",
        )
    version = document["schema_version"]
    if version != SCHEMA_VERSION:
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        raise InputError(
            f"this index has schema version {version}; this program reads {SCHEMA_VERSION}",
            where=source,
            fix="update this program" if newer else "write the index again with `layers docs`",
        )


def _read(source: str) -> bytes:
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise InputError(f"the index cannot be read: {error.strerror or error}", where=source) from None


def _fetch(source: str) -> bytes:
    request = Request(source, headers={"Accept": "application/json", "User-Agent": "strands-layers"})  # noqa: S310
    try:
        with urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - the caller saw that it is http(s)
            data = bytes(answer.read(LIMIT + 1))
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"the index cannot be fetched: {reason}", where=source, fix="see that the address is right and answers"
        ) from None
    if len(data) > LIMIT:
        raise InputError("the index is too large to be one", where=source)
    return data
