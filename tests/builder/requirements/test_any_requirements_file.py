"""Any content of a requirements file is read, or refused with one error and in little time."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.model.errors import InputError, LayersError
from builder.requirements.requirements_file import read_requirements_file
from tests.builder.requirements.conftest import Project


def assert_read_or_one_error(path: Path) -> None:
    """Any other exception fails the test."""
    said = path.name
    try:
        read_requirements_file(path)
    except InputError as error:
        said = str(error)
    assert path.name in said


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_with_one_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path: Path = tmp_path_factory.mktemp("bytes") / "requirements.txt"
    path.write_bytes(data)
    assert_read_or_one_error(path)


PIECES = [*"ab-.[];@=<>!~ /\\#'\"{}$:", "--hash=", "-e ", "-r ", "file:", "\n"]


@given(st.lists(st.sampled_from(PIECES), max_size=14))
def test_any_line_is_read_or_refused_with_one_error(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    path: Path = tmp_path_factory.mktemp("lines") / "requirements.txt"
    path.write_text("".join(parts))
    assert_read_or_one_error(path)


@pytest.mark.parametrize("line", ["demo" + " " * 200_000 + "x", "./" + "[" * 200_000, "-r" + " " * 200_000 + "x"])
def test_a_very_long_line_takes_little_time(line: str, tmp_path: Path) -> None:
    """A pattern that backtracks takes minutes for these lines."""
    path = tmp_path / "requirements.txt"
    path.write_text(line)
    with pytest.raises(InputError) as caught:
        read_requirements_file(path)
    assert len(str(caught.value)) < 2000


def test_more_requirements_than_a_layer_can_have_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("# a comment\n" * 30_000 + "demo\n" * 100_000)
    with pytest.raises(InputError, match="more than 20,000 requirements") as caught:
        read_requirements_file(path)
    assert f"{path}:50001" in str(caught.value)


def test_a_version_with_very_many_digits_is_refused_in_little_time(project: Project) -> None:
    project.wheel("tinydep")
    (project.folder / "requirements.txt").write_text(f"tinydep=={'1' * 200_000}\n")
    with pytest.raises(LayersError) as caught:
        project.packages()
    assert len(str(caught.value)) < 2000
