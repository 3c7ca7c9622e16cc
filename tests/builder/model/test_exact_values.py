"""Numbers and truth values in documents: ``true``, ``1.0`` and ``"1"`` are not read as 1, nor ``"yes"`` as true."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import pytest
from pydantic import ValidationError

from builder.model.artifact import Manifest
from builder.model.cold_start import SmokeResult, SmokeResults
from builder.model.frozen import Frozen
from publisher.catalog.index import Index, make_index
from publisher.ledger.release import Release
from tests.publisher.catalog.catalog_cases import catalog_matrix, history
from tests.publisher.catalog.page_cases import official_history, official_matrix
from tests.publisher.reconcile.plan_cases import digest

MATRIX = catalog_matrix()
RELEASES = history(MATRIX)
MEASURED = official_history(official_matrix())[-1]
START = next(target.cold_start for target in MEASURED.targets if target.cold_start)
SMOKED = SmokeResult(file="a.zip", target="py3.12-x86_64", status="proven", cold_start=START)
DOCUMENTS: tuple[tuple[type[Frozen], str], ...] = (
    (Release, RELEASES[0].model_dump_json()),
    (Index, make_index(MATRIX, RELEASES).model_dump_json()),
    (Manifest, '{"schema_version": 1}'),
    (SmokeResults, SmokeResults(smokes={digest("zip"): SMOKED}).model_dump_json()),
    (Release, MEASURED.model_dump_json()),
)


#: A type of JSON and what is not read as a value of it.
UNLIKE: dict[type, Sequence[Callable[[Any], Any]]] = {
    int: (bool, float, str),
    bool: (int, str, {True: "yes", False: "no"}.get),
    float: (bool, str),
}


def places(value: Any, kind: type) -> Iterator[tuple[Any, Any]]:
    """Yield the container and the key of each value of a type; of a list, only its first entry is visited."""
    for key, part in list(value.items() if isinstance(value, dict) else enumerate(value[:1])):
        if type(part) is kind:
            yield value, key
        elif isinstance(part, dict | list):
            yield from places(part, kind)


@pytest.mark.parametrize(("model", "text"), DOCUMENTS, ids=lambda value: getattr(value, "__name__", ""))
@pytest.mark.parametrize("kind", UNLIKE)
def test_a_value_of_another_type_is_refused(model: type[Frozen], text: str, kind: type) -> None:
    document = json.loads(text)
    found = list(places(document, kind))
    assert found or kind is not int
    for (container, key), change in product(found, UNLIKE[kind]):
        value, container[key] = container[key], change(container[key])
        with pytest.raises(ValidationError, match=str(key)):
            model.model_validate_json(json.dumps(document))
        with pytest.raises(ValidationError, match=str(key)):
            model.model_validate(document)
        container[key] = value
