"""Files that are no matrix: damaged, hostile or unreadable."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from builder.model.errors import InputError
from builder.model.matrix import Matrix
from builder.model.matrix_file import load_matrix
from tests.builder.model.matrix_text import BASE, parse, problem

BOMB = "a: &a0 [x, x]\n" + "".join(f"k{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "m.yaml:1: a matrix is a mapping"),
        ("- a\n", "m.yaml:1: a matrix is a mapping"),
        ("hello", "m.yaml:1: a matrix is a mapping"),
        ("a: [1, 2\nb: }", "m.yaml:2: not YAML"),
        (f"{BASE}---\na: b\n", "m.yaml:6: not YAML: expected a single document in the stream, but found another"),
        ("account:\n\tpackage: y", "m.yaml:2: not YAML"),
        ("a: b\nc: \x00", "m.yaml: not YAML: line 2: the character U+0000"),
        (f"a: &a [*a]\n{BASE}", "contains itself"),
        (f"{BASE}license: !!python/object/apply:os.system [id]\n", "m.yaml:6: not YAML"),
        (f"{BASE}? [a]\n: x\n", "not YAML"),
        (f"{BASE}license: 2026-02-31\n", "not YAML"),
        ("[" * 3000, "not YAML"),
        (BOMB + BASE, "more than 10000 values"),
        (f"{BASE}license: !!timestamp yesterday\n", "not YAML"),
        (f"{BASE}license: !!int seven\n", "not YAML"),
        (f"{BASE}license: 0x{'f' * 5000}\n", "not YAML: line 6: a number of 5,002 characters"),
        (f"{BASE}license: {'9' * 5000}\n", "not YAML: line 6: a number of 5,000 characters"),
        (f'{BASE}license: "\\ud800"\n', "not YAML: line 6: a value with a character that cannot be printed"),
        (f"{BASE}license: {'x' * 2_000_000}\n", "not YAML: larger than 1,048,576 bytes"),
    ],
)
def test_a_file_that_is_not_a_matrix_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", [f"1: 2\n{BASE}", f"? \n: x\n{BASE}", f"true: x\n{BASE}"])
def test_a_key_that_is_not_a_string_is_refused_with_its_line(text: str) -> None:
    assert problem(text).startswith("1: ")


@given(st.text(max_size=200))
def test_any_text_is_refused_with_an_input_error(text: str) -> None:
    with pytest.raises(InputError):
        parse(text)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(list(Matrix.model_fields)), _VALUES, min_size=1))
def test_any_value_of_any_key_is_accepted_or_refused_with_a_place(changes: dict[str, object]) -> None:
    text = yaml.safe_dump({**yaml.safe_load(BASE), **changes}, sort_keys=False)
    try:
        matrix = parse(text)
    except InputError as error:
        assert error.where or error.details  # noqa: PT017 - either outcome is right
    else:
        assert matrix.targets


def test_the_error_names_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"package: \xe9")
    for path in (tmp_path / "none.yaml", tmp_path, latin):
        with pytest.raises(InputError) as caught:
            load_matrix(path)
        assert caught.value.where == str(path)
