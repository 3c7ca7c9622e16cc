"""Matrices as text, and their problems."""

from __future__ import annotations

import pytest

from builder.model.errors import InputError
from builder.model.matrix import Matrix
from builder.model.matrix_file import parse_matrix

BASE = """\
account: "123456789012"
package: demo
python: ["3.12"]
architectures: [x86_64]
regions: [us-east-1]
"""
WIDE = (
    BASE.replace('["3.12"]', '["3.12", "3.14"]')
    .replace("[x86_64]", "[x86_64, arm64]")
    .replace("[us-east-1]", "[us-east-1, eu-west-1]")
)


def parse(text: str) -> Matrix:
    return parse_matrix(text, "m.yaml")


def problems(text: str) -> list[str]:
    """Return the lines of the error, without the file's name."""
    with pytest.raises(InputError) as caught:
        parse(text)
    return [line.removeprefix("m.yaml:") for line in caught.value.details]


def problem(text: str) -> str:
    (only,) = problems(text)
    return only
