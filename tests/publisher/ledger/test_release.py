"""The record of a release: cells and targets are merged, ordered, written and read back."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from builder.model.strict_json import dump_json
from publisher.ledger.folder import record_bytes
from publisher.ledger.release import CellRecord, Release
from tests.publisher.catalog.catalog_cases import catalog_matrix, history, recorded

MATRIX = catalog_matrix()
WHOLE = recorded(MATRIX, 1, "1.0")
EMPTY = WHOLE.model_copy(update={"cells": (), "targets": ()})


@given(st.permutations(WHOLE.cells), st.integers(0, len(WHOLE.cells)))
def test_the_order_of_cells_does_not_depend_on_how_they_were_added(cells: list[CellRecord], cut: int) -> None:
    assert EMPTY.with_cells(*cells[:cut]).with_cells(*cells[cut:]).cells == EMPTY.with_cells(*WHOLE.cells).cells


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_record_is_formatted_as_every_json_file_of_the_program(text: str) -> None:
    release = WHOLE.model_copy(update={"package": text})
    assert record_bytes(release) == dump_json(release.model_dump(mode="json")).encode()


def test_pythons_are_ordered_as_versions() -> None:
    targets = tuple(
        target.model_copy(update={"python": python}) for python in ("3.10", "3.9") for target in WHOLE.targets[:1]
    )
    assert [target.python for target in EMPTY.with_targets(*targets).targets] == ["3.9", "3.10"]


def test_a_new_record_of_a_cell_replaces_the_old_one() -> None:
    cell = WHOLE.cells[0].model_copy(update={"public": False})
    changed = WHOLE.with_cells(cell)
    assert len(changed.cells) == len(WHOLE.cells)
    assert changed.cell(*cell.key) == cell
    assert WHOLE.cell(*cell.key) != cell


def test_a_missing_cell_or_target_is_none() -> None:
    assert WHOLE.cell("mars-north-1", "py3.12-x86_64") is None
    assert WHOLE.target("py2.7-x86_64") is None
    assert WHOLE.target("py3.12-aarch64") in WHOLE.targets


@pytest.mark.parametrize("release", history(MATRIX), ids=lambda release: str(release.layer_version))
def test_a_written_record_is_read_back(release: Release) -> None:
    written = record_bytes(release)
    assert Release.model_validate_json(written) == release
    assert record_bytes(Release.model_validate_json(written)) == written


def test_times_need_a_time_zone_and_are_read_back() -> None:
    zone = timezone(timedelta(hours=9))
    moment = datetime(2026, 11, 23, 8, tzinfo=zone)
    release = WHOLE.model_copy(update={"begun": moment})
    assert Release.model_validate_json(record_bytes(release)).begun == moment
    data = json.loads(record_bytes(WHOLE))
    with pytest.raises(ValidationError):
        Release.model_validate({**data, "begun": "2026-11-23T08:00:00"})


@pytest.mark.parametrize(
    "changes",
    [
        {"layer_version": 0},
        {"account": "123"},
        {"schema_version": 2},
        {"surprise": 1},
        {"cells": [{"region": "us-east-1"}]},
        {"targets": [{"python": "3.12", "architecture": "arm64", "layer_name": "x", "sha256": None}]},
    ],
)
def test_an_invalid_record_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Release.model_validate({**json.loads(record_bytes(WHOLE)), **changes})


def test_the_older_names_of_keys_and_kinds_are_read() -> None:
    version = {"region": "us-east-1", "python": "3.12", "architecture": "x86_64", "arn": "arn"}
    fillers = [{**version, "layer_version": 1, "kind": "reserved"}, {**version, "layer_version": 2, "kind": "backfill"}]
    older = json.loads(record_bytes(WHOLE)) | {
        "fillers": fillers,
        "surplus": [{**version, "layer_version": 9, "reason": "another process"}],
    }
    for name in ("lower_versions", "unexpected_versions"):
        del older[name]
    read = Release.model_validate(older)
    assert [(each.layer_version, each.kind) for each in read.lower_versions] == [(1, "placeholder"), (2, "backfill")]
    assert [each.layer_version for each in read.unexpected_versions] == [9]
