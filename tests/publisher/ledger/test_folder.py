"""The ledger in a folder: atomic files, concurrent writers, and a clear error for each kind of damage."""

from __future__ import annotations

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builder.model.errors import InputError
from builder.model.file_access import MAX_FACTS_BYTES
from publisher.ledger.folder import FolderLedger, record_bytes
from publisher.ledger.release import Release
from tests.publisher.catalog.catalog_cases import catalog_matrix, recorded
from tests.publisher.reconcile.plan_cases import small_matrix

MATRIX = catalog_matrix()
WHOLE = recorded(MATRIX, 3, "1.0")
EMPTY = WHOLE.model_copy(update={"cells": ()})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ledger = FolderLedger(tmp_path / "ledger", MATRIX)
    ledger.update(3, lambda _: WHOLE)
    return tmp_path / "ledger"


def read(folder: Path) -> tuple[Release, ...]:
    return FolderLedger(folder, MATRIX).releases()


def problem(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        read(folder)
    return str(caught.value)


def test_a_missing_folder_is_an_empty_ledger_and_is_not_created_by_reading(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == ()
    assert not (tmp_path / "none").exists()


def test_releases_are_read_in_the_order_of_their_numbers(folder: Path) -> None:
    for number in (10, 2, 12345):
        FolderLedger(folder, MATRIX).update(number, lambda _, n=number: recorded(MATRIX, n, "1.0"))  # type: ignore[misc]
    assert [release.layer_version for release in read(folder)] == [2, 3, 10, 12345]
    assert sorted(path.name for path in folder.glob("*.json")) == ["0002.json", "0003.json", "0010.json", "12345.json"]


def test_a_change_by_another_process_after_the_own_one_is_read(folder: Path) -> None:
    ledger = FolderLedger(folder, MATRIX)
    ledger.update(3, lambda _: EMPTY)
    assert ledger.releases() == (EMPTY,)
    FolderLedger(folder, MATRIX).update(3, lambda _: WHOLE)
    assert ledger.releases() == (WHOLE,)


@pytest.mark.parametrize(
    ("word", "instead"),
    [
        (f":{MATRIX.account}:layer", ":999999999999:layer"),
        (f":{MATRIX.account}:layer", ":\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669\u0660\u0661\u0662:layer"),
        ("arn:aws:lambda:us-east-1", "arn:aws:lambda:us-west-2"),
        ("arn:aws:", "arn:aws-cn:"),
        (f':{WHOLE.layer_version}"', ':7"'),
        (f"layer:{MATRIX.targets[0].layer_name}", "layer:another"),
        (':3",\n      "layer_name": "demo-', ':3",\n      "layer_name": "other-'),
        ('"layer_version": 3,\n      "arn"', '"layer_version": 4,\n      "arn"'),
    ],
)
def test_an_arn_of_another_layer_version_is_refused(folder: Path, word: str, instead: str) -> None:
    """Documents, look-ups and parameters copy the ARNs of the ledger, which comes through pull requests."""
    path = folder / "0003.json"
    text = path.read_text()
    assert word in text
    path.write_text(text.replace(word, instead, 1))
    assert "is not arn:aws:lambda:" in problem(folder)
    assert str(path) in problem(folder)


def test_a_change_receives_the_recorded_release(folder: Path) -> None:
    seen: list[Release | None] = []

    def change(now: Release | None) -> Release:
        seen.append(now)
        return WHOLE.model_copy(update={"rebuild": "again"})

    FolderLedger(folder, MATRIX).update(3, change)
    assert seen == [WHOLE]
    assert read(folder)[0].rebuild == "again"


def _add_each(folder: Path, part: int) -> None:
    """Write with a separate lock: flock distinguishes open files, not processes."""
    ledger = FolderLedger(folder, MATRIX)
    for cell in WHOLE.cells[part::3]:
        ledger.update(3, lambda now, cell=cell: (now or EMPTY).with_cells(cell))  # type: ignore[misc]


def test_concurrent_writers_lose_no_cell(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(_add_each, tmp_path, part) for part in range(3)]:
            done.result()
    (release,) = read(tmp_path)
    assert set(release.cells) == set(WHOLE.cells)


def test_a_failed_write_keeps_the_old_record(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (folder / "0003.json").read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match="No space left") as caught:
        FolderLedger(folder, MATRIX).update(3, lambda _: EMPTY)
    assert "0003.json" in str(caught.value.where)
    assert (folder / "0003.json").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "0003.json"]


def test_a_failed_change_writes_nothing(folder: Path) -> None:
    def fail(_: Release | None) -> Release:
        raise KeyError

    with pytest.raises(KeyError):
        FolderLedger(folder, MATRIX).update(3, fail)
    assert read(folder) == (WHOLE,)
    FolderLedger(folder, MATRIX).update(3, lambda now: now or EMPTY)  # the lock was released


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        record_bytes(WHOLE)[:-20],
        b"<<<<<<< HEAD\n" + record_bytes(WHOLE),
        b"\xff\xfe",
        record_bytes(WHOLE).replace(b'"account"', b'"acount"'),
    ],
    ids=["empty", "cut", "conflict", "bytes", "key"],
)
def test_a_damaged_record_is_named(folder: Path, damage: bytes) -> None:
    (folder / "0003.json").write_bytes(damage)
    message = problem(folder)
    assert message.startswith(f"{folder / '0003.json'}: this record is damaged:")
    assert "layers sync" in message


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (("version",), "../../etc/passwd", "Invalid version"),
        (("begun",), 0, "not an ISO 8601 time"),
        (("completed",), "999999999999", "not an ISO 8601 time"),
        (("cells", 0, "size"), -1, "greater than or equal to 0"),
        (("targets", 0, "layer_name"), "../x", "the layer name of py3.10-x86_64 is '../x', not 'demo"),
        (("targets", 1), json.loads(record_bytes(WHOLE))["targets"][0], "py3.10-x86_64 is recorded twice"),
        (("cells", 1), json.loads(record_bytes(WHOLE))["cells"][0], "/py3.10-x86_64 is recorded twice"),
    ],
)
def test_a_value_that_no_publisher_writes_is_refused(
    folder: Path, key: tuple[str | int, ...], value: object, reason: str
) -> None:
    document = holder = json.loads((folder / "0003.json").read_text())
    for part in key[:-1]:
        holder = holder[part]
    holder[key[-1]] = value
    (folder / "0003.json").write_text(json.dumps(document))
    message = problem(folder)
    assert message.startswith(f"{folder / '0003.json'}: this record is damaged:")
    assert reason in message


