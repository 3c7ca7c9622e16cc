"""The file of smoke results: merging, replacing, and files that cannot be read or written."""

from __future__ import annotations

import errno
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from builder.model.cold_start import (
    SMOKE_FILE,
    ColdStart,
    PackageImport,
    SmokeResult,
    SmokeResults,
    read_smokes,
    record_smoke,
)
from builder.model.errors import InputError
from tests import REPOSITORY

ONE, OTHER = "1" * 64, "2" * 64


def figures(ready: float = 1.0) -> ColdStart:
    return ColdStart(
        import_seconds=0.7, ready_seconds=ready, first_seconds=0.3, second_seconds=0.02, peak_memory=None,
        interpreter="3.12.7", machine="x86_64", processor=None, starts=1,
    )  # fmt: skip


PROVEN = SmokeResult(file="a.zip", target="py3.12-x86_64", status="proven", cold_start=figures())
EMULATED = PROVEN.model_copy(update={"emulated": True, "cold_start": figures(30)})
UNPROVEN = PROVEN.model_copy(update={"status": "unproven", "reason": "another machine", "cold_start": None})
FAILED = PROVEN.model_copy(update={"status": "failed", "reason": "import error", "cold_start": None})


def recorded(*each: SmokeResult) -> SmokeResult:
    smokes = SmokeResults()
    for smoked in each:
        smokes = smokes.with_smoke(ONE, smoked)
    return smokes.smokes[ONE]


def test_an_unproven_result_does_not_replace_a_measured_one() -> None:
    assert recorded(PROVEN, UNPROVEN) == recorded(UNPROVEN, PROVEN) == PROVEN
    assert recorded(PROVEN, EMULATED) == recorded(EMULATED, PROVEN) == PROVEN
    assert recorded(UNPROVEN, EMULATED) == recorded(EMULATED, UNPROVEN) == EMULATED


def test_the_later_of_two_measured_results_counts() -> None:
    later = PROVEN.model_copy(update={"cold_start": figures(0.5)})
    assert recorded(PROVEN, later) == later
    assert recorded(PROVEN, FAILED) == FAILED
    assert recorded(FAILED, PROVEN) == PROVEN


def test_a_rebuilt_zip_replaces_its_own_result_only() -> None:
    neighbour = PROVEN.model_copy(update={"file": "b.zip"})
    smokes = SmokeResults().with_smoke(ONE, PROVEN).with_smoke(OTHER, neighbour).with_smoke("3" * 64, PROVEN)
    assert list(smokes.smokes.values()) == [PROVEN, neighbour]
    assert list(smokes.smokes) == ["3" * 64, OTHER]


def test_a_figure_of_an_emulator_is_not_used() -> None:
    assert SmokeResults().with_smoke(ONE, PROVEN).cold_start(ONE) == figures()
    assert SmokeResults().with_smoke(ONE, EMULATED).cold_start(ONE) is None
    assert SmokeResults().with_smoke(ONE, UNPROVEN).cold_start(ONE) is None
    assert SmokeResults().cold_start(ONE) is None


def test_results_of_two_machines_are_merged(tmp_path: Path) -> None:
    arm = SmokeResult(file="b.zip", target="py3.12-aarch64", status="proven", cold_start=figures(0.8))
    cannot = arm.model_copy(update={"status": "unproven", "cold_start": None})
    record_smoke(tmp_path, ONE, PROVEN)
    record_smoke(tmp_path, OTHER, cannot)
    elsewhere = tmp_path / "arm64"
    elsewhere.mkdir()
    record_smoke(elsewhere, ONE, UNPROVEN)
    record_smoke(elsewhere, OTHER, arm)
    smokes = read_smokes(tmp_path)
    assert (smokes.cold_start(ONE), smokes.cold_start(OTHER)) == (figures(), figures(0.8))


def test_concurrent_writers_lose_no_result(tmp_path: Path) -> None:
    def write(place: int) -> None:
        record_smoke(tmp_path, f"{place:064d}", PROVEN.model_copy(update={"file": f"{place}.zip"}))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(24)))
    assert len(read_smokes(tmp_path).smokes) == 24
    assert [path.name for path in tmp_path.iterdir()] == [SMOKE_FILE]


def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record_smoke(tmp_path, ONE, PROVEN)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match="cannot be recorded: No space left"):
        record_smoke(tmp_path, ONE, FAILED)
    assert read_smokes(tmp_path).smokes[ONE] == PROVEN


@pytest.mark.parametrize("damage", ["", "[]", '{"smokes": {"x": {}}}', '{"schema_version": 2, "smokes": {}}'])
def test_an_error_names_a_damaged_file(tmp_path: Path, damage: str) -> None:
    (tmp_path / SMOKE_FILE).write_text(damage)
    with pytest.raises(InputError) as caught:
        read_smokes(tmp_path)
    assert caught.value.where == str(tmp_path / SMOKE_FILE)
    assert "layers smoke --record" in str(caught.value.fix)


def test_the_example_in_the_documentation_is_valid(tmp_path: Path) -> None:
    text = (REPOSITORY / "docs" / "proof.md").read_text()
    example = next(block for block in text.split("```json\n") if block.startswith('{"schema_version"')).split("```")[0]
    example = example.replace("<sha256 of the zip>", ONE)
    (tmp_path / SMOKE_FILE).write_text(json.dumps(json.loads(example)))
    assert read_smokes(tmp_path).cold_start(ONE) is not None


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_json_does_not_have_is_refused(number: str) -> None:
    text = f'{{"package": "a", "own_ms": {number}, "total_ms": 1, "modules": 1}}'
    with pytest.raises(ValidationError, match="own_ms"):
        PackageImport.model_validate_json(text)
