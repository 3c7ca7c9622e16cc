"""Measure a publish against the simulated AWS: time compared with the quota, calls per cell, memory, and their growth.

- speed: 136 prebuilt cells through real boto3 over HTTP, 15 requests a second a region, 40 to 200 ms of latency;
compared with the time that quota and latency alone take
- memory: eight zips of real size, sent to 17 regions by `layers publish`; the process's peak
- scale: 34 regions × 10 targets × 20 matrices in a row, and layers with 400 old versions, in virtual time
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

from builder.model.artifact import Artifact, BuildOutput, Manifest, sha256_of, write_manifest
from builder.model.clock import SYSTEM_CLOCK
from builder.model.matrix import Matrix
from builder.model.matrix_file import load_matrix
from builder.model.progress import Quiet
from builder.model.stop import Stop
from publisher.aws.connect import connect_all
from publisher.aws.gateway import Publication, Zip
from publisher.aws.rate_limit import TokenBucket
from publisher.aws.request_log import Journal
from publisher.aws.retry import Patient
from publisher.ledger.folder import FolderLedger
from publisher.reconcile.number import Wanted
from publisher.reconcile.release_run import Report, carry_out, prepare
from scripts.simaws import SimLambda, SimulatedAws
from scripts.simaws.server import environment, serve

LATENCY = (0.04, 0.2)
QUOTA = 15
ACCOUNT = "123456789012"
Figures = dict[str, Any]


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=["speed", "memory", "scale"])
    options = parser.parse_args()
    parts: dict[str, Callable[[], Figures]] = {"speed": speed, "memory": memory, "scale": scale}
    results = {name: part() for name, part in parts.items() if options.only in (None, name)}
    if options.json:
        print(json.dumps(results, indent=2))
        return
    for name, figures in results.items():
        print(name)
        for key, value in figures.items():
            print(f"  {key:52} {value}")


def speed() -> Figures:
    """Publish 136 small prebuilt cells, then run again with nothing to do."""
    matrix = load_matrix(Path("layer_matrix.yaml")).model_copy(update={"requests_per_second": float(QUOTA)})
    with tempfile.TemporaryDirectory() as name, _server(matrix, LATENCY) as surroundings:
        folder = Path(name)
        artifacts = _artifacts(folder / "dist", matrix, 2000)
        with mock.patch.dict(os.environ, surroundings):
            ledger = FolderLedger(folder / "ledger", matrix)
            first = _timed(matrix, ledger, artifacts)
            second = _timed(matrix, ledger, artifacts)
    cells, regions = len(matrix.cells), len(matrix.regions)
    return {
        "cells published": sum(outcome.done for outcome in first[0].outcomes.values()),
        "seconds": round(first[1], 2),
        "seconds that quota and latency alone take": round(alone := _alone(first[2] / regions, chain=5), 2),
        "ratio (at most 1.3)": round(first[1] / alone, 2),
        "calls": first[2],
        "calls at most (3.5 × cells + 2 × regions)": int(3.5 * cells + 2 * regions),
        "calls with nothing to do": second[2],
        "calls with nothing to do at most (2 × cells + 2 × regions)": 2 * cells + 2 * regions,
    }


def _timed(matrix: Matrix, ledger: FolderLedger, artifacts: BuildOutput) -> tuple[Report, float, int]:
    journal = Journal()
    lambdas = connect_all(matrix, journal)
    started = time.monotonic()
    prepared = prepare(matrix, Wanted("1.0.0"), matrix.cells, ledger, lambdas, Quiet())
    report = carry_out(matrix, prepared, ledger, lambdas, artifacts, SYSTEM_CLOCK, Quiet(), Stop())
    return report, time.monotonic() - started, journal.total


def _alone(calls: float, chain: int) -> float:
    """Return the seconds for ``calls`` in a region at the quota, plus the latency of sequential calls."""
    return calls / QUOTA + chain * sum(LATENCY) / 2


def memory() -> Figures:
    """Measure the peak memory of `layers publish` with zips of real size, and the bytes that it sends."""
    matrix = load_matrix(Path("layer_matrix.yaml"))
    with tempfile.TemporaryDirectory() as name, _server(matrix, (0.0, 0.0), Path(name)) as surroundings:
        folder = Path(name)
        _artifacts(folder / "dist", matrix, 36 << 20)
        layers = str(Path(sys.executable).with_name("layers"))
        command = [layers, "--ledger", str(folder / "ledger"), "publish", "--version", "1.0.0"]
        started = time.monotonic()
        process = subprocess.Popen(
            [*command, "--artifacts", str(folder / "dist"), "--yes"],
            env={**os.environ, **surroundings},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)  # this process alone, not the simulation's
        seconds = time.monotonic() - started
    if status:
        raise SystemExit("layers publish failed")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "zips, MB together": 8 * 36,
        "uploads, MB together": 136 * 36,
        "seconds over loopback": round(seconds, 1),
        "peak memory, MB (at most 400)": round(peak / 1e6),
    }


def scale() -> Figures:
    """Measure calls and memory for growing matrices, without a network."""
    regions = _many_regions(34)
    figures: Figures = {}
    memory_after: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        aws = SimulatedAws(ACCOUNT, regions)
        for index in range(20):
            matrix = _matrix(f"package-{index}", ["3.10", "3.11", "3.12", "3.13", "3.14"], regions)
            started = time.process_time()
            calls = _simulated(aws, matrix, Path(name))
            if index in (0, 9, 19):
                figures[f"matrix {index + 1} of 20: calls a cell"] = round(calls / len(matrix.cells), 2)
                figures[f"matrix {index + 1} of 20: CPU seconds"] = round(time.process_time() - started, 2)
            memory_after.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        figures["cells in all"] = 20 * len(regions) * 10
        peaks = [round(memory_after[9]), round(memory_after[19])]
        figures["peak memory after matrix 10 and 20, MB (with the simulation)"] = peaks
        figures["400 old versions in each layer, no ledger: calls a cell"] = _old(Path(name), 400)
        figures["one old version in each layer, no ledger: calls a cell"] = _old(Path(name), 1)
    return figures


def _old(folder: Path, versions: int) -> float:
    """Return the calls per cell of a release after that many unrecorded versions."""
    matrix = _matrix("old", ["3.12", "3.13"], _many_regions(3))
    aws = SimulatedAws(ACCOUNT, matrix.regions)
    one = _artifacts(folder / f"old-{versions}", matrix, 100)[0] / f"{matrix.targets[0].layer_name}.zip"
    zip_ = Zip(one, sha256_of(one), one.stat().st_size)
    for cell in matrix.cells:
        gateway = SimLambda(aws, cell.region, TokenBucket(10, aws.clock))
        for number in range(versions):
            said = matrix.describe(cell.target, f"0.{number}")
            gateway.publish(Publication(cell.target.layer_name, said, "", ("python3.12",), ("x86_64",), zip_))
    return round(_simulated(aws, matrix, folder / f"new-{versions}") / len(matrix.cells), 2)


def _simulated(aws: SimulatedAws, matrix: Matrix, folder: Path) -> int:
    """Publish a matrix in the simulation with an empty ledger, and return the number of calls."""
    artifacts = _artifacts(folder / matrix.package, matrix, 500)
    lambdas = {
        region: Patient(SimLambda(aws, region, TokenBucket(10, aws.clock)), aws.clock) for region in matrix.regions
    }
    before, ledger = len(aws.log), FolderLedger(folder / f"ledger-{matrix.package}", matrix)
    prepared = prepare(matrix, Wanted("1.0.0"), matrix.cells, ledger, lambdas, Quiet())
    report = carry_out(matrix, prepared, ledger, lambdas, artifacts, aws.clock, Quiet(), Stop())
    if not report.complete:
        raise SystemExit("a publish of the simulation is not complete")
    return len(aws.log) - before


def _matrix(package: str, pythons: list[str], regions: Sequence[str]) -> Matrix:
    return Matrix.model_validate(
        {
            "account": ACCOUNT,
            "package": package,
            "python": pythons,
            "architectures": ["x86_64", "aarch64"],
            "regions": list(regions),
        }
    )


def _many_regions(count: int) -> list[str]:
    from builder.model.regions import known_regions, partition_of

    return sorted(region for region in known_regions() if partition_of(region) == "aws")[:count]


def _artifacts(folder: Path, matrix: Matrix, size: int) -> BuildOutput:
    """Write zips of about ``size`` bytes with a manifest, as `layers build` does."""
    folder.mkdir(parents=True)
    artifacts = []
    chance = random.Random(size)  # noqa: S311 - incompressible bytes, the same in every run
    for target in matrix.targets:
        path = folder / f"{target.layer_name}.zip"
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr(zipfile.ZipInfo("python/demo.bin", (1980, 1, 1, 0, 0, 0)), chance.randbytes(size))
        path.write_bytes(content.getvalue())
        artifacts.append(
            Artifact(
                target=target.id,
                python=target.python,
                architecture=target.architecture,
                layer_name=target.layer_name,
                file=path.name,
                sha256=sha256_of(path),
                size=path.stat().st_size,
                unzipped_size=size,
                interpreter=None,
                lock=(),
            )
        )
    manifest = Manifest(package=matrix.package, version="1.0.0", artifacts=tuple(artifacts))
    write_manifest(folder, manifest)
    return BuildOutput(folder, manifest)


@contextmanager
def _server(matrix: Matrix, latency: tuple[float, float], folder: Path | None = None) -> Iterator[dict[str, str]]:
    """Run the simulated AWS in a separate process, so that its time and memory are not measured."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(theirs, matrix.account, matrix.regions, latency, folder), daemon=True
    )
    process.start()
    try:
        yield environment(ours.recv())
    finally:
        ours.send("end")
        process.join()


def _serve(
    pipe: Connection, account: str, regions: tuple[str, ...], latency: tuple[float, float], folder: Path | None
) -> None:
    aws = SimulatedAws(account, regions, clock=SYSTEM_CLOCK, latency=latency, quota=QUOTA, folder=folder)
    with serve(aws) as address:
        pipe.send(address)
        pipe.recv()


if __name__ == "__main__":
    main()
