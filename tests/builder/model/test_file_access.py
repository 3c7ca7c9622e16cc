"""Files of any content: reading one costs little, and its size, its values and its errors are limited."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from builder.model.artifact import Artifact, Manifest
from builder.model.cold_start import SmokeResults
from builder.model.errors import InputError
from builder.model.file_access import MAX_FACTS_BYTES, read_file, read_if_present
from builder.model.frozen import MAX_KEYS, Frozen, first_problem, parse_document
from builder.model.text_files import MAX_FILE_BYTES, MAX_TABLES, MAX_VALUES, read_toml
from publisher.catalog.index import Index, IndexedRelease
from publisher.ledger.release import Release, TargetRecord

LISTS = [
    (Manifest, "artifacts"), (Artifact, "lock"), (Artifact, "findings"), (Release, "targets"), (Release, "cells"),
    (Release, "lower_versions"), (Release, "unexpected_versions"), (TargetRecord, "lock"), (Index, "releases"),
    (Index, "regions"), (IndexedRelease, "layers"), (IndexedRelease, "targets"), (IndexedRelease, "missing"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "key"), LISTS)
def test_a_file_with_very_many_invalid_items_is_a_few_errors(model: type[Frozen], key: str) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate({key: [1, *[{}] * 5000]})
    assert refused.value.error_count() < 30


@pytest.mark.parametrize("model", [Manifest, Release, SmokeResults])
def test_a_file_with_very_many_keys_is_one_error(model: type[Frozen]) -> None:
    document = json.dumps({str(number): number for number in range(MAX_KEYS + 1)}).encode()
    with pytest.raises(ValueError, match=f"more than {MAX_KEYS:,} keys") as refused:
        parse_document(model, document)
    assert len(first_problem(refused.value)) < 100


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a]\n" * (MAX_TABLES + 1), "more than 300,000 tables"),
        (f"a = [{'1,' * 1000}]\n" * (MAX_VALUES // 1000 + 1), "2,000,000 values"),
        (f"a = {'1' * (2 << 20)}.0", "1,048,576 characters in a line"),
        ("." .join("a" * 200_000) + " = 1", "RecursionError"),
        ("#" * (MAX_FILE_BYTES + 1), "larger than 8 MB"),
    ],
    ids=["tables", "values", "number", "dotted key", "size"],
)  # fmt: skip
def test_toml_that_would_need_much_time_or_memory_is_refused_at_once(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "uv.lock"
    path.write_text(text)
    started = time.process_time()
    with pytest.raises(InputError, match=message) as refused:
        read_toml(path)
    assert time.process_time() - started < 2
    assert refused.value.where == str(path)
    assert refused.value.fix


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(b" " * MAX_FACTS_BYTES)
    assert len(read_file(path, "the manifest", MAX_FACTS_BYTES)) == MAX_FACTS_BYTES
    with path.open("ab") as file:
        file.write(b" ")
    with pytest.raises(InputError, match="the manifest is larger than 4 MB"):
        read_file(path, "the manifest", MAX_FACTS_BYTES)


def test_a_device_without_an_end_is_too_large() -> None:
    with pytest.raises(InputError, match="larger than 1 MB"):
        read_file(Path("/dev/zero"), "the file", 1 << 20)


def test_a_named_pipe_is_refused_and_the_shells_substitution_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.json")  # opening it would wait for a writer
    with pytest.raises(InputError, match="the manifest is a named pipe, not a regular file"):
        read_if_present(tmp_path / "manifest.json", "the manifest", 10)
    reading, writing = os.pipe()
    os.write(writing, b"text")
    os.close(writing)
    assert read_file(Path(f"/dev/fd/{reading}"), "the file", 10) == b"text"
    os.close(reading)


def test_what_cannot_be_read_is_one_error_and_only_a_missing_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for name in ("", "loop", "a\0b", "x" * 5000):
        with pytest.raises(InputError, match="the file cannot be read"):
            read_if_present(tmp_path / name, "the file", 10)
    assert read_if_present(tmp_path / "absent", "the file", 10) is None
    with pytest.raises(InputError, match="No such file or directory"):
        read_file(tmp_path / "absent", "the file", 10)
