"""An app on a layer: its zip has the packages that the layer does not have."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.model.errors import BuildError
from builder.package.dependencies import find_conflicting
from builder.resolve.failures import ConflictError
from tests.builder.package.app_cases import asks, layer_of, packaged, refusal, versions
from tests.fakes.wheels import make_wheel

pytestmark = pytest.mark.usefixtures("index")


def test_only_packages_that_the_layer_does_not_have_are_included(app: Path, index: Path) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(index, "base", version)
        make_wheel(index, "extra", version, requires=(f"base=={version}",))
    make_wheel(index, "tools", requires=("base", "extra"))
    asks(app, "tools\nbase\n")
    assert versions(packaged(app)) == {"base": "2.0", "extra": "2.0", "tools": "1.0"}
    assert versions(packaged(app, layer_of(Base="1.0"))) == {"extra": "1.0", "tools": "1.0"}
    assert packaged(app, layer_of(base="2.0", extra="2.0", tools="1.0")).dependencies is None


def test_all_requirements_that_the_layer_does_not_satisfy_are_named(app: Path) -> None:
    asks(app, "core>1,<3\nbase[x]~=2.0\nfine>=1\nother<1; python_version < '3.12'\n")
    said = refusal(app, BuildError, layer_of(base="1.0", core="1.0", fine="2.0b1", other="1.0"))
    assert "conflict with demo 1.0, layer version 2" in said
    assert "core: requirements.txt:1 requires core>1,<3; the layer has 1.0" in said
    assert "base: requirements.txt:2 requires base[x]~=2.0; the layer has 1.0" in said
    assert "fine:" not in said
    assert "other:" not in said


def test_each_line_of_a_package_that_the_layer_does_not_satisfy_is_named(app: Path) -> None:
    asks(app, "core>1\ncore!=1.0\n")
    lines = "requirements.txt:1 requires core>1; requirements.txt:2 requires core!=1.0; the layer has 1.0"
    assert f"core: {lines}" in refusal(app, BuildError, layer_of(core="1.0"))


def test_a_conflict_between_a_dependency_and_the_layer_is_named(app: Path, index: Path) -> None:
    for version in ("1.0", "2.0"):
        for name in ("base", "core", "fine"):
            make_wheel(index, name, version)
    make_wheel(index, "tools", requires=("base>=2", "fine"))
    make_wheel(index, "more", requires=("core==2.0",))
    asks(app, "tools\nmore\n")
    said = refusal(app, BuildError, layer_of(base="1.0", core="1.0", fine="1.0"))
    assert "base: tools requires base>=2; the layer has 1.0" in said
    assert "core: more requires core==2.0; the layer has 1.0" in said
    assert "fine:" not in said


def test_requirements_that_conflict_with_each_other_are_named_without_the_layer(app: Path, index: Path) -> None:
    make_wheel(index, "base")
    make_wheel(index, "tools", requires=("base>=2",))
    asks(app, "tools\nbase<2\n")
    assert "conflict with" not in refusal(app, BuildError, layer_of(base="1.0"))


@given(st.lists(st.integers(0, 30), unique=True, max_size=30), st.sets(st.integers(0, 30)))
def test_conflicting_names_are_found_in_few_attempts(numbers: list[int], bad: set[int]) -> None:
    attempts = 0

    def attempt(held: object) -> ConflictError | None:
        nonlocal attempts
        attempts += 1
        assert isinstance(held, list)
        return ConflictError("no") if any(int(name) in bad for name in held) else None

    found = find_conflicting([str(number) for number in numbers], attempt)
    assert set(found) == {str(number) for number in numbers if number in bad}
    assert attempts <= 1 + 2 * 5 * max(len(found), 1)
