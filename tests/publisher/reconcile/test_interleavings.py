"""Different commands at the same time, from different machines, without a lock: a number is one release."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import Phase, example, given, note, settings
from hypothesis import strategies as st

from builder.model.errors import LayersError
from publisher.parameters.expected import expected_parameters, to_remove, to_write
from publisher.reconcile.job import Outcome
from publisher.reconcile.release_run import PublishReport
from publisher.reconcile.state import PLACEHOLDER_DESCRIPTION
from scripts.simaws import At, Fault, Faults, SimulatedAws
from tests.conftest import THOROUGH
from tests.fakes.interleaving import Command, interleave
from tests.fakes.simulated_runs import (
    Doom,
    Killed,
    MemoryLedger,
    World,
    assert_at_release,
    assert_ledger_true,
    assert_nothing_wrong,
)
from tests.publisher.reconcile.concurrent_commands import (
    Steps,
    Store,
    machines,
    one_after_the_other,
    publishing,
    repairing,
    syncing,
    yanking,
)
from tests.publisher.reconcile.plan_cases import small_matrix

MATRIX = small_matrix()
#: In ``--thorough``, some minutes for each property: an example takes a tenth of a second or more.
EXAMPLES = 1_500 if THOROUGH else 8
PHASES = [phase for phase in Phase if phase is not Phase.shrink or os.environ.get("LAYERS_SHRINK")]
BURSTS = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 40)), max_size=30)
pytestmark = pytest.mark.usefixtures("one_thread")


def public_versions(world: World) -> dict[int, set[tuple[str, str]]]:
    """Return the public versions at each number: target and bytes, with the version from the description."""
    found: dict[int, set[tuple[str, str]]] = {}
    for cell in world.matrix.cells:
        for version in world.history(cell):
            if world.is_public(cell, version.number):
                assert not version.description.startswith(PLACEHOLDER_DESCRIPTION)
                name = version.description.replace(cell.target.python, "")
                found.setdefault(version.number, set()).add((name, f"{cell.target.id} {version.sha256}"))
    return found


def assert_numbers_are_one_release(world: World) -> None:
    for number, versions in public_versions(world).items():
        bytes_of = {pair[1] for pair in versions}
        assert len({pair.split()[0] for pair in bytes_of}) == len(bytes_of), f"{number} has two zips of one target"
        holders = {
            (cell.id, version.number): version.description
            for cell in world.matrix.cells
            for version in world.history(cell)
            if version.number == number and world.is_public(cell, number)
        }
        releases = {text.split(" ")[1] if " " in text else text for text in holders.values()}
        assert len(releases) == 1, holders


def completed(world: World, version: str, ledger: MemoryLedger, build: str = "one") -> PublishReport:
    """Run again until the release is complete, at most three times."""
    for _ in range(3):
        report = world.publish(version, ledger, build=build, doom=Doom())
        assert_numbers_are_one_release(world)
        if report.complete:
            return report
        left: list[Outcome] = [outcome for outcome in report.outcomes.values() if not outcome.done]
        note(f"{version} at {report.plan.number}: {[(o.cell.id, o.name, o.error) for o in left]}")
    raise AssertionError(f"{version} is not complete after three runs")


@settings(max_examples=EXAMPLES, deadline=None, phases=PHASES)
@given(
    shared=st.booleans(),
    same=st.booleans(),
    bursts=BURSTS,
    dies=st.one_of(st.none(), st.integers(1, 80)),
    lag=st.sampled_from([0.0, 20.0]),
    lost=st.lists(st.builds(At, st.sampled_from([Fault.RESET_AFTER, Fault.ERROR_BEFORE]), st.integers(1, 8),
        st.sampled_from(MATRIX.regions), st.just("PublishLayerVersion")), max_size=2),
)  # fmt: skip
def test_two_publishers_of_different_versions_get_different_numbers(
    shared: bool, same: bool, bursts: list[tuple[int, int]], dies: int | None, lag: float, lost: list[At]
) -> None:
    versions = ("1.0.0", "1.0.0" if same else "2.0.0")
    with tempfile.TemporaryDirectory() as folder:
        aws = SimulatedAws(MATRIX.account, MATRIX.regions, policy_lag=lag, faults=Faults(tuple(lost)))
        world, ledgers = World(MATRIX, aws, Path(folder)), machines(shared)
        commands = [
            publishing(world, versions[0], ledgers[0], "a", dies),
            publishing(world, versions[1], ledgers[1], "b"),
        ]
        ends = interleave(commands, [(index % 2, steps) for index, steps in bursts])
        note(str(ends))
        assert_numbers_are_one_release(world)
        aws.set_faults(Faults())
        for version, ledger, build in zip(versions, ledgers, "ab", strict=True):
            completed(world, version, ledger, build)
        for ledger in ledgers:
            assert_ledger_true(world, ledger)


@settings(max_examples=EXAMPLES, deadline=None, phases=PHASES)
@given(
    shared=st.booleans(),
    bursts=BURSTS,
    lag=st.sampled_from([0.0, 20.0]),
    regions=st.sampled_from([(MATRIX.regions[:1], MATRIX.regions[1:2]), (MATRIX.regions[:1], MATRIX.regions[1:]),
        (MATRIX.regions[:2], MATRIX.regions[2:])]),
)  # fmt: skip
def test_two_publishers_of_different_regions_get_different_numbers_and_both_complete(
    shared: bool, bursts: list[tuple[int, int]], lag: float, regions: tuple[list[str], list[str]]
) -> None:
    """No cell is published by both (``--region``), so each finds the other one only by reading, which may lag."""
    with tempfile.TemporaryDirectory() as folder:
        aws = SimulatedAws(MATRIX.account, MATRIX.regions, read_lag=lag, list_lag=lag)
        world, ledgers = World(MATRIX, aws, Path(folder)), machines(shared)

        def command(version: str, ledger: MemoryLedger, selected: list[str]) -> Command:
            cells = [cell for cell in MATRIX.cells if cell.region in selected]
            return lambda pause: world.publish(version, ledger, cells=cells, doom=Steps(pause))

        commands = [
            command("1.0.0", ledgers[0], regions[0]),
            command("2.0.0", ledgers[1], regions[1]),
        ]
        note(str(interleave(commands, [(index % 2, steps) for index, steps in bursts])))
        aws.clock.sleep(60)
        assert_numbers_are_one_release(world)
        for version, ledger in zip(("1.0.0", "2.0.0"), ledgers, strict=True):
            completed(world, version, ledger)  # at another number, if the other one has used its number up elsewhere
        completed(world, "3.0.0", ledgers[0])
        for ledger in ledgers:
            assert_ledger_true(world, ledger)


def test_publishers_with_separate_ledgers_complete_each_others_numbers_with_private_copies(tmp_path: Path) -> None:
    """Each publishes one region, and later all. A placeholder at the other one's number would end its release."""
    world, ledgers = World(MATRIX, SimulatedAws(MATRIX.account, MATRIX.regions), tmp_path), machines(shared=False)
    versions = ("1.0.0", "2.0.0")
    for version, ledger, region in zip(versions, ledgers, MATRIX.regions, strict=False):
        cells = [cell for cell in MATRIX.cells if cell.region == region]
        assert world.publish(version, ledger, cells=cells).complete
    copied = [cell for cell in MATRIX.cells if cell.region == MATRIX.regions[1]]
    assert [world.history(cell)[0].description for cell in copied] == [
        MATRIX.describe(cell.target, "1.0.0") for cell in copied
    ]
    assert not any(world.is_public(cell, 1) for cell in copied)
    for number, (version, ledger) in enumerate(zip(versions, ledgers, strict=True), 1):
        assert completed(world, version, ledger).plan.number.value == number
        assert_at_release(world, version, number)
        assert_nothing_wrong(world, ledger)


