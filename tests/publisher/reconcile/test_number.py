"""The number of a release: from the command line, the ledger, the versions in AWS, or the next one anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.model.errors import InputError
from builder.model.runtimes import Architecture
from publisher.ledger.release import LowerVersionRecord, Yanked
from publisher.reconcile.number import RequestedRelease, next_number, recorded_number, seen_number
from tests.publisher.reconcile.plan_cases import WHEN, history, release, remote, small_matrix

MATRIX = small_matrix()
CELLS = MATRIX.cells


def test_the_first_release_is_number_one() -> None:
    assert next_number(remote(MATRIX, {}), ()).value == 1


def test_the_next_number_is_one_more_than_the_highest_anywhere() -> None:
    drifted = {CELLS[0]: history(MATRIX, CELLS[0], ["1.0"] * 7), CELLS[4]: history(MATRIX, CELLS[4], ["1.0"])}
    assert next_number(remote(MATRIX, drifted), ()).value == 8


def test_the_next_number_counts_versions_that_only_the_ledger_has() -> None:
    """A region may be unreachable, or all versions of a layer deleted: AWS keeps counting."""
    lower = LowerVersionRecord(
        region="us-east-1",
        python="3.12",
        architecture=Architecture.X86_64,
        layer_version=9,
        kind="placeholder",
        arn="arn",
    )
    assert next_number(remote(MATRIX, {}), (release(MATRIX, 3, "1.0", CELLS),)).value == 4
    assert next_number(remote(MATRIX, {}), (release(MATRIX, 3, "1.0", CELLS, lower_versions=(lower,)),)).value == 10


def test_a_recorded_release_keeps_its_number() -> None:
    releases = (release(MATRIX, 1, "1.0", CELLS), release(MATRIX, 2, "2.0", CELLS))
    found = recorded_number(RequestedRelease("1.0"), releases)
    assert found is not None
    assert found.value == 1
    assert recorded_number(RequestedRelease("3.0"), releases) is None


def test_a_rebuild_is_found_at_its_own_number() -> None:
    releases = (
        release(MATRIX, 1, "1.0", CELLS),
        release(MATRIX, 2, "1.0", CELLS, rebuild="CVE"),
    )
    newest = recorded_number(RequestedRelease("1.0"), releases)
    begun = recorded_number(RequestedRelease("1.0", rebuild="CVE"), releases)
    assert newest is not None
    assert begun is not None
    assert (newest.value, begun.value) == (2, 2)
    done = (*releases[:1], releases[1].model_copy(update={"completed": WHEN}))
    assert recorded_number(RequestedRelease("1.0", rebuild="another"), done) is None


def test_a_yanked_release_is_not_published_again() -> None:
    releases = (release(MATRIX, 1, "1.0", CELLS, yanked=Yanked(date=WHEN, reason="broken import")),)
    with pytest.raises(InputError, match="broken import"):
        recorded_number(RequestedRelease("1.0"), releases)
    with pytest.raises(InputError, match="broken import"):
        recorded_number(RequestedRelease("1.0", layer_version=1), releases)


def test_a_number_of_another_release_is_refused() -> None:
    with pytest.raises(InputError, match=r"layer version 1 is demo 1\.0, not 2\.0"):
        recorded_number(RequestedRelease("2.0", layer_version=1), (release(MATRIX, 1, "1.0", CELLS),))


def test_an_unrecorded_release_is_found_in_aws() -> None:
    begun = {CELLS[0]: history(MATRIX, CELLS[0], ["1.0", "2.0"]), CELLS[1]: history(MATRIX, CELLS[1], ["1.0"])}
    found = seen_number(MATRIX, RequestedRelease("2.0"), remote(MATRIX, begun), ())
    assert found is not None
    assert found.value == 2
    assert seen_number(MATRIX, RequestedRelease("3.0"), remote(MATRIX, begun), ()) is None


def test_the_number_without_a_conflict_is_chosen() -> None:
    """One cell has 2.0 only at 3, another at 2: both can reach number 3, but not number 2."""
    states = {
        CELLS[0]: history(MATRIX, CELLS[0], ["1.0", "1.0", "2.0"]),
        CELLS[1]: history(MATRIX, CELLS[1], ["1.0", "2.0"]),
    }
    found = seen_number(MATRIX, RequestedRelease("2.0"), remote(MATRIX, states), ())
    assert found is not None
    assert found.value == 3


def test_a_repeated_job_does_not_move_the_release() -> None:
    """A cell where a retry published 2.0 twice also has it at the common number."""
    states = {cell: history(MATRIX, cell, ["1.0", "2.0"]) for cell in CELLS}
    states[CELLS[2]] = history(MATRIX, CELLS[2], ["1.0", "2.0", "2.0"])
    found = seen_number(MATRIX, RequestedRelease("2.0"), remote(MATRIX, states), ())
    assert found is not None
    assert found.value == 2


@given(st.lists(st.lists(st.sampled_from(["1.0", "2.0", None]), max_size=5), min_size=6, max_size=6))
def test_the_next_number_is_free_in_every_cell(histories: list[list[str | None]]) -> None:
    state = remote(MATRIX, {cell: history(MATRIX, cell, past) for cell, past in zip(CELLS, histories, strict=True)})
    number = next_number(state, ()).value
    assert all(cell.latest < number for cell in state.cells.values())
    assert number == 1 + max(len(past) for past in histories)


def test_a_number_that_the_ledger_has_as_another_release_is_lost() -> None:
    """2.0 lost number 1 to 1.0 after it had published one cell there. Contradicting records are not ignored."""
    states = {CELLS[0]: history(MATRIX, CELLS[0], ["2.0"]), CELLS[1]: history(MATRIX, CELLS[1], ["1.0"])}
    won = release(MATRIX, 1, "1.0", CELLS[1:2])
    assert seen_number(MATRIX, RequestedRelease("2.0"), remote(MATRIX, states), (won,)) is None
    wrong = release(MATRIX, 1, "1.0", CELLS[:2])
    assert seen_number(MATRIX, RequestedRelease("2.0"), remote(MATRIX, states), (wrong,)) is not None
