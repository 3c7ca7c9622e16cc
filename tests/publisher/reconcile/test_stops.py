"""Commands that the first Ctrl-C stops at any moment: what AWS confirmed is in the ledger, and a rerun completes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.model.progress import Quiet
from builder.model.stop import Stop
from publisher.audit.yank import Permissions
from publisher.aws import fanout
from scripts.simaws import SimulatedAws
from tests.conftest import THOROUGH
from tests.fakes.simulated_runs import (
    Doom,
    Inline,
    Killed,
    MemoryLedger,
    World,
    assert_at_release,
    assert_ledger_true,
)
from tests.publisher.reconcile.plan_cases import small_matrix

MATRIX = small_matrix()
EXAMPLES = 1_000 if THOROUGH else 8
WHEN = datetime(2026, 11, 25, tzinfo=timezone.utc)


class StopAfter(Doom):
    """Stops a command after this many requests and ledger writes have started or ended, instead of killing it."""

    def __init__(self, moments: int) -> None:
        super().__init__()
        self.stop = Stop()
        self._left = moments

    def __call__(self, _what: str = "") -> None:
        self._left -= 1
        if self._left <= 0:
            self.stop("interrupted by SIGINT")


@contextmanager
def new_world(lag: float) -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        yield World(MATRIX, SimulatedAws(MATRIX.account, MATRIX.regions, policy_lag=lag), Path(folder))


def assert_permissions_are_recorded(world: World, ledger: MemoryLedger) -> None:
    """Assert that exactly the public versions of the first release are recorded as public."""
    public = {cell.id for cell in MATRIX.cells if world.history(cell) and world.is_public(cell, 1)}
    recorded = {"/".join(cell.key) for release in ledger.releases() for cell in release.cells if cell.public}
    assert public == recorded


@settings(max_examples=EXAMPLES, deadline=None)
@given(moments=st.integers(40, 150), lag=st.sampled_from([0.0, 20.0]))
def test_a_stopped_publish_records_each_permission_that_aws_confirmed(moments: int, lag: float) -> None:
    with new_world(lag) as world:
        ledger, doom = MemoryLedger(), StopAfter(moments)
        report = world.publish("1.0.0", ledger, doom=doom, stop=doom.stop)
        assert_permissions_are_recorded(world, ledger)
        assert_ledger_true(world, ledger)
        assert report.complete or ledger.records[1].completed is None
        world.aws.clock.sleep(60)
        assert world.publish("1.0.0", ledger).complete
        assert_at_release(world, "1.0.0", 1)


@pytest.mark.parametrize("undo", [False, True], ids=["yank", "undo"])
@settings(max_examples=EXAMPLES, deadline=None)
@given(moments=st.integers(1, 120), lag=st.sampled_from([0.0, 20.0]))
def test_a_stopped_yank_records_each_permission_that_it_changed(undo: bool, moments: int, lag: float) -> None:
    with new_world(lag) as world:
        ledger = MemoryLedger()
        world.publish("1.0.0", ledger)

        def change(doom: StopAfter, undo: bool) -> None:
            ledger.doom = doom
            lambdas = world.lambdas(doom, doom.stop)
            permissions = Permissions(MATRIX, ledger, lambdas, world.aws.clock, Quiet())
            release = ledger.records[1]
            permissions.restore(release) if undo else permissions.yank(release, "broken", WHEN)

        never = 1_000_000
        if undo:
            change(StopAfter(never), False)
        world.aws.clock.sleep(60)
        change(StopAfter(moments), undo)
        assert_permissions_are_recorded(world, ledger)
        world.aws.clock.sleep(60)
        change(StopAfter(never), undo)
        assert_permissions_are_recorded(world, ledger)
        assert ledger.records[1].public == undo == (ledger.records[1].yanked is None)


@pytest.mark.parametrize("undo", [False, True], ids=["yank", "undo"])
@settings(max_examples=EXAMPLES, deadline=None)
@given(moments=st.integers(1, 120), lag=st.sampled_from([0.0, 20.0]))
def test_a_killed_yank_records_all_permissions_but_the_one_that_it_was_changing(
    undo: bool, moments: int, lag: float
) -> None:
    """One request at a time (``Inline``), so one cell may differ. The same command completes the rest."""
    with new_world(lag) as world, pytest.MonkeyPatch.context() as patch:
        patch.setattr(fanout, "ThreadPoolExecutor", Inline)
        ledger = MemoryLedger()
        world.publish("1.0.0", ledger)

        def change(doom: Doom, undo: bool) -> None:
            ledger.doom = doom
            permissions = Permissions(MATRIX, ledger, world.lambdas(doom), world.aws.clock, Quiet())
            release = ledger.records[1]
            permissions.restore(release) if undo else permissions.yank(release, "broken", WHEN)

        if undo:
            change(Doom(), False)
        world.aws.clock.sleep(60)
        with suppress(Killed):
            change(Doom(moments), undo)
        public = {cell.id for cell in MATRIX.cells if world.is_public(cell, 1)}
        recorded = {"/".join(cell.key) for cell in ledger.records[1].cells if cell.public}
        assert len(public ^ recorded) <= 1
        world.aws.clock.sleep(60)
        change(Doom(), undo)
        assert_permissions_are_recorded(world, ledger)
        assert ledger.records[1].public == undo == (ledger.records[1].yanked is None)
