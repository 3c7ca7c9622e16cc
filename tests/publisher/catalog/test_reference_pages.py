"""The pages about matrix, ledger and index describe every key, their examples are valid, and the guide is complete."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from builder.model.matrix import Matrix
from builder.model.matrix_file import parse_matrix
from builder.model.runtimes import RUNTIMES
from publisher.catalog.index import make_index
from publisher.documents.schemas import schemas
from publisher.followers.catalog_files import catalog_files
from publisher.ledger.release import Release
from tests import REPOSITORY
from tests.publisher.catalog.catalog_cases import catalog_matrix, history

DOCS = REPOSITORY / "docs"
MATRIX_PAGE = (DOCS / "matrix.md").read_text()
LEDGER_PAGE = (DOCS / "ledger.md").read_text()


def rows(page: str) -> Iterator[list[str]]:
    for line in page.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def test_every_key_of_the_matrix_is_described_with_its_default() -> None:
    described = {row[0].strip(" `"): row[1:] for row in rows(MATRIX_PAGE)}
    assert list(described) == list(Matrix.model_fields)
    for key, field in Matrix.model_fields.items():
        if not field.is_required() and key not in ("permission", "staging", "releases"):
            default = yaml.safe_load(described[key][0].strip("`"))
            assert default == (list(field.default) if isinstance(field.default, tuple) else field.default)


def test_the_row_of_python_names_the_first_and_the_last_runtime() -> None:
    (first, *_, last) = RUNTIMES
    assert f'A list of `"{first}"` to `"{last}"`' in MATRIX_PAGE


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", MATRIX_PAGE, re.DOTALL))
def test_the_examples_of_the_matrix_are_valid(example: str) -> None:
    base = 'account: "111122223333"\npackage: demo\npython: ["3.12"]\narchitectures: [x86_64]\nregions: [us-east-1]\n'
    whole = [example] if example.startswith("account") else [base + line for line in example.splitlines()]
    for text in whole:
        assert parse_matrix(text, "docs/matrix.md").targets


def test_every_field_of_the_ledger_is_described() -> None:
    described = {name for row in rows(LEDGER_PAGE) for name in re.findall(r"`(\w+)`", row[0])}
    schema = json.loads(schemas()["ledger.schema.json"])
    models = [schema, *(model for model in schema["$defs"].values() if "properties" in model)]
    fields = {name for model in models for name in model["properties"]}
    nested = {"name", "filename", "date"}  # of a lock's package and of a yank: described in the row of their parent
    assert fields - nested == described
    assert all(f"`{name}`" in LEDGER_PAGE for name in nested)


@pytest.mark.parametrize("record", history(catalog_matrix()), ids=lambda record: str(record.layer_version))
def test_records_are_valid_by_the_ledger_schema(record: Release) -> None:
    schema = json.loads((DOCS / "ledger.schema.json").read_text())
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    data = record.model_dump(mode="json")
    checker.validate(data)
    assert not checker.is_valid({**data, "unknown": 1})
    assert not checker.is_valid({**data, "layer_version": 0})


def test_the_example_row_has_the_keys_of_a_row() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", (DOCS / "index-format.md").read_text(), re.DOTALL)
    matrix = catalog_matrix()
    latest: dict[str, Any] = json.loads(catalog_files(make_index(matrix, history(matrix)))["latest.json"])
    assert list(json.loads(example)) == list(latest["layers"][0])
