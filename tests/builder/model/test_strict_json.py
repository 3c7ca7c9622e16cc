"""JSON documents in which a statement would be lost are refused, by every reader."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.model.artifact import Manifest, read_manifest
from builder.model.cold_start import SmokeResults, read_smokes
from builder.model.errors import InputError
from builder.model.strict_json import load_json
from builder.model.text_files import read_json
from publisher.catalog.index_source import read_index
from publisher.ledger.folder import FolderLedger, record_bytes
from tests.publisher.catalog.catalog_cases import catalog_matrix, recorded

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(VALUES)
def test_valid_json_is_read_as_by_the_standard_library(value: Any) -> None:
    assert load_json(json.dumps(value)) == value


@given(st.dictionaries(st.text(), VALUES, min_size=1), st.data(), st.integers(0, 3))
def test_a_repeated_key_is_refused_at_any_depth(value: dict[str, Any], data: st.DataObject, depth: int) -> None:
    name = json.dumps(data.draw(st.sampled_from(sorted(value))))
    text = f"{json.dumps(value)[:-1]}, {name}: 1}}"
    for _ in range(depth):
        text = f'[{{"outer": {text}}}]'
    with pytest.raises(ValueError, match="twice"):
        load_json(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": NaN}', "NaN is not a number"),
        ("[-Infinity]", "-Infinity is not a number"),
        ("[" * 200_000, "nested too deeply"),
        ('{"a": 1, "b": 2, "c": 3}', "more than 2 keys"),
        ("{", "line 1 column 2"),
        ("9" * 5000, "integer"),
    ],
)
def test_other_documents_that_are_not_json_are_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        load_json(text, max_keys=2)


def _record(path: Path) -> object:
    return FolderLedger(path.parent, catalog_matrix()).releases()


READERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "manifest.json": (
        lambda path: read_manifest(path.parent),
        Manifest(package="a", version="1", artifacts=()).model_dump_json(),
    ),
    "smoke.json": (lambda path: read_smokes(path.parent), SmokeResults().model_dump_json()),
    "0003.json": (_record, record_bytes(recorded(catalog_matrix(), 3, "1.0")).decode()),
    "layers.json": (lambda path: read_index(str(path)), "{}"),
    "Pipfile.lock": (read_json, "{}"),
}


@pytest.mark.parametrize("name", READERS)
def test_each_reader_names_a_repeated_key_and_the_file(name: str, tmp_path: Path) -> None:
    read, text = READERS[name]
    path = tmp_path / name
    path.write_text(text.rstrip()[:-1] + f'{"," if len(text) > 2 else ""} "package": "b", "package": "a"}}')
    with pytest.raises(InputError, match="the key 'package' twice") as refused:
        read(path)
    assert (refused.value.where or "").startswith(str(path))
    assert refused.value.fix
