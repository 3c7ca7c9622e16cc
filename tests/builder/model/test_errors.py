"""Errors: distinct exit codes, and the three parts of a message."""

from __future__ import annotations

import ast
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.model import errors
from builder.model.errors import NEXT_STEP, InputError, LayersError, read_error
from tests import REPOSITORY

#: The exit codes of the README; 0 is success.
CONTRACT = {
    "LayersError": 1,
    "UsageError": 2,
    "InputError": 3,
    "BuildError": 4,
    "IncompleteError": 5,
    "DriftError": 6,
}
FAMILIES: tuple[type[LayersError], ...] = tuple(getattr(errors, name) for name in CONTRACT)


def test_each_error_class_has_its_own_documented_exit_code() -> None:
    assert {family.__name__: family.exit_code for family in FAMILIES} == CONTRACT
    assert len({family.exit_code for family in FAMILIES}) == len(FAMILIES)


def test_every_error_class_has_one_of_the_exit_codes() -> None:
    for error in _subclasses(LayersError):
        assert error in FAMILIES or error.exit_code in {family.exit_code for family in FAMILIES[1:]}


def _subclasses(base: type[LayersError]) -> Iterator[type[LayersError]]:
    for each in base.__subclasses__():
        yield each
        yield from _subclasses(each)


def test_a_message_has_what_where_and_fix() -> None:
    assert str(InputError("it is broken")) == "it is broken"
    assert str(InputError("it is broken", where="file:3", fix="fix it")) == "file:3: it is broken\n  → fix it"


def test_each_step_of_a_fix_is_a_line_and_no_text_adds_one() -> None:
    error = InputError("it is broken\n::error::x", fix=NEXT_STEP.join(["enable\nit", "run again"]))
    assert error.lines == ("it is broken\\n::error::x", "  → enable\\nit", "  → run again")


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EISDIR, errno.EACCES, errno.ELOOP])
def test_a_file_that_cannot_be_read_names_the_way_out(number: int, tmp_path: Path) -> None:
    error = read_error("the SBOM cannot be read", OSError(number, "reason"), tmp_path)
    assert (error.what, error.where, bool(error.fix)) == ("the SBOM cannot be read: reason", str(tmp_path), True)


#: Errors without a fix: their text, or their details, say what to do, or it comes from click, uv or the parser.
COMPLETE = {
    "builder/model/matrix.py": 1,
    "builder/requirements/declared.py": 1,
    "publisher/cli/__init__.py": 2,
    "publisher/cli/group.py": 1,
    "publisher/cli/options.py": 1,
    "publisher/cli/package.py": 1,
    "publisher/cli/suggestions.py": 2,
}


def test_an_error_says_what_to_do() -> None:
    names = {family.__name__ for family in FAMILIES} | {each.__name__ for each in _subclasses(LayersError)}
    without: dict[str, int] = {}
    for folder in ("builder", "publisher"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
            errors_made = [call for call in calls if ast.unparse(call.func).rpartition(".")[2] in names]
            if count := sum(all(each.arg not in ("fix", None) for each in call.keywords) for call in errors_made):
                without[path.relative_to(REPOSITORY).as_posix()] = count
    assert without == COMPLETE, "each error has a `fix`, unless its text already says what to do"
