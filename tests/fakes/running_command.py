"""A command in a process of its own, which a test sends signals to, while AWS does not respond."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests import REPOSITORY
from tests.conftest import Sandbox
from tests.fakes.aws_front import AwsRequest, front
from tests.fakes.command import Layers

#: Tests that run in the background ignore Ctrl-C, and would pass that on.
START = """import signal
for number in (signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.default_int_handler)
from publisher.cli import main; main()"""


@dataclass
class Hanging:
    """Requests that match have no response until ``released``."""

    matches: Callable[[AwsRequest], bool]
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    requests: list[AwsRequest] = field(default_factory=list)

    def __call__(self, request: AwsRequest) -> None:
        self.requests.append(request)
        if self.matches(request):
            self.reached.set()
            self.released.wait(60)


@dataclass
class Running:
    """A running command in its own session, with a folder for its temporary files."""

    process: subprocess.Popen[str]
    temporary: Path

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def leaves_nothing(self) -> None:
        """Its temporary files are removed, and its child processes have ended."""
        assert list(self.temporary.iterdir()) == []
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:  # a killed process is there until its parent has read its exit status
            try:
                os.killpg(self.process.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.02)
        raise AssertionError("a child process is still there")


@contextmanager
def running(layers: Layers, *arguments: str, **environment: str) -> Iterator[Running]:
    """Start ``layers`` with this matrix and ledger."""
    temporary = layers.folder / "temporary"
    temporary.mkdir(exist_ok=True)
    command = [
        sys.executable, "-c", START, "--matrix", str(layers.folder / "matrix.yaml"), "--ledger", layers.ledger,
    ]  # fmt: skip
    process = subprocess.Popen(
        [*command, *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(temporary), **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield Running(process, temporary)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def hanging(
    sandbox: Sandbox, matches: Callable[[AwsRequest], bool], layers: Layers, *arguments: str
) -> Iterator[tuple[Hanging, Running]]:
    """Start ``layers`` and wait until AWS does not respond to a request that matches."""
    hang = Hanging(matches)
    with front(sandbox.address, hang) as address:
        try:
            with running(layers, *arguments, AWS_ENDPOINT_URL=address) as command:
                assert hang.reached.wait(60)
                yield hang, command
        finally:
            hang.released.set()


def publish_of(layers: Layers, version: str) -> list[str]:
    return ["publish", "--version", version, "--artifacts", layers.artifacts(version), "--yes", "--json"]
