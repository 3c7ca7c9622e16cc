"""Complete publishes against the simulated AWS: a world, its machines with their ledgers, runs that may be killed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from builder.model.artifact import Artifact, BuildOutput, Manifest
from builder.model.file_access import write_atomically
from builder.model.matrix import Cell, Matrix
from builder.model.stop import Stop
from publisher.aws.gateway import Lambda
from publisher.aws.rate_limit import TokenBucket
from publisher.aws.retry_policy import RetryingLambda
from publisher.ledger.release import Release
from publisher.reconcile.execute import CanaryRegion
from publisher.reconcile.number import RequestedRelease
from publisher.reconcile.release_run import PublishReport, carry_out, prepare
from publisher.reconcile.run import Run
from publisher.reconcile.state import PLACEHOLDER_DESCRIPTION
from scripts.simaws import SimLambda, SimulatedAws
from scripts.simaws.layers import LayerVersion

T = TypeVar("T")


class Killed(BaseException):
    """The process is killed. A BaseException, so that no handler of the program treats it as an error."""


@dataclass
class Doom:
    """Kills a process at step ``after`` (a call or a ledger write starts or ends). None: never."""

    after: int | None = None
    moments: int = 0

    def __call__(self, _what: str = "") -> None:
        self.moments += 1
        if self.after is not None and self.moments >= self.after:
            raise Killed


@dataclass
class MemoryLedger:
    """A ledger in memory."""

    records: dict[int, Release] = field(default_factory=dict)
    kept: dict[str, bytes] = field(default_factory=dict)
    doom: Doom = field(default_factory=Doom)
    is_shared: bool = False

    def releases(self) -> tuple[Release, ...]:
        return tuple(self.records[number] for number in sorted(self.records))

    def update(self, number: int, change: Callable[[Release | None], Release]) -> Release:
        self.doom()
        self.records[number] = change(self.records.get(number))
        self.doom()
        return self.records[number]

    def sboms(self) -> frozenset[str]:
        return frozenset(self.kept)

    def sbom(self, path: str) -> bytes:
        return self.kept[path]

    def keep_sbom(self, path: str, data: bytes) -> None:
        self.doom()
        self.kept[path] = data
        self.doom()


class Inline:
    """An executor that runs each call immediately, so that the same run has the same faults at the same places."""

    def __init__(self, **_: object) -> None: ...

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, *_: object) -> None: ...

    def submit(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:  # noqa: BLE001 - like an executor; Killed is not caught
            future.set_exception(error)
        return future

    def map(self, function: Callable[[Any], T], items: Iterable[Any]) -> Iterable[T]:
        return [function(item) for item in items]


def make_zip(text: str) -> bytes:
    """Return a small zip whose bytes depend on the text only."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("python/demo.py", (1980, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()


def make_artifacts(folder: Path, matrix: Matrix, version: str, build: str = "one") -> BuildOutput:
    """Write the files of ``layers build``; another ``build`` of the same version has other bytes."""
    place = folder / f"{version}-{build}"
    place.mkdir(parents=True, exist_ok=True)
    artifacts = []
    for target in matrix.targets:
        text = f"{version} {target.id} {build}"
        data = make_zip(text)
        write_atomically(place / f"{target.layer_name}.zip", data)  # two runs may write it concurrently
        artifacts.append(
            Artifact(
                target=target.id,
                **target.fields,
                file=f"{target.layer_name}.zip",
                sha256=sha256(data).hexdigest(),
                size=len(data),
                unzipped_size=len(text),
                interpreter=None,
                lock=(),
            )
        )
    return BuildOutput(place, Manifest(package=matrix.package, version=version, artifacts=tuple(artifacts)))


