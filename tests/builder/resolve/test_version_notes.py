"""Notes about versions: targets that differ, and older versions chosen because a wheel is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.pipeline.build import build
from builder.resolve.resolver import LockInput, resolve_requirements
from builder.resolve.version_notes import differing_versions, older_latest
from tests.fakes.notes import Notes
from tests.fakes.wheels import make_sdist, make_wheel, matrix_of, target_of


def make_other(index: Path) -> None:
    """Add `other` 2.0 for Python 3.12 only, and 1.0 for all."""
    make_wheel(index, "other", "1.0")
    make_wheel(index, "other", "2.0", tag="cp312-cp312-manylinux_2_17_x86_64")


def test_a_target_with_another_version_is_named(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", requires=("other",))
    make_other(index)
    matrix = matrix_of("demo", "3.11", "3.12")
    notes = Notes()
    build(matrix, "1.0", matrix.targets, tmp_path / "out", notes)
    assert "other differs between targets: 1.0 on py3.11-x86_64; 2.0 on the others" in notes.lines


def test_equal_locks_give_no_note(index: Path) -> None:
    make_wheel(index, "demo")
    lock = resolve_requirements(LockInput(("demo",)), target_of())
    assert differing_versions({"py3.11-x86_64": lock, "py3.12-x86_64": lock}) == []


def messages(tmp_path: Path, package: str = "demo", *pythons: str, **keys: object) -> dict[str, list[str]]:
    """Build the matrix; return what its findings say of older versions, by target."""
    matrix = matrix_of(package, *pythons, **keys)
    manifest = build(matrix, "1.0", matrix.targets, tmp_path / "out", Notes())
    return {a.target: [f.message for f in a.findings if f.code == "version-older"] for a in manifest.artifacts}


def test_a_newer_version_without_a_wheel_is_named_for_each_target(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", requires=("other",))
    make_other(index)
    assert messages(tmp_path, "demo", "3.12", "3.13") == {
        "py3.12-x86_64": [],
        "py3.13-x86_64": ["other 1.0 was chosen, not 2.0: other 2.0 has no wheel for py3.13-x86_64; demo requires it"],
    }


@pytest.mark.parametrize("tag", ["cp312-cp312-win_amd64", "cp312-cp312-musllinux_1_2_x86_64", "cp311-none-any"])
def test_a_newer_version_with_wheels_for_other_machines_is_named(index: Path, tmp_path: Path, tag: str) -> None:
    make_wheel(index, "demo", requires=("middle",))
    make_wheel(index, "middle", requires=("other[x]>=1",))
    make_wheel(index, "other", "1.0")
    make_wheel(index, "other", "2.0", tag=tag)
    (message,) = messages(tmp_path)["py3.12-x86_64"]
    assert message.endswith("other 2.0 has no wheel for py3.12-x86_64; middle requires it")


def test_a_newer_version_without_any_wheel_is_named_and_not_built(index: Path, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    make_wheel(index, "demo", requires=("other",))
    make_wheel(index, "other", "1.0")
    make_sdist(index, "other", "2.0", f"open({str(mark)!r}, 'w')")
    (message,) = messages(tmp_path, requirements=["other"])["py3.12-x86_64"]
    assert "other 1.0 was chosen, not 2.0: other 2.0 has no wheel" in message
    assert not mark.exists()


def test_an_obstacle_is_named_with_the_package_that_requires_it(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", requires=("hydra",))
    make_wheel(index, "hydra", "0.11")
    make_wheel(index, "hydra", "1.3", requires=("antlr",))
    make_wheel(index, "antlr", "4.9", tag="cp311-cp311-win_amd64")
    (message,) = messages(tmp_path)["py3.12-x86_64"]
    assert message.startswith("hydra 0.11 was chosen, not 1.3: antlr")
    assert "which hydra 1.3 requires, has no wheel for py3.12-x86_64" in message


def test_an_older_version_that_uv_tried_last_is_no_obstacle(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", requires=("other", "peer"))
    make_wheel(index, "shared", "1.0")
    make_wheel(index, "shared", "2.0")
    make_wheel(index, "other", "1.0")
    make_wheel(index, "other", "2.0", requires=("shared>=2",))
    make_wheel(index, "peer", "1.0", tag="cp311-cp311-win_amd64")
    make_wheel(index, "peer", "2.0", requires=("shared<2",))
    assert messages(tmp_path, requirements=["peer"])["py3.12-x86_64"] == []


@pytest.mark.parametrize(
    ("requires", "keys"),
    [
        (("other<2",), {}),
        (("other==1.0",), {}),
        (("other",), {"requirements": ["other<2"]}),
        (("other", "middle"), {}),
        (("other",), {"override": ["other==1.0"]}),
    ],
)
def test_a_version_that_somebody_constrains_gives_no_note(
    index: Path, tmp_path: Path, requires: tuple[str, ...], keys: dict[str, object]
) -> None:
    make_wheel(index, "demo", requires=requires)
    make_wheel(index, "middle", requires=("other<1.5",))
    make_wheel(index, "middle", "0.1", requires=("other",))
    make_other(index)
    assert messages(tmp_path, "demo", "3.13", **keys) == {"py3.13-x86_64": []}


def test_a_yanked_or_pre_release_version_is_not_newer(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", requires=("other",))
    make_wheel(index, "other", "1.0")
    make_wheel(index, "other", "2.0rc1", tag="cp311-cp311-win_amd64")
    assert messages(tmp_path) == {"py3.12-x86_64": []}


def test_an_unchanged_build_says_it_again(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", requires=("other",))
    make_other(index)
    assert messages(tmp_path, "demo", "3.13") == messages(tmp_path, "demo", "3.13") != {"py3.13-x86_64": []}


def test_the_reason_why_latest_is_an_older_version_is_named(index: Path) -> None:
    make_wheel(index, "demo", "1.0")
    make_wheel(index, "demo", "2.0", requires=("antlr",))
    make_wheel(index, "antlr", "4.9", tag="cp312-cp312-manylinux_2_17_x86_64")
    matrix = matrix_of("demo", "3.12", "3.13")
    assert older_latest(matrix_of("demo", "3.12"), "2.0") is None
    assert older_latest(matrix, "1.0") == (
        "demo 1.0 was chosen, not 2.0: antlr 4.9, which demo 2.0 requires, has no wheel for py3.13-x86_64"
    )


def test_a_matrix_that_limits_the_version_gives_latest_no_note(index: Path) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(index, "demo", version)
    assert older_latest(matrix_of("demo", requirements=["demo<2"]), "1.0") is None
