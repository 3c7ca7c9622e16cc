"""docs/matrix.schema.json accepts what the program accepts and rejects what an editor should underline."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml

from builder.model.matrix import Matrix
from tests import REPOSITORY

SCHEMA = json.loads((REPOSITORY / "docs" / "matrix.schema.json").read_text())
MATRICES = [REPOSITORY / "layer_matrix.yaml", *(REPOSITORY / "examples").glob("*/layer_matrix.yaml")]
FULL: dict[str, Any] = {
    "account": "123456789012",
    "package": "demo",
    "python": ["python3.12", "3_13", "314", "PY3.11"],
    "architectures": ["ARM64", "amd64"],
    "regions": ["US-EAST-1", "eu_west_1"],
    "unsupported": [{"region": "eu-west-1", "architecture": "arm64", "reason": "why"}],
    "exclude": ["boto3"],
    "override": ["urllib3<2"],
    "staging": {"bucket": "b-{region}", "home": "us-east-1"},
    "releases": "minor",
    "budget": {"zipped": 1000000, "unzipped": "+10%", "import_time": "2 s"},
    "slim": True,
    "signing": {"profile": "layers"},
    "announce": {"topic": "arn:aws:sns:us-east-1:123456789012:t"},
    "bytecode": False,
}


@pytest.mark.parametrize("path", MATRICES, ids=lambda path: path.parent.name)
def test_matrices_of_this_repository_are_valid_and_name_the_schema(path: Any) -> None:
    text = path.read_text()
    jsonschema.validate(yaml.safe_load(text), SCHEMA)
    location = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / location).resolve() == REPOSITORY / "docs" / "matrix.schema.json"


def test_every_key_that_the_program_accepts_is_valid() -> None:
    Matrix.model_validate(FULL)
    jsonschema.validate(FULL, SCHEMA)
    for releases in ({"policy": "every", "minimum_age": "2 days"}, {"minimum_age": None}):
        changed = {**FULL, "releases": releases, "slim": {"services": ["s3"]}}
        Matrix.model_validate(changed)
        jsonschema.validate(changed, SCHEMA)


@pytest.mark.parametrize(
    "change",
    [
        {"acount": "1"},
        {"account": 123456789012},
        {"account": "12"},
        {"python": []},
        {"python": [3.12]},
        {"architectures": ["mips"]},
        {"regions": "us-east-1"},
        {"releases": "sometimes"},
        {"budget": {"zip": "1 MB"}},
        {"unsupported": [{"regions": ["us-east-1"]}]},
    ],
)
def test_a_mistake_in_a_matrix_is_invalid(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**FULL, **change}, SCHEMA)
    with pytest.raises(ValueError, match="validation error"):
        Matrix.model_validate({**FULL, **change})
