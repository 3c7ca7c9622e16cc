"""Parsing what people type for a Python, an architecture, a region, and lists of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.model.regions import known_regions
from builder.model.runtimes import RUNTIMES, Architecture
from builder.model.selection import is_all, is_latest, parse_architecture, parse_python, parse_region, split_words
from builder.model.target import TargetKey, python_order


def in_any_case(text: str) -> st.SearchStrategy[str]:
    return st.tuples(*(st.sampled_from((c.lower(), c.upper())) for c in text)).map("".join)


@given(
    st.sampled_from(sorted(RUNTIMES)),
    st.sampled_from(("", "python", "py")).flatmap(in_any_case),
    st.sampled_from((".", "_", "-", "")),
)
def test_every_spelling_of_a_python_is_accepted(python: str, prefix: str, separator: str) -> None:
    assert parse_python(prefix + python.replace(".", separator)) == python


@given(st.sampled_from(("x86_64", "amd64", "x64", "x86-64", "x86")).flatmap(in_any_case))
def test_every_spelling_of_x86_64_is_accepted(text: str) -> None:
    assert parse_architecture(text) is Architecture.X86_64


@given(st.sampled_from(("aarch64", "arm64")).flatmap(in_any_case))
def test_every_spelling_of_arm64_is_accepted(text: str) -> None:
    assert parse_architecture(text) is Architecture.AARCH64


@given(st.sampled_from(sorted(known_regions())).flatmap(in_any_case))
def test_a_region_is_accepted_in_any_case(text: str) -> None:
    assert parse_region(text) == text.lower()
    assert parse_region(text.replace("-", "_")) == text.lower()


@pytest.mark.parametrize("parse", [parse_python, parse_architecture, parse_region])
@given(text=st.text(max_size=30) | st.sampled_from(("٣.١٢", "3.1²", "3.12.1", "9" * 5000, "")))
def test_other_text_is_refused_with_a_short_message(parse: Callable[[str], str], text: str) -> None:
    try:
        found = parse(text)
    except ValueError as error:
        assert len(str(error)) < 200  # noqa: PT017 - either outcome is right
    else:
        assert found in {*RUNTIMES, *Architecture, *known_regions()}


def test_comma_lists_and_repeated_options_are_one_list() -> None:
    assert split_words(("a, b", "c,a", "")) == ("a", "b", "c")


def test_all_and_latest_are_accepted_in_any_case() -> None:
    assert is_all("ALL")
    assert is_latest("LATEST")
    assert not is_all("allx")


@given(st.sampled_from(sorted(RUNTIMES)), st.sampled_from(Architecture))
def test_a_target_id_parses_back(python: str, architecture: Architecture) -> None:
    key = TargetKey(python, architecture)
    assert TargetKey.parse(key.id) == key


@pytest.mark.parametrize("text", ["", "py3.12", "3.12-x86_64", "py3.12-arm64", "py3.12-"])
def test_other_text_is_not_a_target_id(text: str) -> None:
    with pytest.raises(ValueError, match=r"target id|Architecture"):
        TargetKey.parse(text)


def test_pythons_are_ordered_by_number() -> None:
    assert sorted(["3.10", "3.9", "3.14"], key=python_order) == ["3.9", "3.10", "3.14"]
