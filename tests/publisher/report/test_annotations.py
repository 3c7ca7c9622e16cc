"""Annotations, and the summary's file, of a step of GitHub Actions."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from builder.model.errors import InputError
from publisher.cli import github, main
from publisher.report.annotations import MAX_ANNOTATIONS, Note, commands, error_note
from tests.conftest import Sandbox
from tests.fakes.command import Layers


def test_annotations_are_escaped() -> None:
    note = Note("error", "a: 50 %, b", "50 %\r\n::error::x, y: z", "some,file.yaml", 3)
    assert list(commands([note])) == [
        "::error file=some%2Cfile.yaml,line=3,title=a%3A 50 %25%2C b::50 %25\\r%0A\\x3a:error::x, y: z"
    ]


def test_annotations_stay_within_githubs_limit_and_the_last_one_counts_the_rest() -> None:
    warnings = [Note("warning", f"w{place}", "m") for place in range(12)]
    errors = [Note("error", f"e{place}", "m") for place in range(10)]
    lines = list(commands([*warnings, *errors], errors_left=1))
    assert [line.split(" ")[0] for line in lines].count("::warning") == MAX_ANNOTATIONS
    assert [line.split(" ")[0] for line in lines].count("::error") == MAX_ANNOTATIONS - 1
    assert "::warning title=And 3 more::3 more warnings; the log has them all" in lines
    assert "::error title=And 2 more::2 more errors; the log has them all" in lines
    assert list(commands(errors)) == [f"::error title=e{place}::m" for place in range(10)]


def test_the_error_of_a_matrix_is_annotated_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "matrix.yaml"
    path.write_text("")
    note = error_note(InputError("bad", where=f"{path}:7"))
    assert (note.file, note.line) == (str(path), 7)
    assert error_note(InputError(f"2 problems\n  {path}:3: python: no")).line == 3
    assert error_note(InputError("bad", where="us-east-1:443")).file is None


@pytest.fixture
def summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the summary file of a step."""
    path = tmp_path / "summary.md"
    path.touch()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    return path


def test_sections_are_appended(summary: Path) -> None:
    summary.write_text("of another command")
    github.summarize("### One\n")
    github.summarize("### Two\n")
    assert summary.read_text() == "of another command\n### One\n\n### Two\n"


def test_a_summary_stays_within_githubs_limit(summary: Path, capsys: pytest.CaptureFixture[str]) -> None:
    github.summarize("### One\n" + "a line of ümlauts\n" * 100_000)
    text = summary.read_text()
    assert github.SUMMARY_LIMIT_BYTES - 100 < summary.stat().st_size <= github.SUMMARY_LIMIT_BYTES
    assert text.endswith("ümlauts\n\n*The rest is cut off: GitHub shows 1 MiB a step. The log has everything.*\n")
    github.summarize("### Two\n" * 20)
    assert summary.read_text() == text
    assert "full" in capsys.readouterr().err


def test_an_unwritable_summary_is_not_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    github.summarize("### One\n")
    assert "cannot write the job summary" in capsys.readouterr().err


def test_a_publish_in_a_workflow_writes_summary_and_annotations(
    sandbox: Sandbox, tmp_path: Path, summary: Path
) -> None:
    layers = Layers(tmp_path)
    assert layers.publish("1.0").code == 0
    sandbox.layers().delete_layer_version(LayerName=layers.matrix.targets[0].layer_name, VersionNumber=1)
    again = layers.publish("1.0", "--json")
    assert again.code == 5
    assert again.json["complete"] is False  # stdout is only that document
    assert "::error title=us-east-1 conflict::py3.12-x86_64: " in again.err
    first, second = summary.read_text().split("### demo 1.0: layer version 1\n")[1:]
    assert "**Complete**" in first
    assert "**Incomplete**: 1 of 4 cells" in second
    audited = layers("audit")
    assert "::error title=us-east-1/py3.12-x86_64/1 missing::recorded, but not in AWS%0A→ layers publish" in audited.err
    assert "**1 finding**" in summary.read_text()


def test_outside_github_actions_nothing_is_annotated(sandbox: Sandbox, tmp_path: Path) -> None:
    layers = Layers(tmp_path)
    layers.publish("1.0")
    sandbox.layers().delete_layer_version(LayerName=layers.matrix.targets[0].layer_name, VersionNumber=1)
    ended = layers.publish("1.0")
    assert ended.code == 5
    assert "::" not in ended.err + ended.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--matrix", "{matrix}", "targets"], 3, "::error file={matrix},line=1,title=layers::"),
        (["targets", "--nonsense"], 2, "::error title=layers::No such option"),
    ],
)
def test_the_error_that_ends_the_program_is_annotated(
    tmp_path: Path,
    summary: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    matrix = tmp_path / "matrix.yaml"
    matrix.write_text("[]\n")
    monkeypatch.setattr(sys, "argv", ["layers", *(word.format(matrix=matrix) for word in arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    printed = capsys.readouterr()
    assert words.format(matrix=matrix) in printed.err
    assert printed.out == ""
