"""Small matrices and remote states for the tests of number and plan."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from hashlib import sha256

from builder.model.matrix import Cell, Matrix
from builder.model.target import Target
from publisher.aws.gateway import Failure, Grant, Held, Listed
from publisher.ledger.release import CellRecord, Release, TargetRecord
from publisher.reconcile.state import CellState, Remote

PUBLIC = (Grant("public", "*"),)
WHEN = datetime(2026, 11, 23, tzinfo=timezone.utc)


def small_matrix(**changes: object) -> Matrix:
    """Two Pythons, one architecture, three regions."""
    keys: dict[str, object] = {
        "account": "123456789012",
        "package": "demo",
        "python": ["3.12", "3.13"],
        "architectures": ["x86_64"],
        "regions": ["us-east-1", "eu-west-1", "ap-south-1"],
    }
    return Matrix.model_validate({**keys, **changes})


def digest(text: str) -> str:
    """A sha256 that stands for some bytes."""
    return sha256(text.encode()).hexdigest()


def listed(matrix: Matrix, cell: Cell, number: int, version: str | None) -> Listed:
    """A version as a list shows it: a release of ``version``, or something foreign."""
    description = matrix.describe(cell.target, version) if version else "something else"
    return Listed(cell.target.layer_name, number, matrix.layer_arn(cell, number), description, "")


def held(matrix: Matrix, cell: Cell, number: int, version: str | None, content: str) -> Held:
    """The same, read whole."""
    seen = listed(matrix, cell, number, version)
    return Held(seen.layer_name, number, seen.arn, seen.description, "", sha256=digest(content), size=1)


def history(matrix: Matrix, cell: Cell, versions: list[str | None]) -> CellState:
    """A cell whose numbers 1, 2, … hold these versions, all of them listed."""
    seen = {n: listed(matrix, cell, n, version) for n, version in enumerate(versions, 1)}
    return CellState(len(versions), seen)


def remote(matrix: Matrix, states: Mapping[Cell, CellState], silent: Mapping[str, Failure] | None = None) -> Remote:
    """A remote state: these cells, and nothing in the others that answer."""
    silent = silent or {}
    return Remote({cell: states.get(cell, CellState()) for cell in matrix.cells if cell.region not in silent}, silent)


def target_record(target: Target, content: str) -> TargetRecord:
    """What a ledger says of a target."""
    return TargetRecord(
        python=target.python,
        architecture=target.architecture,
        layer_name=target.layer_name,
        sha256=digest(content),
        size=1,
    )


def release(matrix: Matrix, number: int, version: str, cells: tuple[Cell, ...], **changes: object) -> Release:
    """A recorded release whose bytes in each target are ``<version>/<target>``."""
    record = Release(
        account=matrix.account,
        package=matrix.package,
        layer_name=matrix.layer_name,
        version=version,
        layer_version=number,
        begun=WHEN,
        targets=tuple(target_record(target, f"{version}/{target.id}") for target in matrix.targets),
        cells=tuple(
            CellRecord(
                region=cell.region,
                python=cell.target.python,
                architecture=cell.target.architecture,
                layer_name=cell.target.layer_name,
                layer_version=number,
                arn=matrix.layer_arn(cell, number),
                sha256=digest(f"{version}/{cell.target.id}"),
                size=1,
                published=WHEN,
                public=True,
            )
            for cell in cells
        ),
    )
    return record.model_copy(update=changes)
