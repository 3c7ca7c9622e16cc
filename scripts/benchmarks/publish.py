"""Measure a publish against the simulated AWS: time compared with the quota, direct and staged, and growth.

- speed: 136 prebuilt cells through real boto3 over HTTP, 15 requests a second a region, 40 to 200 ms of latency;
compared with the time that quota, processor and latency take
- network: `layers publish` of eight zips of real size to 17 regions over a line of 1 Gbit/s, with the same quota and
latency: in the requests and staged through S3; bytes sent, processor time, the process's peak memory
- scale: 34 regions × 10 targets × 2 matrices in a row, and layers with 400 old versions, in virtual time
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import yaml

from builder.model.artifact import Artifact, BuildOutput, Manifest, write_manifest
from builder.model.clock import SYSTEM_CLOCK
from builder.model.file_access import sha256_of
from builder.model.matrix import Matrix
from builder.model.matrix_file import load_matrix
from builder.model.regions import known_regions, partition_of
from builder.model.stop import Stop
from publisher.aws.connect import connect_all
from publisher.aws.gateway import Publication, Zip
from publisher.aws.rate_limit import TokenBucket
from publisher.aws.request_log import RequestLog
from publisher.aws.retry_policy import RetryingLambda
from publisher.ledger.folder import FolderLedger
from publisher.reconcile.number import RequestedRelease
from publisher.reconcile.release_run import PublishReport, carry_out, prepare
from publisher.reconcile.run import Run
from scripts.benchmarks.commands import Figures
from scripts.benchmarks.commands import run as run_command
from scripts.benchmarks.simulation import REQUESTS_PER_SECOND, simulation
from scripts.simaws import SimLambda, SimulatedAws

LATENCY_SECONDS = (0.04, 0.2)
#: 1 Gbit/s.
UPSTREAM_BYTES_PER_SECOND = 125e6
ZIP_BYTES = 36 << 20
ACCOUNT = "123456789012"


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=["speed", "network", "scale"])
    options = parser.parse_args()
    parts: dict[str, Callable[[], Figures]] = {"speed": speed, "network": network, "scale": scale}
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
    matrix = load_matrix(Path("layer_matrix.yaml")).model_copy(
        update={"requests_per_second": float(REQUESTS_PER_SECOND)}
    )
    with tempfile.TemporaryDirectory() as name, simulation(matrix, LATENCY_SECONDS) as aws:
        folder = Path(name)
        artifacts = _artifacts(folder / "dist", matrix, 2000)
        with mock.patch.dict(os.environ, aws.environment):
            ledger = FolderLedger(folder / "ledger", matrix)
            first = _publish_timed(matrix, ledger, artifacts)
            second = _publish_timed(matrix, ledger, artifacts)
    cells, regions = len(matrix.cells), len(matrix.regions)
    least = _least_seconds(first.calls / regions, first.cpu_seconds)
    return {
        "cells published": sum(outcome.done for outcome in first.report.outcomes.values()),
        "seconds": round(first.seconds, 2),
        "processor seconds": round(first.cpu_seconds, 2),
        "seconds that quota, processor and latency take": round(least, 2),
        "ratio (at most 1.3 if nothing else runs)": round(first.seconds / least, 2),
        "calls": first.calls,
        "calls at most (3.5 × cells + 2 × regions)": int(3.5 * cells + 2 * regions),
        "calls with nothing to do": second.calls,
        "calls with nothing to do at most (2 × cells + 2 × regions)": 2 * cells + 2 * regions,
    }


@dataclass(frozen=True)
class _TimedPublish:
    report: PublishReport
    seconds: float
    cpu_seconds: float
    calls: int


def _publish_timed(matrix: Matrix, ledger: FolderLedger, artifacts: BuildOutput) -> _TimedPublish:
    journal = RequestLog()
    lambdas = connect_all(matrix, journal)
    started, cpu = time.monotonic(), time.process_time()
    run = Run(matrix, ledger, lambdas, RequestedRelease("1.0.0"), matrix.cells, SYSTEM_CLOCK, Stop())
    report = carry_out(prepare(run), artifacts)
    return _TimedPublish(report, time.monotonic() - started, time.process_time() - cpu, journal.total)


def _least_seconds(calls: float, cpu_seconds: float) -> float:
    """Return the seconds that ``calls`` in each region take at least.

    Either the quota or the processor limits the requests: Python uses one core. In addition, all regions wait for the
    slowest one five times: for the lists, the check of the number, the first cell, all cells, and the check for a yank.
    """
    return max(calls / REQUESTS_PER_SECOND, cpu_seconds) + 5 * LATENCY_SECONDS[1]


def network() -> Figures:
    """Publish zips of real size over a slow line: as part of the requests, and staged through S3."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        matrix = yaml.safe_load(Path("layer_matrix.yaml").read_text())
        matrix |= {"requests_per_second": float(REQUESTS_PER_SECOND)}
        buckets = {"bucket": "zips-{account}-{region}", "home": matrix["regions"][0]}
        _artifacts(folder / "dist", load_matrix(Path("layer_matrix.yaml")), ZIP_BYTES)
        figures: Figures = {}
        for way, settings in (("direct", {"staging": None}), ("staged", {"staging": buckets})):
            (folder / way).mkdir()
            (folder / way / "matrix.yaml").write_text(yaml.safe_dump({**matrix, **settings}))
            figures |= {f"{way}: {key}": value for key, value in _run_publish(folder / way, folder / "dist").items()}
    return figures


