"""Fuzzing: a matrix is read or refused by name, whatever it contains."""

from __future__ import annotations

from contextlib import suppress

import yaml
from hypothesis import strategies as st

from builder.model.errors import LayersError
from builder.model.matrix_file import parse_matrix
from tests.fakes.command import SMALL
from tests.fakes.fuzzing import damaged, fuzz, mutated

FULL = {
    **SMALL,
    "layer_name": "{package}-py{python}-{architecture}",
    "description": "{package} {version}",
    "extras": ["otel"],
    "exclude": ["botocore"],
    "override": ["urllib3<3"],
    "permission": {"principal": "*", "organization": "o-a1b2c3d4e5"},
    "staging": {"bucket": "demo-{account}-{region}", "home": "eu-west-1"},
    "signing": {"profile": "demo_profile"},
    "parameters": {"prefix": "/demo/layers"},
    "announce": {"topic": "arn:aws:sns:us-east-1:856699698935:demo"},
    "budget": {"zipped": "40 MB", "unzipped": "+10%"},
    "unsupported": [{"region": "us-east-1", "architecture": "aarch64", "reason": "not offered"}],
    "releases": {"wait": "2 days"},
}
WORDS = (b"&a ", b"*a", b"!!timestamp ", b"0001-01-01", b"!!binary ", b"<<: ", b"? ", b"\t", "２".encode(), b"1" * 5000)


def test_any_matrix_is_read_or_refused() -> None:
    def parse(text: str) -> None:
        with suppress(LayersError):
            matrix = parse_matrix(text, "layer_matrix.yaml")
            assert matrix.cells

    text = yaml.safe_dump(FULL)
    edited = mutated(text.encode(), WORDS).map(lambda data: data.decode("utf-8", "replace"))
    fuzz(damaged(FULL).map(yaml.safe_dump) | edited | st.text(), parse)
