"""The plan: the actions that bring each cell to the release, from any state. It is pure and needs no AWS."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from publisher.aws.gateway import Failure, Grant
from publisher.ledger.release import Release, Yanked
from publisher.reconcile.number import Number
from publisher.reconcile.plan import (
    Backfill,
    Conflict,
    Defer,
    GrantOnly,
    Keep,
    Placeholder,
    Plan,
    Publish,
    Regrant,
    make_plan,
)
from publisher.reconcile.state import PLACEHOLDER_DESCRIPTION, Remote, version_in
from tests.publisher.reconcile.plan_cases import PUBLIC, WHEN, digest, held, history, release, remote, small_matrix

MATRIX = small_matrix()
CELLS = MATRIX.cells


def plan(state: Remote, number: int = 2, version: str = "2.0", releases: tuple[Release, ...] = ()) -> Plan:
    return make_plan(MATRIX, version, Number(number, "test"), state, releases)


def at_two(content: str = "right", version: str | None = "2.0", grants: tuple[Grant, ...] = PUBLIC) -> Remote:
    """Return a state whose first cell has a version at number 2 and whose other cells end at 1."""
    states = {cell: history(MATRIX, cell, ["1.0"]) for cell in CELLS}
    cell = CELLS[0]
    states[cell] = replace(
        history(MATRIX, cell, ["1.0", version]), published=held(MATRIX, cell, 2, version, content), grants=grants
    )
    return remote(MATRIX, states)


def test_a_cell_one_below_the_number_is_published_without_backfill() -> None:
    actions = plan(at_two()).actions
    assert actions[CELLS[0]] == Keep()
    assert all(actions[cell] == Publish() for cell in CELLS[1:])


def test_a_private_cell_at_the_release_is_granted() -> None:
    assert plan(at_two(grants=())).actions[CELLS[0]] == GrantOnly()


def test_a_grant_to_another_account_is_not_enough() -> None:
    assert plan(at_two(grants=(Grant("one", "111122223333"),))).actions[CELLS[0]] == GrantOnly()


def test_another_version_at_the_number_is_a_conflict() -> None:
    action = plan(at_two(version="1.5")).actions[CELLS[0]]
    assert isinstance(action, Conflict)
    assert "1.5" in action.reason


def test_other_bytes_than_the_recorded_ones_are_a_conflict() -> None:
    recorded = release(MATRIX, 2, "2.0", CELLS[1:])
    action = plan(at_two(content="wrong"), releases=(recorded,)).actions[CELLS[0]]
    assert isinstance(action, Conflict)
    assert "other bytes" in action.reason


def test_the_bytes_of_most_cells_are_the_releases() -> None:
    states = {}
    first_target = [cell for cell in CELLS if cell.target == CELLS[0].target]
    for cell, content in zip(first_target, ["right", "right", "odd"], strict=True):
        states[cell] = replace(
            history(MATRIX, cell, ["2.0"]), published=held(MATRIX, cell, 1, "2.0", content), grants=PUBLIC
        )
    made = plan(remote(MATRIX, states), number=1)
    assert [made.actions[cell].kind for cell in first_target] == ["keep", "keep", "conflict"]
    assert made.bytes_of[CELLS[0].target.id] == digest("right")


def test_a_deleted_number_is_a_conflict() -> None:
    state = remote(MATRIX, {CELLS[0]: history(MATRIX, CELLS[0], ["2.0", "3.0"])})
    assert isinstance(plan(state, number=1).actions[CELLS[0]], Conflict)


def test_an_unreachable_region_is_deferred_and_the_others_are_published() -> None:
    failure = Failure("timed out")
    actions = plan(remote(MATRIX, {}, {"eu-west-1": failure}), number=1).actions
    for cell in CELLS:
        assert actions[cell] == (Defer(failure) if cell.region == "eu-west-1" else Publish())


def test_missing_numbers_are_backfilled_if_recorded_and_placeholders_otherwise() -> None:
    new = CELLS[0]
    others = tuple(cell for cell in CELLS if cell.region != new.region)
    releases = (
        release(MATRIX, 2, "1.5", others),
        release(MATRIX, 3, "1.6", others, yanked=Yanked(date=WHEN, reason="bad")),
    )
    states = {cell: history(MATRIX, cell, ["1.0", "1.5", "1.6"]) for cell in others}
    action = plan(remote(MATRIX, states), number=4, releases=releases).actions[new]
    sha = digest(f"1.5/{new.target.id}")
    assert action == Publish((Placeholder(1), Backfill(2, "1.5", sha, ("eu-west-1", "ap-south-1")), Placeholder(3)))


def test_a_backfill_without_its_grant_is_granted() -> None:
    cell = CELLS[0]
    releases = (release(MATRIX, 1, "1.0", CELLS[1:]),)
    states = {c: history(MATRIX, c, ["1.0"]) for c in CELLS}
    action = plan(remote(MATRIX, states), releases=releases).actions[cell]
    assert action == Publish((Regrant(1, "1.0", digest(f"1.0/{cell.target.id}")),))
    assert plan(remote(MATRIX, states), releases=releases).actions[CELLS[1]] == Publish()


def test_recorded_but_unpublished_bytes_are_binding_only_if_a_region_is_unreachable() -> None:
    begun = release(MATRIX, 1, "2.0", ())
    assert plan(remote(MATRIX, {}), number=1, releases=(begun,)).bytes_of == {}
    made = plan(remote(MATRIX, {}, {"eu-west-1": Failure("timed out")}), number=1, releases=(begun,))
    assert set(made.bytes_of) == {target.id for target in MATRIX.targets}


def test_a_placeholder_is_not_a_release() -> None:
    assert version_in(MATRIX, CELLS[0].target, f"{PLACEHOLDER_DESCRIPTION}: layer version 1") is None
    for version in ("1.0", "1.0rc1", "2026.11.23.post1", "1!2.0"):
        assert version_in(MATRIX, CELLS[0].target, MATRIX.describe(CELLS[0].target, version)) == version


@given(
    st.lists(st.lists(st.sampled_from(["1.0", "2.0", None]), max_size=5), min_size=6, max_size=6),
    st.integers(1, 8),
)
def test_every_plan_ends_at_the_number_or_in_a_named_conflict(histories: list[list[str | None]], number: int) -> None:
    """From any state, a published cell gets every number in between exactly once."""
    states = {}
    for cell, past in zip(CELLS, histories, strict=True):
        state = history(MATRIX, cell, past)
        if len(past) >= number:
            there = held(MATRIX, cell, number, past[number - 1], f"bytes/{cell.target.id}")
            state = replace(state, published=there)
        states[cell] = state
    made = plan(remote(MATRIX, states), number=number)
    for cell, past in zip(CELLS, histories, strict=True):
        match made.actions[cell]:
            case Publish(first):
                assert [each.number for each in first] == list(range(len(past) + 1, number))
            case GrantOnly():
                assert past[number - 1] == "2.0"
            case Conflict():
                assert past[number - 1] != "2.0"
            case other:
                raise AssertionError(other)