@settings(max_examples=EXAMPLES, deadline=None, phases=PHASES)
@given(shared=st.booleans(), bursts=BURSTS, lag=st.sampled_from([0.0, 20.0]))
def test_a_yank_holds_against_publish_and_sync(shared: bool, bursts: list[tuple[int, int]], lag: float) -> None:
    """A release that misses a region is completed, synced and yanked at the same time: it ends private everywhere."""
    with tempfile.TemporaryDirectory() as folder:
        aws = SimulatedAws(MATRIX.account, MATRIX.regions, policy_lag=lag)
        world, ledgers = World(MATRIX, aws, Path(folder)), machines(shared)
        aws.set_faults(Faults((At(Fault.NO_CONNECTION, region="ap-south-1", times=None),)))
        world.publish("1.0.0", ledgers[0])
        aws.set_faults(Faults())
        ledgers[1].records.update(ledgers[0].records)
        aws.clock.sleep(60)
        ends = interleave(
            [
                yanking(world, 1, ledgers[0]),
                publishing(world, "1.0.0", ledgers[1]),
                syncing(world, MemoryLedger(ledgers[0].records, ledgers[0].kept)),
            ],
            bursts,
        )
        note(str(ends))
        assert not [end for end in ends if isinstance(end, BaseException) and not isinstance(end, LayersError)]
        assert ledgers[0].records[1].yanked is not None
        aws.clock.sleep(60)
        assert not public_versions(world)
        if shared:
            assert_ledger_true(world, ledgers[0])


