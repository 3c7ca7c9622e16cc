"""Wheels in a folder whose file names are not those of wheels: uv does not see them, so the user is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from builder.model.errors import InputError
from builder.pipeline.build import build
from builder.resolve.misnamed_wheels import misnamed_wheel_of, misnamed_wheels_note
from tests.builder.pipeline.small_builds import made
from tests.fakes.notes import Notes
from tests.fakes.wheels import make_wheel, matrix_of

NAMES = {
    "demo-1.0-py3-none-any (1).whl": r"invalid tag 'any \(1\)'",
    "demo-1.0-py3-none-any.WHL": "does not end with .whl",
    "demo-1.0-py3-none-any.whl.part": "does not end with .whl",
    "demo-1.0.whl": "wrong number of parts",
    "demo-latest-py3-none-any.whl": "invalid version",
    "demo-1.0%2Blocal-py3-none-any.whl": "invalid version",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_package_with_a_misnamed_wheel_is_named_with_the_file(name: str, index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo").rename(index / name)
    with pytest.raises(InputError, match=NAMES[name]) as caught:
        made(tmp_path / "out")
    assert str(index / name) in str(caught.value)
    assert "rename the file" in str(caught.value)


def test_a_misnamed_wheel_of_the_required_version_is_named(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", "2.0").rename(index / "demo-2.0-py3-none-any (1).whl")
    make_wheel(index, "demo", "1.0")
    with pytest.raises(InputError, match=r"no demo 2.0; .*\(1\).whl is not used"):
        made(tmp_path / "out", version="2.0")


def test_a_build_without_the_misnamed_wheels_has_a_warning(index: Path, tmp_path: Path) -> None:
    progress = Notes()
    make_wheel(index, "demo")
    for number in range(5):
        (index / f"other-{number}-py3-none-any (1).whl").touch()
    matrix = matrix_of("demo")
    build(matrix, "1.0", matrix.targets, tmp_path / "out", progress)
    (line,) = [each for each in progress.lines if "not used, because a wheel is named" in each]
    assert line.startswith("warning: ")
    assert "other-0-py3-none-any (1).whl (invalid tag 'any (1)')" in line
    assert line.endswith("and 2 more")


@pytest.mark.parametrize("place", ["", "/no/such/folder", "http://127.0.0.1:9/links", "file:///no/such/folder"])
def test_other_places_have_no_warning(place: str) -> None:
    assert misnamed_wheels_note({"UV_FIND_LINKS": place}) == []


@given(
    st.from_regex(r"[A-Za-z0-9]{1,8}(_[a-z]{1,3})?", fullmatch=True),
    st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3})?(\+[a-z]{1,4})?", fullmatch=True),
    st.sampled_from(["", "-1", "-20240101abc"]),
    st.sampled_from(["py3-none-any", "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64"]),
)
def test_a_valid_name_is_not_reported_and_the_same_name_with_a_blank_is(
    name: str, version: str, number: str, tags: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        valid = f"{name}-{version}{number}-{tags}.whl"
        patch.setattr(os, "listdir", lambda _: [valid])
        assert misnamed_wheels_note({"UV_FIND_LINKS": "/links"}) == []
        patch.setattr(os, "listdir", lambda _: [valid.replace(".whl", " (1).whl")])
        assert misnamed_wheel_of(canonicalize_name(name), {"UV_FIND_LINKS": "/links"})
