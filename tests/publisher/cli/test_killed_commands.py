"""Real processes that SIGKILL ends at any request to AWS: the same command, run again, completes what is left."""

from __future__ import annotations

import signal
import threading

import pytest

from tests.conftest import Sandbox
from tests.fakes.aws_front import AwsRequest, front
from tests.fakes.command import Layers
from tests.fakes.running_command import Running, publish_of, running

SLOW = pytest.mark.slow


class Killer:
    """Kills a command at its ``nth`` request; the request reaches AWS."""

    def __init__(self, nth: int) -> None:
        self._left = nth
        self._lock = threading.Lock()
        self.started = threading.Event()
        self.command: Running | None = None

    def __call__(self, _request: AwsRequest) -> None:
        self.started.wait(60)
        with self._lock:
            self._left -= 1
            if self._left == 0 and self.command:
                self.command.send(signal.SIGKILL)


def kill_at(nth: int, sandbox: Sandbox, layers: Layers, *arguments: str) -> int:
    killer = Killer(nth)
    with front(sandbox.address, killer) as address, running(layers, *arguments, AWS_ENDPOINT_URL=address) as command:
        killer.command = command
        killer.started.set()
        return command.process.wait(timeout=60)


@pytest.mark.parametrize("nth", [12, *(pytest.param(nth, marks=SLOW) for nth in (6, 9, 16, 20, 26, 32))])
def test_a_killed_publish_is_completed(sandbox: Sandbox, released: Layers, nth: int) -> None:
    assert kill_at(nth, sandbox, released, *publish_of(released, "2.0")) == -signal.SIGKILL
    assert released.publish("2.0").code == 0
    assert released("audit").code == 0


@SLOW
@pytest.mark.parametrize("nth", [2, 3, 5, 8, 10, 12])
def test_a_killed_yank_and_its_undo_are_completed(sandbox: Sandbox, released: Layers, nth: int) -> None:
    for arguments in (("--reason", "broken"), ("--undo",)):
        command = ("yank", "--layer-version", "1", *arguments, "--yes")
        assert kill_at(nth, sandbox, released, *command) == -signal.SIGKILL
        assert released(*command).code == 0
        assert released("audit").code == 0


@SLOW
@pytest.mark.parametrize("nth", [3, 6, 9])
def test_a_killed_sync_is_completed(sandbox: Sandbox, released: Layers, nth: int) -> None:
    released.ledger = str(released.folder / "lost")
    assert kill_at(nth, sandbox, released, "sync") == -signal.SIGKILL
    assert released("sync").code == 0
    assert released("audit").code == 0


@SLOW
@pytest.mark.parametrize("nth", [15, 18, 22])
def test_a_killed_repair_is_completed(sandbox: Sandbox, released: Layers, nth: int) -> None:
    for region in released.matrix.regions:
        sandbox.client("ssm", region).delete_parameter(Name="/demo/3.12/x86_64/latest")
    repair = ("audit", "--repair", "--yes")
    assert kill_at(nth, sandbox, released, *repair) == -signal.SIGKILL
    assert released(*repair).code == 0
    assert released("audit").code == 0
