"""The notes of a GitHub release."""

from __future__ import annotations

from publisher.ledger.release import Release
from publisher.report.release_notes import MAX_NOTES_CHARACTERS, release_notes
from tests.publisher.reconcile.plan_cases import WHEN, release, small_matrix

MATRIX = small_matrix()


def recorded(number: int, version: str, **more: object) -> Release:
    return release(MATRIX, number, version, MATRIX.cells, **{"completed": WHEN, **more})


def test_the_notes_have_every_public_arn_and_no_private_one() -> None:
    made = recorded(2, "2.0")
    private, *public = made.cells
    made = made.model_copy(update={"cells": (private.model_copy(update={"public": False}), *public)})
    notes = release_notes(made, None)
    assert all(f"`{cell.arn}`" in notes for cell in public)
    assert f"`{private.arn}`" not in notes


def test_the_notes_of_an_incomplete_release_say_so() -> None:
    assert "Incomplete" in release_notes(recorded(1, "1.0", completed=None), None)
    assert "Incomplete" not in release_notes(recorded(1, "1.0"), None)


def test_notes_stay_within_githubs_limit_and_end_with_a_complete_line() -> None:
    made = recorded(2, "2.0")
    many = made.model_copy(update={"cells": made.cells * 1000})
    notes = release_notes(many, None)
    assert len(notes) <= MAX_NOTES_CHARACTERS
    assert notes.endswith("limit.\n")
    row = next(line for line in reversed(notes.splitlines()) if line.startswith("|"))
    assert row.endswith("|")
