"""Small matrices and remote states for the tests of number and plan."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from hashlib import sha256

from builder.model.matrix import Cell, Matrix
from builder.model.target import Target
from publisher.aws.gateway import Failure, Grant, ListedVersion, PublishedVersion
from publisher.ledger.release import CellRecord, Release, TargetRecord
from publisher.reconcile.state import CellState, Remote

PUBLIC = (Grant("public", "*"),)
WHEN = datetime(2026, 11, 23, tzinfo=timezone.utc)


def small_matrix(**changes: object) -> Matrix:
    """Return a matrix of two Pythons, one architecture and three regions."""
    keys: dict[str, object] = {
        "account": "123456789012",
        "package": "demo",
        "python": ["3.12", "3.13"],
        "architectures": ["x86_64"],
        "regions": ["us-east-1", "eu-west-1", "ap-south-1"],
    }
    return Matrix.model_validate({**keys, **changes})


def digest(text: str) -> str:
    """Return the sha256 of a text, as the digest of some bytes."""
    return sha256(text.encode()).hexdigest()


def listed(matrix: Matrix, cell: Cell, number: int, version: str | None) -> ListedVersion:
    """Return a version as lists show it: a release of ``version``, or of no release if it is None."""
    description = matrix.describe(cell.target, version) if version else "something else"
    return ListedVersion(cell.target.layer_name, number, matrix.layer_arn(cell, number), description, "")


def held(matrix: Matrix, cell: Cell, number: int, version: str | None, content: str) -> PublishedVersion:
    """Return a version with all its fields."""
    seen = listed(matrix, cell, number, version)
    return PublishedVersion(seen.layer_name, number, seen.arn, seen.description, "", sha256=digest(content), size=1)


def history(matrix: Matrix, cell: Cell, versions: list[str | None]) -> CellState:
    """Return a cell that has these versions at numbers 1, 2, …, all listed."""
    seen = {n: listed(matrix, cell, n, version) for n, version in enumerate(versions, 1)}
    return CellState(len(versions), seen)


def remote(matrix: Matrix, states: Mapping[Cell, CellState], silent: Mapping[str, Failure] | None = None) -> Remote:
    """Return a remote state with these cells; the other reachable ones are empty."""
    silent = silent or {}
    return Remote({cell: states.get(cell, CellState()) for cell in matrix.cells if cell.region not in silent}, silent)


def target_record(target: Target, content: str) -> TargetRecord:
    """Return a target's facts in a ledger."""
    return TargetRecord(
        **target.fields,
        sha256=digest(content),
        size=1,
    )


def release(matrix: Matrix, number: int, version: str, cells: tuple[Cell, ...], **changes: object) -> Release:
    """Return a recorded release; the bytes of each target are ``<version>/<target>``."""
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
                **cell.target.fields,
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
