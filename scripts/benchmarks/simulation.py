"""The simulated AWS in a separate process, so that its time and memory are not measured."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from builder.model.clock import SYSTEM_CLOCK
from builder.model.matrix import Matrix
from scripts.simaws import SimulatedAws
from scripts.simaws.http_server import environment, serve
from scripts.simaws.upstream import Upstream

REQUESTS_PER_SECOND = 15  #: in each region


@dataclass(frozen=True)
class Simulation:
    """Its environment for boto3, and the pipe to its process."""

    environment: dict[str, str]
    pipe: Connection

    def counts(self) -> tuple[int, int]:
        """Return the number of requests and of bytes in their bodies."""
        self.pipe.send("count")
        requests, sent_bytes = self.pipe.recv()
        return requests, sent_bytes


@contextmanager
def simulation(
    matrix: Matrix, latency: tuple[float, float], folder: Path | None = None, rate: float | None = None
) -> Iterator[Simulation]:
    """Run it for the regions of a matrix. ``rate``: bytes per second of the line to it; None: without a limit."""
    parent, child = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(child, matrix, latency, folder, rate), daemon=True
    )
    process.start()
    try:
        yield Simulation(environment(parent.recv()), parent)
    finally:
        parent.send("end")
        process.join()


def _serve(
    pipe: Connection, matrix: Matrix, latency: tuple[float, float], folder: Path | None, rate: float | None
) -> None:
    aws = SimulatedAws(
        matrix.account, matrix.regions, clock=SYSTEM_CLOCK, latency=latency, quota=REQUESTS_PER_SECOND, folder=folder
    )
    line = Upstream(SYSTEM_CLOCK, rate)
    with serve(aws, upstream=line) as address:
        pipe.send(address)
        while pipe.recv() == "count":
            pipe.send((len(aws.log), line.sent))