@settings(max_examples=EXAMPLES, deadline=None, phases=PHASES)
@given(
    shared=st.booleans(),
    bursts=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40)), max_size=30),
    dies=st.one_of(st.none(), st.integers(1, 120)),
    lag=st.sampled_from([0.0, 20.0]),
)
@example(shared=False, bursts=[(2, 6), (3, 1), (2, 34), (0, 3), (1, 35), (2, 9), (2, 32)], dies=50, lag=0.0)
@example(shared=False, bursts=[(1, 33), (2, 10), (3, 12), (2, 19), (3, 22)], dies=None, lag=0.0)
def test_backfill_rebuild_sync_and_yank_at_the_same_time(
    shared: bool, bursts: list[tuple[int, int]], dies: int | None, lag: float
) -> None:
    """One region has missed release 1. At the same time it is backfilled by the publish of 2.0.0, 1.0.0 is rebuilt,
    release 1 is yanked, and a third machine syncs. Number 1 stays private, and the next release is complete."""
    with tempfile.TemporaryDirectory() as folder:
        aws = SimulatedAws(MATRIX.account, MATRIX.regions, policy_lag=lag)
        world, (one, two) = World(MATRIX, aws, Path(folder)), machines(shared)
        aws.set_faults(Faults((At(Fault.NO_CONNECTION, region="ap-south-1", times=None),)))
        world.publish("1.0.0", one)
        aws.set_faults(Faults())
        two.records.update(one.records)
        aws.clock.sleep(60)

        def rebuilding(pause: Callable[[str], None]) -> object:
            return world.publish("1.0.0", two, build="two", rebuild="CVE", doom=Steps(pause, dies))

        commands = [
            publishing(world, "2.0.0", MemoryLedger(one.records, one.kept)),
            rebuilding,
            yanking(world, 1, one),
            syncing(world, MemoryLedger(one.records, one.kept)),
        ]
        ends = interleave(commands, bursts)
        note(str(ends))
        assert not [e for e in ends if isinstance(e, BaseException) and not isinstance(e, LayersError | Killed)]
        aws.clock.sleep(60)
        assert_numbers_are_one_release(world)
        if not shared and any(isinstance(end, Killed) for end in ends):
            # Killed between a grant and its check, with a ledger that does not know of the yank: audit reports the
            # public version, and the yank is run again.
            yanking(world, 1, one)(lambda _step: None)
        assert 1 not in public_versions(world)
        completed(world, "3.0.0", one)  # 2.0.0 may have a conflict: the rebuild needed a placeholder at its number
        for ledger in (one, two):
            assert_ledger_true(world, ledger) if shared or ledger is one else None