def test_a_record_of_a_newer_program_asks_for_an_update_and_not_for_a_repair(folder: Path) -> None:
    newer = record_bytes(WHOLE).replace(b'"schema_version": 1', b'"schema_version": 2, "a_new_key": 1')
    (folder / "0003.json").write_bytes(newer)
    message = problem(folder)
    assert message.startswith(f"{folder / '0003.json'}: this record has schema version 2, and this program reads 1")
    assert "update this program" in message


@pytest.mark.parametrize("name", ["0004.json", "3.json", "release.json"])
def test_a_record_under_another_name_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(record_bytes(WHOLE))
    assert "rename it to 0003.json" in problem(folder)


def test_other_files_are_ignored(folder: Path) -> None:
    (folder / "README.md").write_text("about")
    (folder / ".0003.json.abc").write_text("left by a killed process")
    assert read(folder) == (WHOLE,)


@pytest.mark.parametrize(
    "changes", [{"account": "999999999999"}, {"package": "other"}, {"layer_name": "x-{python}-{architecture}"}]
)
def test_the_ledger_of_another_matrix_is_refused(folder: Path, changes: dict[str, str]) -> None:
    keys = {"package": "demo-agents", **changes}
    with pytest.raises(InputError, match="of another matrix") as caught:
        FolderLedger(folder, small_matrix(**keys)).releases()
    assert next(iter(changes)) in str(caught.value)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("")
    assert "the ledger must be a folder" in problem(tmp_path / "ledger")
    with pytest.raises(InputError):
        FolderLedger(tmp_path / "ledger", MATRIX).update(3, lambda _: WHOLE)


def test_a_record_is_readable_json(folder: Path) -> None:
    text = (folder / "0003.json").read_text()
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"
    assert '"published": "2026-01-04T12:00:00Z"' in text


def test_a_record_that_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "0001.json")  # opening it would wait for a writer
    with pytest.raises(InputError, match="not a regular file"):
        read(tmp_path)


def test_a_record_of_any_size_is_read_up_to_a_limit(tmp_path: Path) -> None:
    (tmp_path / "0001.json").write_bytes(b" " * (MAX_FACTS_BYTES + 1))
    with pytest.raises(InputError, match="larger than 4 MB"):
        read(tmp_path)


@pytest.mark.parametrize(("old", "new"), [("fillers", "lower_versions"), ("surplus", "unexpected_versions")])
def test_a_record_with_the_older_and_the_present_name_of_a_key_is_refused(old: str, new: str, folder: Path) -> None:
    record = json.loads(record_bytes(WHOLE))
    (folder / "0003.json").write_text(json.dumps({**record, old: record[new]}))
    assert f"has both {old} and {new}" in problem(folder)