def _run_publish(folder: Path, artifacts: Path) -> Figures:
    """Run `layers publish` with the matrix in ``folder``."""
    matrix = load_matrix(folder / "matrix.yaml")
    command = [str(Path(sys.executable).with_name("layers")), "--matrix", str(folder / "matrix.yaml")]
    command += ["--ledger", str(folder / "ledger"), "publish", "--version", "1.0.0", "--artifacts", str(artifacts)]
    with simulation(matrix, LATENCY_SECONDS, folder, UPSTREAM_BYTES_PER_SECOND) as aws:
        figures = run_command([*command, "--yes"], variables=aws.environment)
        requests, sent_bytes = aws.counts()
    return {
        "seconds": round(figures["seconds"], 1),
        "requests": requests,
        "sent, MB": round(sent_bytes / 1e6),
        "processor seconds": round(figures["cpu_seconds"], 1),
        "processor milliseconds a request": round(1000 * figures["cpu_seconds"] / requests),
        "peak memory, MB (at most 400)": figures["peak_mb"],
    }


def scale() -> Figures:
    """Measure calls and memory for growing matrices, without a network."""
    regions = _many_regions(34)
    figures: Figures = {}
    memory_after: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        aws = SimulatedAws(ACCOUNT, regions)
        for index in range(2):
            matrix = _matrix(f"package-{index}", ["3.10", "3.11", "3.12", "3.13", "3.14"], regions)
            started = time.process_time()
            calls = _publish_simulated(aws, matrix, Path(name))
            figures[f"matrix {index + 1} of 2: calls a cell"] = round(calls / len(matrix.cells), 2)
            figures[f"matrix {index + 1} of 2: CPU seconds"] = round(time.process_time() - started, 2)
            memory_after.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        figures["cells in all"] = 2 * len(regions) * 10
        figures["peak memory after each matrix, MB (with the simulation)"] = [round(each) for each in memory_after]
        figures["400 old versions in each layer, no ledger: calls a cell"] = _calls_after(Path(name), 400)
        figures["one old version in each layer, no ledger: calls a cell"] = _calls_after(Path(name), 1)
    return figures


def _calls_after(folder: Path, versions: int) -> float:
    """Return the calls per cell of a release after that many unrecorded versions."""
    matrix = _matrix("old", ["3.12", "3.13"], _many_regions(3))
    aws = SimulatedAws(ACCOUNT, matrix.regions)
    zip_file = _artifacts(folder / f"old-{versions}", matrix, 100)[0] / f"{matrix.targets[0].layer_name}.zip"
    zip_ = Zip(zip_file, sha256_of(zip_file), zip_file.stat().st_size)
    for cell in matrix.cells:
        gateway = SimLambda(aws, cell.region, TokenBucket(10, aws.clock))
        for number in range(versions):
            description = matrix.describe(cell.target, f"0.{number}")
            gateway.publish(Publication(cell.target.layer_name, description, "", ("python3.12",), ("x86_64",), zip_))
    return round(_publish_simulated(aws, matrix, folder / f"new-{versions}") / len(matrix.cells), 2)


def _publish_simulated(aws: SimulatedAws, matrix: Matrix, folder: Path) -> int:
    """Publish a matrix in the simulation with an empty ledger, and return the number of calls."""
    artifacts = _artifacts(folder / matrix.package, matrix, 500)
    lambdas = {
        region: RetryingLambda(SimLambda(aws, region, TokenBucket(10, aws.clock)), aws.clock)
        for region in matrix.regions
    }
    before, ledger = len(aws.log), FolderLedger(folder / f"ledger-{matrix.package}", matrix)
    run = Run(matrix, ledger, lambdas, RequestedRelease("1.0.0"), matrix.cells, aws.clock, Stop())
    report = carry_out(prepare(run), artifacts)
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
                **target.fields,
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
