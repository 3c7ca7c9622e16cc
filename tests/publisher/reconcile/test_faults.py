"""Random states, faults and kills on two machines: rerunning completes the release, and nothing is ever wrong.

The test suite tries a few hundred runs; ``scripts/test --thorough`` (or ``LAYERS_THOROUGH=1``) tries 9,000.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st

from builder.model.errors import LayersError
from builder.model.matrix import Cell
from scripts.simaws import At, Fault, Faults, SimulatedAws
from tests.conftest import THOROUGH
from tests.fakes.simulated_runs import (
    Doom,
    Killed,
    MemoryLedger,
    World,
    assert_at_release,
    assert_ledger_true,
    assert_nothing_wrong,
    assert_recorded,
)
from tests.publisher.reconcile.plan_cases import small_matrix

MATRIX = small_matrix()
CELLS = MATRIX.cells
EXAMPLES = 3_000 if THOROUGH else 15
#: How long lists may lag, in seconds.
LAGS = st.sampled_from([0.0, 0.0, 3.0, 30.0])
DRIFT = st.lists(st.integers(0, 3), min_size=len(CELLS), max_size=len(CELLS))
MACHINE = st.integers(0, 1)
VERSION = st.sampled_from(["2.0.0", "2.0.0", "1.0.0"])
GOAL = st.sampled_from(["2.0.0", "3.0.0"])
#: Shrinking a failure takes minutes, so it is off unless ``LAYERS_SHRINK=1``.
PHASES = [phase for phase in Phase if phase is not Phase.shrink or os.environ.get("LAYERS_SHRINK")]


@dataclass(frozen=True)
class Run:
    """One run of ``publish`` and its faults."""

    machine: int  #: selects the ledger and the build
    faults: Faults
    dies_after: int | None


WRITING = ("PublishLayerVersion", "AddLayerVersionPermission", "GetLayerVersionPolicy")
READING = ("ListLayers", "ListLayerVersions", "GetLayerVersion")


def scripted(operations: tuple[str | None, ...], times: list[int]) -> st.SearchStrategy[At]:
    """Generate faults of these operations, repeated so many times."""
    return st.builds(
        At,
        fault=st.sampled_from(list(Fault)),
        nth=st.integers(1, 12),
        region=st.sampled_from([None, *MATRIX.regions]),
        operation=st.sampled_from(operations),
        times=st.sampled_from(times),
    )


def runs_with(faults: st.SearchStrategy[Faults]) -> st.SearchStrategy[Run]:
    """Generate runs with these faults; half of the runs are killed."""
    return st.builds(Run, MACHINE, faults, st.one_of(st.none(), st.integers(1, 120)))


SEEDS = st.integers(0, 1 << 16)
RUNS = runs_with(
    st.builds(
        Faults,
        scripted=st.lists(scripted((None, *READING, *WRITING), [1, 2, 7, 400]), max_size=4).map(tuple),
        rate=st.sampled_from([0.0, 0.05, 0.3]),
        seed=SEEDS,
    )
)
WRITES = runs_with(st.builds(Faults, scripted=st.lists(scripted(WRITING, [1, 2, 7, 400]), max_size=4).map(tuple)))
pytestmark = pytest.mark.usefixtures("one_thread")


@settings(max_examples=EXAMPLES, deadline=None, phases=PHASES)
@given(drift=DRIFT, runs=st.lists(st.tuples(VERSION, RUNS), max_size=5), goal=GOAL, lag=LAGS)
def test_any_fault_with_a_shared_ledger(drift: list[int], runs: list[tuple[str, Run]], goal: str, lag: float) -> None:
    """Machines with different builds share a ledger; whole regions may be unreachable at any time."""
    with world_of(drift, lag) as world:
        ledger = MemoryLedger()
        for version, run in in_order(runs, goal):
            attempt(world, version, run, ledger, build=str(run.machine))
        finish(world, goal, ledger)


@settings(max_examples=EXAMPLES, deadline=None, phases=PHASES)
@given(drift=DRIFT, runs=st.lists(st.tuples(VERSION, WRITES), max_size=5), goal=GOAL, last=MACHINE, lag=LAGS)
def test_write_faults_and_kills_without_a_shared_ledger(
    drift: list[int], runs: list[tuple[str, Run]], goal: str, last: int, lag: float
) -> None:
    """Machines share nothing but AWS, so every region responds to reads."""
    with world_of(drift, lag) as world:
        ledgers = (MemoryLedger(), MemoryLedger())
        for version, run in in_order(runs, goal):
            attempt(world, version, run, ledgers[run.machine])
            assert_nothing_wrong(world, ledgers[1 - run.machine])
        finish(world, goal, ledgers[last])


@pytest.mark.parametrize("same_ledger", [True, False])
def test_killed_at_every_moment_of_a_first_release(same_ledger: bool) -> None:
    for moment in itertools.count(1, 1 if THOROUGH else 3):
        with world_of([0, 1, 0, 0, 0, 0], lag=3.0) as world:
            ledger = MemoryLedger()
            if not dies(world, "2.0.0", ledger, moment):
                break
            finish(world, "2.0.0", ledger if same_ledger else MemoryLedger())
    assert moment > 30  # the loop ended because a run survived, after it was killed at every moment


def test_killed_at_every_moment_of_completing_a_new_region() -> None:
    """Number 1 is of no release and gets a placeholder; 2 is a recorded release and gets its own public bytes."""
    old = small_matrix(regions=MATRIX.regions[:2])
    for moment in itertools.count(1, 1 if THOROUGH else 4):
        with world_of([0] * len(CELLS), lag=3.0) as world:
            for cell in old.cells:
                world.foreign(cell)
            ledger = MemoryLedger()
            assert World(old, world.aws, world.folder).publish("1.0.0", ledger).complete
            if not dies(world, "2.0.0", ledger, moment):
                break
            finish(world, "2.0.0", ledger)
            assert_at_release(world, "1.0.0", 2)
    assert moment > 60


def dies(world: World, version: str, ledger: MemoryLedger, moment: int) -> bool:
    """Return whether a run reaches this moment and is killed there."""
    try:
        world.publish(version, ledger, doom=Doom(moment))
    except Killed:
        assert_nothing_wrong(world, ledger)
        return True
    return False


def in_order(runs: list[tuple[str, Run]], goal: str) -> list[tuple[str, Run]]:
    """Order the runs: a started release can be completed until another one is started; a new one always can."""
    return sorted(runs, key=lambda run: run[0]) if goal == "2.0.0" else runs


@contextmanager
def world_of(drift: list[int], lag: float) -> Iterator[World]:
    """Return a world whose cells are at different numbers. Each region has a cell at the highest number, because a
    publisher that cannot reach a region cannot know that the region is ahead."""
    with tempfile.TemporaryDirectory() as folder:
        aws = SimulatedAws(MATRIX.account, MATRIX.regions, latency=(0.0, 0.2))
        world = World(MATRIX, aws, Path(folder))
        for cell, count in zip(CELLS, drift, strict=True):
            for _ in range(count if cell.target == MATRIX.targets[0] else max(drift)):
                world.foreign(cell)
        aws.list_lag = lag
        yield world


def attempt(world: World, version: str, run: Run, ledger: MemoryLedger, build: str = "one") -> None:
    """Run once; however the run ends, nothing is wrong afterwards."""
    world.aws.set_faults(run.faults)
    try:
        report = world.publish(version, ledger, build=build, doom=Doom(run.dies_after))
        left = [(cell.id, outcome.name, outcome.error) for cell, outcome in report.outcomes.items() if not outcome.done]
        note(f"{version} at {report.plan.number} by {run.machine}: left {left}")
    except (Killed, LayersError) as error:
        note(f"{version} by {run.machine}: {error!r}")
    note(str({cell.id: [v.description[-40:] for v in world.history(cell)] for cell in CELLS}))
    assert_nothing_wrong(world, ledger)


def finish(world: World, version: str, ledger: MemoryLedger) -> None:
    """Run without faults: every cell has the release, exactly once."""
    world.aws.set_faults(Faults())
    report = world.publish(version, ledger)
    left = [(cell.id, outcome.name, outcome.error) for cell, outcome in report.outcomes.items() if not outcome.done]
    assert report.complete, left
    number = report.plan.number.value
    assert_at_release(world, version, number)
    assert {len(world.history(cell)) for cell in CELLS} == {number}
    assert_nothing_wrong(world, ledger)
    assert_recorded(world, ledger, version, number)


@settings(max_examples=EXAMPLES, deadline=None, phases=PHASES)
@given(kill=st.integers(1, 60), seed=SEEDS)
def test_a_rerun_directly_after_a_kill_completes_the_number_although_reads_lag(kill: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        aws = SimulatedAws(MATRIX.account, MATRIX.regions, faults=Faults(seed=seed), read_lag=20)
        world, ledger = World(MATRIX, aws, Path(folder)), MemoryLedger()
        with contextlib.suppress(Killed):
            world.publish("1.0.0", ledger, doom=Doom(kill))
        assert world.publish("1.0.0", ledger).complete
        assert_at_release(world, "1.0.0", 1)
        assert_recorded(world, ledger, "1.0.0", 1)


@pytest.mark.parametrize("lag", [5.0, 25.0])
def test_a_permission_waits_until_aws_finds_the_new_version(tmp_path: Path, lag: float) -> None:
    """``AddLayerVersionPermission`` returns ResourceNotFoundException while reads lag."""
    world, ledger = World(MATRIX, SimulatedAws(MATRIX.account, MATRIX.regions, read_lag=lag), tmp_path), MemoryLedger()
    assert world.publish("1.0.0", ledger).complete
    assert_at_release(world, "1.0.0", 1)
    assert_nothing_wrong(world, ledger)


@pytest.mark.parametrize("lag", [60.0, 1000.0])
def test_a_permission_that_no_policy_shows_within_the_wait_is_recorded_truly(tmp_path: Path, lag: float) -> None:
    aws = SimulatedAws(MATRIX.account, MATRIX.regions, policy_lag=lag)
    world, ledger = World(MATRIX, aws, tmp_path), MemoryLedger()
    world.publish("1.0.0", ledger)
    public = {cell.id for cell in CELLS if world.is_public(cell, 1)}
    assert public == {"/".join(record.key) for record in ledger.records[1].cells if record.public}
    aws.policy_lag = 0
    aws.clock.sleep(lag)
    assert world.publish("1.0.0", ledger).complete
    assert_at_release(world, "1.0.0", 1)
    assert_ledger_true(world, ledger)


@settings(max_examples=EXAMPLES, deadline=None, phases=PHASES)
@given(
    lost=st.lists(st.tuples(st.sampled_from("ab"), st.integers(5, 60), st.sampled_from(CELLS)), min_size=1, max_size=3),
    lag=st.sampled_from([0.0, 20.0]),
    taken=st.booleans(),
)
def test_a_release_is_completed_after_runners_were_lost_with_their_ledgers(
    lost: list[tuple[str, int, Cell]], lag: float, taken: bool
) -> None:
    """Each left private versions of another build, and somebody may have taken the number in one cell."""
    with tempfile.TemporaryDirectory() as folder:
        aws = SimulatedAws(MATRIX.account, MATRIX.regions, list_lag=lag, read_lag=lag)
        world, ledger = World(MATRIX, aws, Path(folder)), MemoryLedger()
        for build, after, cell in lost:
            with contextlib.suppress(Killed):
                world.publish("2.0.0", MemoryLedger(), build=build, cells=[cell], doom=Doom(after))
        if taken:
            world.foreign(lost[-1][2])
        aws.clock.sleep(60)
        for _ in range(3):
            report = world.publish("2.0.0", ledger, build="c")
            aws.clock.sleep(60)
            if report.complete:
                break
        note(f"{report.plan.number}: {[(o.cell.id, o.error) for o in report.outcomes.values() if not o.done]}")
        assert report.complete or report.plan.public, (
            "a release that is not public yet can always move to another number"
        )
        assert_nothing_wrong(world, ledger)
