"""Errors: distinct exit codes, and the three parts of a message."""

from __future__ import annotations

from collections.abc import Iterator

from builder.model import errors
from builder.model.errors import NEXT_STEP, InputError, LayersError

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
