"""Whole numbers in documents: JSON's ``true``, ``1.0`` and ``"1"`` are not read as 1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from builder.model.artifact import Manifest
from builder.model.cold_start import SmokeResults
from builder.model.frozen import Frozen
from publisher.catalog.index import Index, make_index
from publisher.ledger.release import Release
from tests.publisher.catalog.catalog_cases import catalog_matrix, history

MATRIX = catalog_matrix()
RELEASES = history(MATRIX)
DOCUMENTS: tuple[tuple[type[Frozen], str], ...] = (
    (Release, RELEASES[0].model_dump_json()),
    (Index, make_index(MATRIX, RELEASES).model_dump_json()),
    (Manifest, '{"schema_version": 1}'),
    (SmokeResults, '{"schema_version": 1}'),
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the container and the key of each whole number; of a list, only its first entry is visited."""
    for key, part in list(value.items() if isinstance(value, dict) else enumerate(value[:1])):
        if type(part) is int:
            yield value, key
        elif isinstance(part, dict | list):
            yield from places(part)


@pytest.mark.parametrize(("model", "text"), DOCUMENTS, ids=lambda value: getattr(value, "__name__", ""))
@pytest.mark.parametrize("like", [bool, float, str])
def test_only_a_whole_number_is_read_as_one(model: type[Frozen], text: str, like: type[bool | float | str]) -> None:
    document = json.loads(text)
    found = list(places(document))
    assert found
    for container, key in found:
        number, container[key] = container[key], like(container[key])
        with pytest.raises(ValidationError, match=str(key)):
            model.model_validate_json(json.dumps(document))
        with pytest.raises(ValidationError, match=str(key)):
            model.model_validate(document)
        container[key] = number
