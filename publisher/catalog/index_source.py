"""Read an index that someone else wrote, from a file or an address."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from pydantic import ValidationError

from builder.model.errors import FailureClass, InputError
from builder.model.escape import shorten
from builder.model.file_access import read_file
from builder.model.frozen import MAX_KEYS
from builder.model.matrix import LAYER_NAME
from builder.model.strict_json import load_json
from publisher.catalog.download import download
from publisher.catalog.index import SCHEMA_VERSION, Index, IndexedRelease
from publisher.http.http_get import MAX_DOCUMENT_BYTES

_NAME = r"[0-9A-Za-z][0-9A-Za-z.!+_-]*"
_REGION = r"[a-z]+(-[a-z0-9]+)+"

#: JSON values of an index, as a limit of memory: each needs much more than its bytes in the file.
_MAX_VALUES = 3_000_000
#: Above so many regions the whole index is one request instead of many.
_MAX_REGION_FILES = 4

_INDEX_FIX = "give the layers.json that `layers docs` writes"


def read_index(source: str, regions: Sequence[str] = ()) -> Index:
    """Return the index in a file or at an http(s) address. Raises InputError if there is no valid one.

    For a few ``regions`` at an address this reads their files, ``regions/<region>.json``, which are much smaller. The
    result then holds the releases with the layers of these regions.
    """
    remote = source.lower().startswith(("https://", "http://"))
    if remote and 0 < len(regions) <= _MAX_REGION_FILES and all(re.fullmatch(_REGION, region) for region in regions):
        try:
            return _merge([_region_index(urljoin(source, f"regions/{region}.json")) for region in regions])
        except (InputError, ValueError) as error:
            # A region without layers, an index of an older program, an invalid URL (ValueError): read the whole index.
            if isinstance(error, InputError) and error.failure_class is FailureClass.TEMPORARY:
                raise  # this server does not respond in time
    document = _document(source, remote)
    if "region" in document and "layers" in document:
        return _of_region({**document, "regions": [document["region"]]}, source)
    return _validate(document, source)


def _region_index(address: str) -> Index:
    return _of_region(_document(address, remote=True), address)


def _of_region(document: dict[str, Any], source: str) -> Index:
    """Return the index in ``regions/<region>.json``."""
    rows: dict[int, list[dict[str, Any]]] = {}
    try:
        for row in document["layers"]:
            rows.setdefault(row["layer_version"], []).append(row)
        for release in document["releases"]:
            release["layers"] = release["targets"] = rows.get(release["layer_version"], [])
    except (KeyError, TypeError):
        raise InputError(
            "not an index of a region: its layers or releases are missing or invalid", where=source, fix=_INDEX_FIX
        ) from None
    return _validate(document, source)


def _merge(parts: Sequence[Index]) -> Index:
    """Return one index with the layers of all parts, which are of one matrix. One of them may be newer."""
    by_number: dict[int, list[IndexedRelease]] = {}
    for release in chain.from_iterable(part.releases for part in parts):
        by_number.setdefault(release.layer_version, []).append(release)
    merged = []
    for _, same in sorted(by_number.items(), reverse=True):
        lists = {key: tuple(chain(*(getattr(each, key) for each in same))) for key in ("missing", "targets", "layers")}
        merged.append(same[0].model_copy(update=lists))
    return parts[0].model_copy(update={"releases": tuple(merged)})


def _document(source: str, remote: bool) -> dict[str, Any]:
    data = download(source, "the index", {"Accept": "application/json"}) if remote else _read(source)
    if sum(map(data.count, (b",", b"[", b"{"))) > _MAX_VALUES:
        raise InputError(f"not an index: more than {_MAX_VALUES:,} values", where=source, fix=_INDEX_FIX)
    try:
        document = load_json(data, MAX_KEYS)
    except ValueError as error:
        if data.lstrip()[:1] == b"<":
            raise InputError(
                "not an index: it is HTML or XML, not JSON",
                where=source,
                fix="give the address of the file layers.json itself (on GitHub: the raw file), not of a page about it",
            ) from None
        raise InputError(
            f"not an index: invalid JSON ({error})", where=source, fix="it may be truncated; fetch layers.json again"
        ) from None
    return _checked_version(document, source)


def _validate(document: Any, source: str) -> Index:
    try:
        index = Index.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        wrong = f"{place}: {shorten(repr(first['input']), 60)} is not valid there ({first['msg']})"
        raise InputError(
            f"not an index: {f'it has no {place}' if first['type'] == 'missing' else wrong}",
            where=source,
            fix=_INDEX_FIX,
        ) from None
    _check_words(index, source)
    return index


def _check_words(index: Index, source: str) -> None:
    """Raise InputError for values that no index can have: they would be in snippets that people paste into a shell."""
    layers = [(release, layer) for release in index.releases for layer in release.layers]
    words = {
        (r"[0-9]{12}", index.account),
        (_NAME, index.package),
        *((_NAME, release.version) for release in index.releases),
    }
    words |= {(LAYER_NAME.pattern, layer.layer_name) for _, layer in layers}
    bad = [word for shape, word in sorted(words) if not re.fullmatch(shape, word)]
    if not bad:
        bad = [
            layer.arn
            for release, layer in layers
            if layer.arn != index.layer_arn(layer.region, layer.layer_name, release.layer_version)
        ]
    if bad:
        raise InputError(
            f"not an index: {shorten(bad[0])!r} is not valid there", where=source, fix="do not use this file"
        )


def _checked_version(document: Any, source: str) -> dict[str, Any]:
    """Return the document if this program reads its schema version."""
    if not isinstance(document, dict) or "schema_version" not in document:
        raise InputError(
            "not an index: it has no schema_version",
            where=source,
            fix=_INDEX_FIX,
        )
    version = document["schema_version"]
    if version != SCHEMA_VERSION or type(version) is not int:  # true and 1.0 equal 1
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        raise InputError(
            f"this index has schema version {shorten(repr(version), 20)}; this program reads {SCHEMA_VERSION}",
            where=source,
            fix="update this program" if newer else "write the index again with `layers docs`",
        )
    return document


def _read(source: str) -> bytes:
    path = Path(os.path.expanduser(source))  # noqa: PTH111 - Path.expanduser raises RuntimeError
    fix = "give the path of the file layers.json, or its URL with https:// or http://"
    return read_file(path, "the index", MAX_DOCUMENT_BYTES, fix)
