"""``--canary-first``: one region, a check of it, then the others; rerun after each result of the check."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

from builder.model.progress import Quiet
from builder.model.stop import Stop
from publisher.audit.yank import Permissions
from publisher.aws.gateway import Failure
from publisher.reconcile.execute import CanaryRegion
from publisher.reconcile.job import Outcome
from scripts.simaws import At, Fault, Faults
from tests.fakes.simulated_runs import MemoryLedger, World, assert_at_release, assert_nothing_wrong, assert_recorded
from tests.publisher.reconcile.plan_cases import small_matrix

MATRIX = small_matrix()
REGION = "eu-west-1"
WRITES = {"PublishLayerVersion", "AddLayerVersionPermission"}


class Check:
    """A check with this result that keeps its arguments."""

    def __init__(self, world: World, reason: str | None = None) -> None:
        self.reason = reason
        self.asked: list[Sequence[Outcome]] = []
        self.before: list[set[str]] = []
        self._world = world

    def __call__(self, outcomes: Sequence[Outcome]) -> Failure | None:
        self.asked.append(outcomes)
        self.before.append(written(self._world))
        return Failure(self.reason) if self.reason else None


def written(world: World) -> set[str]:
    """Return the regions with write requests."""
    return {call.region for call in world.aws.log if call.operation in WRITES}


def test_the_other_regions_follow_after_the_check(world: World) -> None:
    ledger, check = MemoryLedger(), Check(world)
    report = world.publish("1.0.0", ledger, canary=CanaryRegion(REGION, check))
    assert (report.complete, report.waited) == (True, None)
    assert list(report.outcomes) == list(MATRIX.cells)
    assert check.before == [{REGION}]
    assert [(each.cell.region, each.name) for each in check.asked[0]] == [(REGION, "private")] * 2
    assert all(each.published is not None for each in check.asked[0])
    assert_at_release(world, "1.0.0", 1)
    assert_recorded(world, ledger, "1.0.0", 1)


def test_the_other_regions_are_deferred_after_a_failed_check_and_the_next_run_checks_again(world: World) -> None:
    ledger, check = MemoryLedger(), Check(world, "not proven")
    report = world.publish("1.0.0", ledger, canary=CanaryRegion(REGION, check))
    assert (report.complete, report.waited) == (False, "not proven")
    assert written(world) == {REGION}
    names = {(cell.region, each.name, each.error) for cell, each in report.outcomes.items()}
    assert names == {
        (REGION, "private", "not public yet: not proven"),
        ("us-east-1", "deferred", "not proven"),
        ("ap-south-1", "deferred", "not proven"),
    }
    assert ledger.records[1].completed is None

    check.reason = None
    report = world.publish("1.0.0", ledger, canary=CanaryRegion(REGION, check))
    assert report.complete
    assert [each.name for each in check.asked[1]] == ["private"] * 2
    assert_at_release(world, "1.0.0", 1)
    assert_nothing_wrong(world, ledger)


def test_a_first_region_that_is_not_complete_is_not_checked(world: World) -> None:
    world.aws.set_faults(Faults((At(Fault.NO_CONNECTION, region=REGION, times=None),)))
    check = Check(world)
    report = world.publish("1.0.0", MemoryLedger(), canary=CanaryRegion(REGION, check))
    assert (report.complete, check.asked, written(world)) == (False, [], set())
    assert {each.name for each in report.outcomes.values()} == {"deferred"}
    assert str(report.waited).startswith(
        f"{REGION} is published first and is not complete: {REGION}/py3.12-x86_64 is deferred"
    )


def test_published_cells_are_unchanged_if_the_check_fails(world: World) -> None:
    ledger, check = MemoryLedger(), Check(world, "not proven")
    world.publish("1.0.0", ledger)
    report = world.publish("1.0.0", ledger, canary=CanaryRegion(REGION, check))
    assert {each.name for each in report.outcomes.values()} == {"unchanged"}
    assert (report.complete, report.waited) == (False, "not proven")


def test_an_interruption_during_the_check_stops_the_other_regions(world: World) -> None:
    stop = Stop()

    def check(_: Sequence[Outcome]) -> Failure | None:
        stop("interrupted by SIGINT")
        return Failure("not proven: interrupted by SIGINT")

    report = world.publish("1.0.0", MemoryLedger(), stop=stop, canary=CanaryRegion(REGION, check))
    assert report.stopped == "interrupted by SIGINT"
    assert written(world) == {REGION}
    assert {each.name for cell, each in report.outcomes.items() if cell.region != REGION} == {"interrupted"}


def test_undoing_a_yank_does_not_make_public_what_failed_its_check(world: World) -> None:
    ledger = MemoryLedger()
    world.publish("1.0.0", ledger, canary=CanaryRegion(REGION, Check(world, "not proven")))
    permissions = Permissions(MATRIX, ledger, world.lambdas(), world.aws.clock, Quiet())
    permissions.yank(ledger.records[1], "its canary failed", datetime(2026, 11, 27, tzinfo=timezone.utc))
    permissions.restore(ledger.records[1])
    assert ledger.records[1].yanked is None
    assert not any(world.is_public(cell, 1) for cell in MATRIX.cells if cell.region == REGION)
    assert world.publish("1.0.0", ledger, canary=CanaryRegion(REGION, Check(world))).complete
    assert_at_release(world, "1.0.0", 1)
