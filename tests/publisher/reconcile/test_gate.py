"""Which regions have to respond before a release becomes public, with a ledger of one's own and with a shared one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from builder.model.errors import LayersError
from scripts.simaws import At, Fault, Faults, SimulatedAws
from tests.fakes.simulated_runs import MemoryLedger, World, assert_at_release, assert_ledger_true
from tests.publisher.reconcile.plan_cases import small_matrix

REGIONS = ("us-east-1", "eu-west-1", "ap-south-1", "eu-north-1")


def world_with(folder: Path, regions: int, missing: tuple[str, ...]) -> World:
    """A matrix of so many regions, of which these do not respond."""
    matrix = small_matrix(regions=list(REGIONS[:regions]))
    world = World(matrix, SimulatedAws(matrix.account, matrix.regions), folder)
    cut_off(world, *missing)
    return world


def cut_off(world: World, *missing: str) -> None:
    world.aws.set_faults(Faults(tuple(At(Fault.NO_CONNECTION, region=region, times=None) for region in missing)))


def public_regions(world: World) -> set[str]:
    return {cell.region for cell in world.matrix.cells for v in world.history(cell) if world.is_public(cell, v.number)}


@pytest.mark.parametrize(
    ("regions", "missing", "public"),
    [
        (1, (), True),
        (2, ("eu-west-1",), True),
        (2, ("us-east-1",), False),
        (3, ("us-east-1",), True),
        (3, ("us-east-1", "eu-west-1"), False),
        (4, ("ap-south-1", "eu-north-1"), True),
        (4, ("us-east-1", "eu-west-1"), False),
    ],
)
def test_a_majority_of_the_regions_has_to_respond(
    tmp_path: Path, regions: int, missing: tuple[str, ...], public: bool
) -> None:
    world, ledger = world_with(tmp_path, regions, missing), MemoryLedger()
    report = world.publish("1.0.0", ledger)
    assert public_regions(world) == (set(REGIONS[:regions]) - set(missing) if public else set())
    reasons = [outcome.error for outcome in report.outcomes.values() if outcome.name == "private"]
    text = f"only {regions - len(missing)} of {regions} regions respond"
    assert bool(reasons) != public
    assert all(text in str(reason) for reason in reasons)
    cut_off(world)
    assert world.publish("1.0.0", ledger).complete
    assert_at_release(world, "1.0.0", 1)


@pytest.mark.parametrize("missing", [("us-east-1",), ("us-east-1", "ap-south-1", "eu-north-1")])
def test_with_a_shared_ledger_any_region_is_enough(tmp_path: Path, missing: tuple[str, ...]) -> None:
    world, ledger = world_with(tmp_path, 4, missing), MemoryLedger(is_shared=True)
    world.publish("1.0.0", ledger)
    assert public_regions(world) == set(REGIONS) - set(missing)
    cut_off(world)
    assert world.publish("1.0.0", ledger).complete
    assert_at_release(world, "1.0.0", 1)


@pytest.mark.parametrize(("version", "build"), [("2.0.0", "one"), ("1.0.0", "other")])
def test_two_publishers_that_see_different_regions_never_share_a_number(
    tmp_path: Path, version: str, build: str
) -> None:
    """Each reaches one region of two: only the shared ledger tells the second one of the first one's release."""
    world = world_with(tmp_path, 2, ("us-east-1",))
    one = MemoryLedger(is_shared=True)
    two = MemoryLedger(one.records, one.kept, is_shared=True)
    world.publish("1.0.0", one)
    cut_off(world, "eu-west-1")
    with suppress(LayersError):  # the recorded bytes of 1.0.0 are not available, and it is not on an index
        world.publish(version, two, build=build)
    public = {
        (v.description, v.sha256)
        for cell in world.matrix.cells
        if cell.target == world.matrix.targets[0]
        for v in world.history(cell)
        if v.number == 1 and world.is_public(cell, 1)
    }
    assert len(public) == 1
    cut_off(world)
    assert world.publish("1.0.0", one).complete
    assert world.publish(version, two, build=build).complete
    assert_ledger_true(world, one)