@settings(max_examples=EXAMPLES, deadline=None, phases=PHASES)
@given(
    shared=st.booleans(),
    bursts=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40)), max_size=30),
    dies=st.one_of(st.none(), st.integers(1, 80)),
    lag=st.sampled_from([0.0, 20.0]),
)
def test_a_yank_is_undone_while_others_publish_sync_and_yank(
    shared: bool, bursts: list[tuple[int, int]], dies: int | None, lag: float
) -> None:
    """The command that is run last decides: an undo makes all of release 1 public, a yank makes none of it public."""
    with tempfile.TemporaryDirectory() as folder:
        aws = SimulatedAws(MATRIX.account, MATRIX.regions, policy_lag=lag)
        world, (one, two) = World(MATRIX, aws, Path(folder)), machines(shared)
        world.publish("1.0.0", one)
        yanking(world, 1, one)(lambda _step: None)
        two.records.update(one.records)
        aws.clock.sleep(60)
        commands = [
            yanking(world, 1, one, undo=True, dies=dies),
            publishing(world, "2.0.0", two),
            syncing(world, MemoryLedger(one.records, one.kept)),
            yanking(world, 1, MemoryLedger(one.records, one.kept)),
        ]
        ends = interleave(commands, bursts)
        note(str(ends))
        assert not [e for e in ends if isinstance(e, BaseException) and not isinstance(e, LayersError | Killed)]
        aws.clock.sleep(60)
        assert_numbers_are_one_release(world)
        if one.records[1].yanked is None:
            assert all(record.public for record in one.records[1].cells)
        completed(world, "3.0.0", one)
        for undo in (True, False):
            aws.clock.sleep(60)
            yanking(world, 1, one, undo=undo)(lambda _step: None)
            recorded = {"/".join(record.key) for record in one.records[1].cells if record.public}
            assert recorded == {cell.id for cell in MATRIX.cells if world.is_public(cell, 1)}
            assert len(recorded) == (len(MATRIX.cells) if undo else 0)
            assert (one.records[1].yanked is None) is undo
            assert_ledger_true(world, one)


@settings(max_examples=EXAMPLES, deadline=None, phases=PHASES)
@given(undo=st.booleans(), bursts=BURSTS, dies=st.one_of(st.none(), st.integers(1, 80)))
def test_parameters_follow_the_ledger_while_others_publish_yank_and_repair(
    undo: bool, bursts: list[tuple[int, int]], dies: int | None
) -> None:
    """Whatever is written last, ``latest`` is the newest complete release that is not yanked."""
    matrix = small_matrix(parameters={"prefix": "/demo"})
    with tempfile.TemporaryDirectory() as folder:
        world = World(matrix, SimulatedAws(matrix.account, matrix.regions), Path(folder))
        stores = {region: Store() for region in matrix.regions}
        one = MemoryLedger()
        two, three = (MemoryLedger(one.records, one.kept) for _ in range(2))
        world.publish("1.0.0", one)
        if undo:
            yanking(world, 1, one)(lambda _step: None)
        repairing(world, one, stores)(lambda _step: None)
        commands = [
            one_after_the_other(yanking(world, 1, one, undo=undo, dies=dies), repairing(world, one, stores)),
            one_after_the_other(publishing(world, "2.0.0", two), repairing(world, two, stores)),
            repairing(world, three, stores),
        ]
        ends = interleave(commands, bursts)
        note(str(ends))
        assert not [e for e in ends if isinstance(e, BaseException) and not isinstance(e, LayersError | Killed)]
        if any(isinstance(end, Killed) for end in ends):
            repairing(world, three, stores)(lambda _step: None)
        for region, plan in expected_parameters(matrix, one.releases()).items():
            assert not to_write(plan, stores[region].values)
            assert not to_remove(plan, stores[region].values)
