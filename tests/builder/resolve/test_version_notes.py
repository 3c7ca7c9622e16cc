"""Notes about versions: targets that differ, and older versions chosen because a wheel is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.pipeline.build import build
from builder.resolve.resolver import resolve_requirements
from builder.resolve.version_notes import differing_versions, older_versions
from tests.fakes.notes import Notes
from tests.fakes.wheels import make_wheel, matrix_of, only_index, target_of


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "links"
    folder.mkdir()
    only_index(monkeypatch, folder)
    monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path / "cache"))
    return folder


def make_other(links: Path) -> None:
    """Add `other` 2.0 for Python 3.12 only, and 1.0 for all."""
    make_wheel(links, "other", "1.0")
    make_wheel(links, "other", "2.0", tag="cp312-cp312-manylinux_2_17_x86_64")


def test_a_target_with_another_version_is_named(links: Path, tmp_path: Path) -> None:
    make_wheel(links, "demo", requires=("other",))
    make_other(links)
    matrix = matrix_of("demo", "3.11", "3.12")
    notes = Notes()
    build(matrix, "1.0", matrix.targets, tmp_path / "out", notes)
    assert "other differs between targets: 1.0 on py3.11-x86_64; 2.0 on the others" in notes.lines


def test_equal_locks_give_no_note(links: Path) -> None:
    make_wheel(links, "demo")
    lock = resolve_requirements(["demo"], target_of())
    assert differing_versions({"py3.11-x86_64": lock, "py3.12-x86_64": lock}) == []


def test_an_obstacle_is_named_with_the_package_that_requires_it(links: Path) -> None:
    make_wheel(links, "hydra", "0.11")
    make_wheel(links, "hydra", "1.3", requires=("antlr",))
    make_wheel(links, "antlr", "4.9", tag="cp311-cp311-win_amd64")
    target = target_of()
    lock = resolve_requirements(["hydra"], target)
    (line,) = older_versions(["hydra"], target, lock)
    assert line.startswith("hydra 0.11 was chosen, not 1.3: antlr")
    assert "which hydra 1.3 requires, has no wheel for py3.12-x86_64" in line


def test_a_version_that_the_user_constrains_gives_no_note(links: Path) -> None:
    make_wheel(links, "demo", requires=("other<2",))
    make_other(links)
    target = target_of()
    for requirements in (["demo", "other"], ["other<2"], ["other==1.0"]):
        assert older_versions(requirements, target, resolve_requirements(requirements, target)) == []