@dataclass
class World:
    """A matrix and its AWS."""

    matrix: Matrix
    aws: SimulatedAws
    folder: Path

    def publish(
        self,
        version: str,
        ledger: MemoryLedger,
        *,
        build: str = "one",
        doom: Doom | None = None,
        cells: Sequence[Cell] | None = None,
        layer_version: int | None = None,
        rebuild: str | None = None,
        stop: Stop | None = None,
        canary: CanaryRegion | None = None,
    ) -> PublishReport:
        """Run ``layers publish --artifacts`` once."""
        doom = doom or Doom()
        ledger.doom = doom
        lambdas = self.lambdas(doom, stop)
        wanted = RequestedRelease(version, layer_version, rebuild, allow_gap=True)
        run = Run(self.matrix, ledger, lambdas, wanted, cells or self.matrix.cells, self.aws.clock, Stop(stop))
        return carry_out(prepare(run), make_artifacts(self.folder, self.matrix, version, build), canary)

    def lambdas(self, doom: Doom | None = None, stop: Stop | None = None) -> dict[str, Lambda]:
        """Return the clients of a process. They send nothing after ``stop``."""
        clock, rate = self.aws.clock, self.matrix.requests_per_second
        return {
            region: RetryingLambda(SimLambda(self.aws, region, TokenBucket(rate, clock, stop), doom or Doom()), clock)
            for region in self.matrix.regions
        }

    def foreign(self, cell: Cell, description: str = "something else", *, public: bool = False) -> LayerVersion:
        """Publish a version of no release in a cell."""
        from scripts.simaws.layers import Statement

        region = self.aws.regions[cell.region]
        content = self.aws.contents.add(make_zip(description))
        version = region.publish(cell.target.layer_name, content, description)
        if public:
            region.add_permission(version.layer_name, version.number, Statement("hand", "*"), "lambda:GetLayerVersion")
        return version

    def history(self, cell: Cell) -> list[LayerVersion]:
        """Return the versions of a cell, oldest first."""
        return sorted(self.aws.versions(cell.region, cell.target.layer_name).values(), key=lambda v: v.number)

    def is_public(self, cell: Cell, number: int) -> bool:
        """Return whether a version is public."""
        region = self.aws.regions[cell.region]
        version = self.aws.versions(cell.region, cell.target.layer_name)[number]
        return any(s.principal == "*" and s.organization is None for s in region.statements(version))


def assert_at_release(world: World, version: str, number: int) -> None:
    """Assert that every cell has the release at the number once, public, with the same bytes in each region."""
    for target in world.matrix.targets:
        cells = [cell for cell in world.matrix.cells if cell.target == target]
        text = world.matrix.describe(target, version)
        holding = {cell.region: [v for v in world.history(cell) if v.description == text] for cell in cells}
        assert {region: [v.number for v in found] for region, found in holding.items()} == {
            cell.region: [number] for cell in cells
        }
        assert len({v.sha256 for found in holding.values() for v in found}) == 1
        for found in holding.values():
            assert found[0].runtimes == (target.runtime.api_name,)
            assert found[0].architectures == (target.architecture.api_name,)
            assert found[0].license == world.matrix.license
        assert all(world.is_public(cell, number) for cell in cells)


def assert_nothing_wrong(world: World, ledger: MemoryLedger) -> None:
    """Assert what always holds: nothing is deleted, no placeholder is public, every record is true."""
    assert not {"DeleteLayerVersion", "RemoveLayerVersionPermission"} & set(world.aws.counts())
    for cell in world.matrix.cells:
        history = world.history(cell)
        assert [v.number for v in history] == list(range(1, len(history) + 1))
        assert not [
            v.number
            for v in history
            if v.description.startswith(PLACEHOLDER_DESCRIPTION) and world.is_public(cell, v.number)
        ]
    assert_ledger_true(world, ledger)


def assert_ledger_true(world: World, ledger: MemoryLedger) -> None:
    """Assert that AWS has what the ledger records for each cell."""
    for release in ledger.releases():
        for record in release.cells:
            cell = next(c for c in world.matrix.cells if (c.region, c.target.id) == record.key)
            version = world.aws.versions(record.region, record.layer_name)[record.layer_version]
            assert (version.arn, version.sha256, version.size) == (record.arn, record.sha256, record.size)
            assert version.description == world.matrix.describe(cell.target, release.version)
            assert record.published == world.aws.wall_time(version.created).replace(microsecond=0)
            assert not record.public or world.is_public(cell, record.layer_version)


def assert_recorded(world: World, ledger: MemoryLedger, version: str, number: int) -> None:
    """Assert that the ledger has the full release and marks it complete."""
    release = ledger.records[number]
    assert release.version == version
    assert release.completed is not None
    assert {record.key for record in release.cells if record.public} == {
        (cell.region, cell.target.id) for cell in world.matrix.cells
    }
