"""Fuzzing: records of the ledger, indexes and ARNs are read or refused by name, whatever they contain."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from hypothesis import strategies as st

from builder.model.errors import LayersError
from publisher.catalog.arn import find
from publisher.catalog.index import make_index
from publisher.catalog.index_source import read_index
from publisher.catalog.lookup import Query, select
from publisher.followers.catalog_files import catalog_files
from publisher.ledger.folder import parse_record, record_bytes
from tests.fakes.fuzzing import damaged, fuzz, mutated
from tests.publisher.catalog.catalog_cases import catalog_matrix, history

MATRIX = catalog_matrix()
HISTORY = history(MATRIX)
INDEX = make_index(MATRIX, HISTORY)
RECORD = json.loads(record_bytes(HISTORY[0]))


def test_any_record_is_read_or_refused_and_what_is_read_can_be_documented() -> None:
    def parse(data: bytes) -> None:
        with suppress(LayersError):
            release = parse_record(data, "0001", "ledger/0001.json", MATRIX)
            catalog_files(make_index(MATRIX, [release]))

    fuzz(damaged(RECORD).map(lambda each: json.dumps(each).encode()) | mutated(json.dumps(RECORD).encode()), parse)


def test_any_index_is_read_or_refused_and_what_is_read_can_be_searched(tmp_path: Path) -> None:
    path = tmp_path / "layers.json"
    document = json.loads(INDEX.model_dump_json())

    def parse(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(LayersError):
            index = read_index(str(path))
            select(index, Query(("us-east-1",)))
            find(index, "arn:aws:lambda:us-east-1:123456789012:layer:demo:1")

    fuzz(damaged(document).map(lambda each: json.dumps(each).encode()) | mutated(json.dumps(document).encode()), parse)


def test_any_arn_is_found_or_refused() -> None:
    arn = INDEX.releases[0].layers[0].arn
    edited = mutated(arn.encode(), (b":", b"1" * 5000, "２".encode(), b"\x1b[31m")).map(
        lambda b: b.decode("utf-8", "replace")
    )

    def parse(text: str) -> None:
        with suppress(LayersError):
            find(INDEX, text)

    fuzz(st.text() | edited, parse)
