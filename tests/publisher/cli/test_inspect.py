"""``layers inspect`` and ``layers smoke`` as a user runs them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from builder.model.errors import BuildError, InputError
from builder.model.progress import Quiet
from builder.pipeline.build import build
from builder.smoke.smoke_test import SmokeReport
from publisher.cli.group import layers
from tests.fakes.command import valid_json
from tests.fakes.wheels import make_wheel, matrix_of, only_index
from tests.fakes.zips import distribution, pyc, write

GOOD = {
    **distribution("a", files={"a/__init__.py": b"x = 1\n"}),
    "python/a/__pycache__/__init__.cpython-312.pyc": pyc("a/__init__.py"),
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(layers, [str(argument) for argument in arguments])


def test_a_valid_zip_exits_with_0(tmp_path: Path) -> None:
    result = run("inspect", write(tmp_path / "z.zip", GOOD))
    assert result.exit_code == 0
    assert "Python 3.12" in result.stdout
    assert "every check passed" in result.stdout
    assert "1 of 1 modules" in result.stdout


def test_all_errors_are_shown_and_the_exit_code_is_bad_input(tmp_path: Path) -> None:
    bad = write(tmp_path / "bad.zip", {**GOOD, "python/a/__init__.py": b"y"}, mode=0o100600)
    good = write(tmp_path / "good.zip", GOOD)
    result = run("inspect", bad, good)
    assert isinstance(result.exception, InputError)
    assert result.exception.exit_code == 3
    for text in ("record-hash", "mode-unreadable", str(good)):
        assert text in result.stdout


def test_json_is_one_document_if_there_are_errors(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{n}.zip", GOOD, mode=mode) for n, mode in enumerate((0o100644, 0o100600))]
    document = valid_json("inspect", run("inspect", "--json", *paths).stdout)
    assert [len(each["findings"]) for each in document["zips"]] == [0, 1]
    assert document["comparison"]["files"]["changed"] == sorted(GOOD)


def test_compare_names_the_differences(tmp_path: Path) -> None:
    old, new = write(tmp_path / "1.zip", distribution("a")), write(tmp_path / "2.zip", distribution("a", "2.0"))
    assert "updated   a 1.0 → 2.0" in run("inspect", old, new).stdout
    assert "the same bytes" in run("inspect", old, old).stdout


def test_control_characters_in_names_are_escaped(tmp_path: Path) -> None:
    result = run("inspect", write(tmp_path / "z.zip", {**GOOD, "python/\x1b[2Jx": b""}))
    assert "\x1b" not in result.stdout
    assert "\\x1b[2Jx" in result.stdout


def test_options_set_the_target(tmp_path: Path) -> None:
    result = run("inspect", "--python", "3.11", "--arch", "x86_64", write(tmp_path / "z.zip", GOOD))
    assert "pyc-other" in result.stdout


@pytest.mark.parametrize(
    ("status", "strict", "code"),
    [("proven", False, 0), ("unproven", False, 0), ("unproven", True, 4), ("failed", False, 4)],
)
def test_the_exit_code_of_smoke_follows_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, strict: bool, code: int
) -> None:
    report = SmokeReport("z.zip", "py3.12-x86_64", status, "0" * 64, reason=None if status == "proven" else "because")  # type: ignore[arg-type]
    monkeypatch.setattr("builder.smoke.measurement.smoke_repeatedly", lambda path, target, times, profile: report)
    path = write(tmp_path / "z.zip", GOOD)
    result = run("smoke", *(["--strict"] if strict else []), path)
    assert (result.exception.exit_code if isinstance(result.exception, BuildError) else result.exit_code) == code
    assert status in result.stdout
    assert ("because" in result.stdout) is (status != "proven")
    assert valid_json("smoke", run("smoke", "--json", path).stdout)[0]["status"] == status


def test_the_exclusions_and_overrides_of_a_build_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "index"
    index.mkdir()
    only_index(monkeypatch, index)
    monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path / "cache"))
    make_wheel(index, "demo", requires=("one", "two==5"))
    make_wheel(index, "two")
    matrix = matrix_of("demo", bytecode="off", exclude=["one"], override=["two==1.0"])
    built = build(matrix, "1.0", matrix.targets, tmp_path / "out", Quiet()).artifacts[0]
    path = tmp_path / "out" / built.file
    text = run("inspect", path).stdout
    assert "excluded  one\n" in text
    assert "override  two==1.0\n" in text
    (shown,) = valid_json("inspect", run("inspect", "--json", path).stdout)["zips"]
    assert (shown["exclude"], shown["override"]) == (["one"], ["two==1.0"])
