"""Complete publishes: first, repeated, from drifted states, with another publisher; real threads, virtual time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.model.errors import InputError
from builder.model.matrix import Cell
from builder.model.stop import Stop
from publisher.ledger.release import Release
from publisher.reconcile import yank_check
from scripts.simaws import At, Fault, Faults, SimulatedAws
from tests.fakes.simulated_runs import (
    Doom,
    MemoryLedger,
    World,
    assert_at_release,
    assert_ledger_true,
    assert_nothing_wrong,
    assert_recorded,
    make_zip,
)
from tests.publisher.reconcile.plan_cases import small_matrix

MATRIX = small_matrix()
CELLS = MATRIX.cells


def assert_done(world: World, ledger: MemoryLedger, version: str, number: int) -> None:
    assert_at_release(world, version, number)
    assert_nothing_wrong(world, ledger)
    assert_recorded(world, ledger, version, number)


def test_the_first_release_is_number_1_in_every_cell(world: World) -> None:
    ledger = MemoryLedger()
    report = world.publish("1.0.0", ledger)
    assert report.complete
    assert {outcome.name for outcome in report.outcomes.values()} == {"published"}
    assert_done(world, ledger, "1.0.0", 1)


def test_a_release_and_a_run_without_work_need_few_requests(world: World) -> None:
    ledger = MemoryLedger()
    world.publish("1.0.0", ledger)
    assert len(world.aws.log) <= 3.5 * len(CELLS) + 2 * len(MATRIX.regions)
    before = len(world.aws.log)
    world.publish("1.0.0", ledger)
    assert len(world.aws.log) - before <= 2 * len(CELLS) + 2 * len(MATRIX.regions)


def test_the_last_check_for_a_yank_reads_all_regions_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(len(MATRIX.regions))

    def read(*_: object) -> float:
        together.wait(timeout=10)  # raises BrokenBarrierError if a region waits for another one
        return 0.0

    monkeypatch.setattr(yank_check, "seconds_until_granted", read)
    assert world.publish("1.0.0", MemoryLedger()).complete


@pytest.mark.parametrize("build", ["one", "other"])
@pytest.mark.parametrize("same_ledger", [True, False])
def test_publishing_again_changes_nothing(world: World, same_ledger: bool, build: str) -> None:
    ledger = MemoryLedger()
    world.publish("1.0.0", ledger)
    acts = world.aws.counts()["PublishLayerVersion"], world.aws.counts()["AddLayerVersionPermission"]
    second = ledger if same_ledger else MemoryLedger()
    report = world.publish("1.0.0", second, build=build)
    assert {outcome.name for outcome in report.outcomes.values()} == {"unchanged"}
    assert (world.aws.counts()["PublishLayerVersion"], world.aws.counts()["AddLayerVersionPermission"]) == acts
    assert_done(world, second, "1.0.0", 1)


def test_the_next_version_gets_the_next_number(world: World) -> None:
    ledger = MemoryLedger()
    world.publish("1.0.0", ledger)
    world.publish("1.1.0", ledger)
    assert_done(world, ledger, "1.0.0", 1)
    assert_done(world, ledger, "1.1.0", 2)


def test_cells_at_different_numbers_reach_one_number(world: World) -> None:
    for index, cell in enumerate(CELLS):
        for _ in range(index):
            world.foreign(cell)
    ledger = MemoryLedger()
    report = world.publish("1.0.0", ledger)
    assert report.complete
    assert_done(world, ledger, "1.0.0", 6)
    assert sum(len(world.history(cell)) for cell in CELLS) == 6 * len(CELLS)


def test_a_new_region_gets_backfills_and_placeholders(tmp_path: Path) -> None:
    """Recorded numbers are backfilled with their own bytes, the others are private placeholders."""
    two = small_matrix(regions=["us-east-1", "eu-west-1"])
    aws = SimulatedAws(MATRIX.account, MATRIX.regions)
    old, new, ledger = World(two, aws, tmp_path), World(MATRIX, aws, tmp_path), MemoryLedger()
    for cell in two.cells:
        old.foreign(cell)  # number 1 is of no release
    old.publish("1.0.0", ledger)
    report = new.publish("1.1.0", ledger)
    assert report.complete
    assert_done(new, ledger, "1.1.0", 3)
    assert_at_release(new, "1.0.0", 2)
    for cell in MATRIX.cells:
        if cell.region == "ap-south-1":
            assert new.history(cell)[0].description.startswith("Reserved number")
            assert not new.is_public(cell, 1)


def test_missing_grants_are_completed(world: World) -> None:
    ledger = MemoryLedger()
    world.aws.set_faults(Faults((At(Fault.ERROR_BEFORE, operation="AddLayerVersionPermission", times=None),)))
    report = world.publish("1.0.0", ledger)
    assert not report.complete
    assert {outcome.name for outcome in report.outcomes.values()} == {"deferred"}
    world.aws.set_faults(Faults())
    report = world.publish("1.0.0", MemoryLedger())
    assert {outcome.name for outcome in report.outcomes.values()} <= {"granted", "published"}
    assert_at_release(world, "1.0.0", 1)


def test_published_bytes_win_over_another_build(world: World) -> None:
    world.aws.set_faults(Faults((At(Fault.NO_CONNECTION, region="eu-west-1", times=None),)))
    report = world.publish("1.0.0", MemoryLedger(), build="one")
    assert {o.cell.region for o in report.outcomes.values() if not o.done} == {"eu-west-1"}
    world.aws.set_faults(Faults())
    ledger = MemoryLedger()
    assert world.publish("1.0.0", ledger, build="other").complete
    assert_done(world, ledger, "1.0.0", 1)


def test_a_region_that_fails_during_the_run_is_deferred_and_the_others_continue(world: World) -> None:
    ledger = MemoryLedger()
    world.aws.set_faults(Faults((At(Fault.NO_CONNECTION, nth=4, region="eu-west-1", times=None),)))
    report = world.publish("1.0.0", ledger)
    assert {o.cell.region: o.name for o in report.outcomes.values() if not o.done} == {"eu-west-1": "deferred"}
    assert all(o.done for o in report.outcomes.values() if o.cell.region != "eu-west-1")
    assert_nothing_wrong(world, ledger)
    world.aws.set_faults(Faults())
    assert world.publish("1.0.0", ledger).complete
    assert_done(world, ledger, "1.0.0", 1)


def test_expired_credentials_stop_the_run_and_it_is_resumed(world: World) -> None:
    ledger = MemoryLedger()
    world.aws.set_faults(Faults((At(Fault.EXPIRED, nth=12, times=None),)))
    report = world.publish("1.0.0", ledger)
    assert not report.complete
    assert "credentials" in str(report.stopped)
    assert_nothing_wrong(world, ledger)
    world.aws.set_faults(Faults())
    assert world.publish("1.0.0", ledger).complete
    assert_done(world, ledger, "1.0.0", 1)


@pytest.mark.parametrize(
    "fault", [Fault.ERROR_AFTER, Fault.RESET_AFTER, Fault.SILENCE_AFTER, Fault.GARBAGE, Fault.ERROR_BEFORE,
              Fault.RESET_BEFORE, Fault.SILENCE_BEFORE, Fault.THROTTLE, Fault.NO_CONNECTION],
)  # fmt: skip
@pytest.mark.parametrize("operation", ["PublishLayerVersion", "AddLayerVersionPermission", "GetLayerVersionPolicy"])
def test_a_lost_response_in_every_region_changes_nothing(world: World, fault: Fault, operation: str) -> None:
    ledger = MemoryLedger()
    scripted = tuple(At(fault, region=region, operation=operation) for region in MATRIX.regions)
    world.aws.set_faults(Faults(scripted))
    assert world.publish("1.0.0", ledger).complete
    assert_done(world, ledger, "1.0.0", 1)


def test_an_occupied_number_is_a_conflict_and_nothing_is_overwritten(world: World) -> None:
    world.foreign(CELLS[0])
    ledger = MemoryLedger()
    report = world.publish("1.0.0", ledger, layer_version=1)
    assert report.outcomes[CELLS[0]].name == "conflict"
    assert {outcome.name for cell, outcome in report.outcomes.items() if cell != CELLS[0]} == {"deferred"}
    assert [v.description for v in world.history(CELLS[0])] == ["something else"]
    assert not any(world.history(cell) for cell in CELLS[1:]), "a number is public as one release or not at all"
    assert_nothing_wrong(world, ledger)


def test_the_release_with_another_runtime_is_never_made_public(world: World) -> None:
    """Somebody published the right bytes with the right description by hand."""
    cell, ledger = CELLS[0], MemoryLedger()
    zip_ = world.aws.contents.add(make_zip(f"1.0.0 {cell.target.id} one"))
    region, description = world.aws.regions[cell.region], MATRIX.describe(cell.target, "1.0.0")
    region.publish(cell.target.layer_name, zip_, description, "", ["python3.9"], [])
    report = world.publish("1.0.0", ledger)
    assert (report.complete, "CompatibleRuntimes are python3.9" in report.plan.number.reason) == (True, True)
    assert_recorded(world, ledger, "1.0.0", 2)
    assert not world.is_public(cell, 1)


def test_a_rebuild_has_its_own_number(world: World) -> None:
    ledger = MemoryLedger()
    world.publish("1.0.0", ledger)
    report = world.publish("1.0.0", ledger, build="other", rebuild="a fix")
    assert report.complete
    assert report.plan.number.value == 2
    for cell in CELLS:
        first, second = world.history(cell)
        assert first.description == second.description
        assert first.sha256 != second.sha256
        assert world.is_public(cell, 2)
    again = world.publish("1.0.0", ledger)
    assert again.plan.number.value == 2
    assert {outcome.name for outcome in again.outcomes.values()} == {"unchanged"}


def test_selected_cells_are_published_first_and_the_rest_later(world: World) -> None:
    ledger = MemoryLedger()
    some = tuple(cell for cell in CELLS if cell.region == "us-east-1")
    assert world.publish("1.0.0", ledger, cells=some).complete
    assert ledger.records[1].completed is None
    assert {call.region for call in world.aws.log if call.operation == "PublishLayerVersion"} == {"us-east-1"}
    assert world.publish("1.0.0", ledger).complete
    assert_done(world, ledger, "1.0.0", 1)


class Rival(Doom):
    """Another publisher that takes a number after the plan and before the publish."""

    def __init__(self, world: World, cell: Cell) -> None:
        super().__init__()
        self.world, self.cell, self.acted = world, cell, False

    def __call__(self, what: str = "") -> None:
        if what == "PublishLayerVersion" and not self.acted:
            self.acted = True
            self.world.foreign(self.cell, "a rival's")


def test_an_unexpected_number_reveals_another_publisher_and_stops_the_run(world: World) -> None:
    ledger = MemoryLedger()
    report = world.publish("1.0.0", ledger, doom=Rival(world, CELLS[0]))
    assert report.outcomes[CELLS[0]].name == "conflict"
    assert "another process is publishing this layer" in str(report.stopped)
    assert [v.description[:4] for v in world.history(CELLS[0])] == ["a ri", "PyPI"]
    assert not world.is_public(CELLS[0], 2)
    assert [(s.region, s.layer_version) for s in ledger.records[1].unexpected_versions] == [(CELLS[0].region, 2)]
    assert_ledger_true(world, ledger)
    report = world.publish("1.1.0", ledger)
    assert report.plan.number.value == 3
    assert report.complete
    assert_at_release(world, "1.1.0", 3)


def test_a_layer_whose_versions_were_deleted_keeps_counting(world: World) -> None:
    """No list shows the layer, but the ledger has its number."""
    ledger = MemoryLedger()
    world.publish("1.0.0", ledger)
    world.aws.regions[CELLS[0].region].delete(CELLS[0].target.layer_name, 1)
    report = world.publish("1.0.0", ledger)
    assert {cell: outcome.name for cell, outcome in report.outcomes.items() if not outcome.done} == {
        CELLS[0]: "conflict"
    }
    assert world.history(CELLS[0]) == []
    report = world.publish("1.1.0", ledger)
    assert report.complete
    assert_at_release(world, "1.1.0", 2)
    assert [v.number for v in world.history(CELLS[0])] == [2]


def test_after_unrecorded_deleted_versions_the_next_release_is_complete(world: World) -> None:
    """Only a publish shows the number that such a layer has reached; the next release has every cell again."""
    for cell in CELLS:
        for _ in range(3):
            world.foreign(cell)
    for number in (1, 2, 3):
        world.aws.regions[CELLS[0].region].delete(CELLS[0].target.layer_name, number)
    ledger = MemoryLedger()
    world.publish("1.0.0", ledger)
    world.publish("1.0.0", ledger)
    report = world.publish("1.1.0", ledger)
    assert report.complete
    assert_at_release(world, "1.1.0", report.plan.number.value)


def test_a_ledger_of_another_release_at_this_number_is_refused(world: World) -> None:
    theirs, ours = MemoryLedger(), MemoryLedger()
    world.publish("1.0.0", theirs)
    other = World(MATRIX, SimulatedAws(MATRIX.account, MATRIX.regions), world.folder)
    other.publish("2.0.0", ours)
    with pytest.raises(InputError, match=r"layer version 1 is 2\.0\.0 in the ledger, but AWS holds 1\.0\.0"):
        world.publish("1.0.0", ours)


def test_a_full_disk_under_the_ledger_stops_the_run(world: World) -> None:
    class Full(MemoryLedger):
        def update(self, number: int, change: Callable[[Release | None], Release]) -> Release:
            if sum(len(release.cells) for release in self.records.values()) >= 2:
                raise InputError("the ledger cannot be written: No space left on device")
            return super().update(number, change)

    ledger = Full()
    report = world.publish("1.0.0", ledger)
    assert not report.complete
    assert "No space left" in str(report.stopped)
    assert_ledger_true(world, ledger)
    whole = MemoryLedger(ledger.records)
    assert world.publish("1.0.0", whole).complete
    assert_done(world, whole, "1.0.0", 1)


@pytest.mark.parametrize("fault", [Fault.NO_CONNECTION, Fault.EXPIRED])
def test_a_grant_that_aws_accepted_is_recorded_even_if_the_policy_cannot_be_read(world: World, fault: Fault) -> None:
    world.aws.set_faults(Faults((At(fault, operation="GetLayerVersionPolicy", times=None),)))
    ledger = MemoryLedger()
    assert not world.publish("1.0.0", ledger).complete
    records = {record.key: record.public for record in ledger.records[1].cells}
    assert any(records.values())
    assert records == {(cell.region, cell.target.id): world.is_public(cell, 1) for cell in CELLS}
    world.aws.set_faults(Faults())
    assert world.publish("1.0.0", ledger).complete
    assert_done(world, ledger, "1.0.0", 1)


def test_ctrl_c_finishes_requests_in_flight(tmp_path: Path) -> None:
    matrix = small_matrix(python=["3.10", "3.11", "3.12", "3.13"], architectures=["x86_64", "aarch64"])
    world = World(matrix, SimulatedAws(matrix.account, matrix.regions), tmp_path)
    stop = Stop()

    class Interrupt(Doom):
        def __call__(self, what: str = "") -> None:
            self.moments += 1
            if self.moments >= 40:
                stop("interrupted by SIGINT")

    ledger = MemoryLedger()
    report = world.publish("1.0.0", ledger, doom=Interrupt(), stop=stop)
    assert report.stopped == "interrupted by SIGINT"
    assert {outcome.name for outcome in report.outcomes.values()} == {"private", "interrupted"}
    for cell, outcome in report.outcomes.items():
        assert len(world.history(cell)) == (outcome.name == "private")
        assert not any(world.is_public(cell, version.number) for version in world.history(cell))
    assert_nothing_wrong(world, ledger)
    assert world.publish("1.0.0", ledger).complete
    assert_done(world, ledger, "1.0.0", 1)
