"""Concurrent and killed publishers, in threads and processes."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from random import Random

import pytest
import yaml

from builder.model.artifact import write_manifest
from builder.model.clock import SYSTEM_CLOCK
from publisher.ledger.folder import FolderLedger
from publisher.reconcile.release_run import PublishReport
from scripts.simaws import SimulatedAws
from scripts.simaws.http_server import environment, serve
from tests.conftest import THOROUGH
from tests.fakes.command import PROGRAM
from tests.fakes.simulated_runs import (
    MemoryLedger,
    World,
    assert_at_release,
    assert_ledger_true,
    assert_nothing_wrong,
    assert_recorded,
    make_artifacts,
)
from tests.publisher.reconcile.plan_cases import small_matrix

MATRIX = small_matrix(requests_per_second=15)
CELLS = MATRIX.cells


class RealTime:
    """Real time, a hundred times as fast."""

    def monotonic(self) -> float:
        return time.monotonic() * 100

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / 100)


def side_by_side(world: World, wanted: list[tuple[str, MemoryLedger]]) -> list[PublishReport | Exception]:
    """Publish all of these concurrently."""
    ends: dict[int, PublishReport | Exception] = {}

    def run(index: int, version: str, ledger: MemoryLedger) -> None:
        try:
            ends[index] = world.publish(version, ledger)
        except Exception as error:  # noqa: BLE001 - the test checks it
            ends[index] = error

    threads = [threading.Thread(target=run, args=(index, *each)) for index, each in enumerate(wanted)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [ends[index] for index in range(len(wanted))]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("other", ["1.0.0", "2.0.0"])
def test_concurrent_publishes_are_noticed_and_the_next_run_completes(tmp_path: Path, other: str, seed: int) -> None:
    aws = SimulatedAws(MATRIX.account, MATRIX.regions, clock=RealTime(), latency=(0.0, 0.4), seed=seed)
    world, ledgers = World(MATRIX, aws, tmp_path), (MemoryLedger(), MemoryLedger())
    ends = side_by_side(world, [("1.0.0", ledgers[0]), (other, ledgers[1])])
    assert all(isinstance(end, PublishReport) for end in ends), ends
    told = [
        outcome.cell
        for end in ends
        if isinstance(end, PublishReport)
        for outcome in end.outcomes.values()
        if not outcome.done
    ]
    for cell in CELLS:
        history = world.history(cell)
        public = [v for v in history if world.is_public(cell, v.number)]
        assert len(public) <= len({v.description for v in public})
        if len(history) > 1 and not told:  # one run had ended before the other started
            numbers = {end.plan.number.value for end in ends if isinstance(end, PublishReport)}
            assert numbers == {1, 2}, "no run noticed the other publisher"
    for ledger in ledgers:
        assert_ledger_true(world, ledger)
    report = world.publish("3.0.0", ledgers[0])
    assert report.complete
    assert_at_release(world, "3.0.0", report.plan.number.value)
    assert_nothing_wrong(world, ledgers[0])


def test_two_runs_of_one_release_are_completed_by_the_next_run(tmp_path: Path) -> None:
    aws = SimulatedAws(MATRIX.account, MATRIX.regions, clock=RealTime(), latency=(0.0, 0.4), seed=1)
    world, ledgers = World(MATRIX, aws, tmp_path), (MemoryLedger(), MemoryLedger())
    side_by_side(world, [("1.0.0", ledgers[0]), ("1.0.0", ledgers[1])])
    report = world.publish("1.0.0", ledgers[0])
    assert report.complete
    number = report.plan.number.value
    assert all(world.is_public(cell, number) for cell in CELLS)
    assert_recorded(world, ledgers[0], "1.0.0", number)


@pytest.mark.parametrize("seed", range(10 if THOROUGH else 1))
def test_killed_processes_are_completed_by_the_next_run(tmp_path: Path, seed: int) -> None:
    """Run the command with SIGKILL at random times and the ledger on disk; the last run exits with 0."""
    aws = SimulatedAws(MATRIX.account, MATRIX.regions, clock=SYSTEM_CLOCK, latency=(0.0, 0.1), seed=seed)
    world = World(MATRIX, aws, tmp_path)
    folder, manifest = make_artifacts(tmp_path, MATRIX, "1.0.0")
    write_manifest(folder, manifest)
    world.foreign(CELLS[3])
    aws.list_lag = 2.0  # for versions from now on
    matrix = tmp_path / "layer_matrix.yaml"
    matrix.write_text(yaml.safe_dump(MATRIX.model_dump(mode="json", include={
        "account", "package", "python", "architectures", "regions", "requests_per_second"})))  # fmt: skip
    chance = Random(seed)  # noqa: S311 - repeatable on purpose
    with serve(aws) as address:
        command = [
            *PROGRAM, "--matrix", str(matrix),
            "--ledger", str(tmp_path / "ledger"), "publish", "--version", "1.0.0", "--artifacts", str(folder), "--yes",
        ]  # fmt: skip
        kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        killed = 0
        for _ in range(3 if THOROUGH else 2):
            calls, die_after = len(aws.log), chance.randint(5, 30)
            process = subprocess.Popen(command, env={**kept, **environment(address)}, stderr=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL)  # fmt: skip
            while process.poll() is None and len(aws.log) < calls + die_after:
                time.sleep(0.005)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                killed += 1
            process.wait()
        assert killed
        last = subprocess.run(command, env={**kept, **environment(address)}, capture_output=True, text=True)
    assert last.returncode == 0, last.stderr
    ledger = MemoryLedger({r.layer_version: r for r in FolderLedger(tmp_path / "ledger", MATRIX).releases()})
    assert_at_release(world, "1.0.0", 2)
    assert_recorded(world, ledger, "1.0.0", 2)
    assert_nothing_wrong(world, ledger)
