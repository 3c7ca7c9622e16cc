"""A ledger with every kind of release that a table shows: yanked, rebuilt and incomplete."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from builder.model.artifact import Locked
from builder.model.matrix import Matrix
from builder.model.strict_json import dump_json
from publisher.ledger.release import Release, Yanked
from tests.publisher.reconcile.plan_cases import digest, release, small_matrix

DAY = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
REASON = "a {broken} | <wheel>"

MATRIX_TEXT = """\
account: "123456789012"
package: demo-agents
python: ["3.10", "3.12"]
architectures: [x86_64, aarch64]
regions: [us-east-1, eu-west-1, eu-north-1]
"""


def catalog_matrix() -> Matrix:
    """Return the matrix of ``MATRIX_TEXT``."""
    return small_matrix(
        package="demo-agents",
        python=["3.10", "3.12"],
        architectures=["x86_64", "aarch64"],
        regions=["us-east-1", "eu-west-1", "eu-north-1"],
    )


def recorded(matrix: Matrix, number: int, version: str, *, without: frozenset[str] = frozenset()) -> Release:
    """Return a release of day ``number`` in every cell except ``without``; it is complete if ``without`` is empty."""
    made = DAY + timedelta(days=number)
    cells = tuple(cell for cell in matrix.cells if cell.id not in without)
    record = release(matrix, number, version, cells, begun=made, completed=None if without else made)
    lock = (Locked(name="demo-agents", version=version, filename="demo.whl", sha256=digest("wheel")),)
    return record.model_copy(
        update={
            "cells": tuple(c.model_copy(update={"published": made, "size": 3 << 20}) for c in record.cells),
            "targets": tuple(
                t.model_copy(update={"size": 3 << 20, "unzipped_size": 9 << 20, "lock": lock}) for t in record.targets
            ),
        }
    )


def history(matrix: Matrix) -> tuple[Release, ...]:
    """Return 1: 1.0, yanked; 2: 1.1; 3: 1.1 rebuilt; 4: 1.2, not yet in eu-north-1 and one cell of eu-west-1."""
    first = recorded(matrix, 1, "1.0")
    yanked = first.model_copy(
        update={
            "yanked": Yanked(date=DAY + timedelta(days=9), reason=REASON),
            "cells": tuple(cell.model_copy(update={"public": False}) for cell in first.cells),
        }
    )
    rebuilt = recorded(matrix, 3, "1.1").model_copy(update={"rebuild": "CVE-2026-1"})
    absent = {cell.id for cell in matrix.cells if cell.region == "eu-north-1"} | {"eu-west-1/py3.10-aarch64"}
    return yanked, recorded(matrix, 2, "1.1"), rebuilt, recorded(matrix, 4, "1.2", without=frozenset(absent))


def write_project(folder: Path, releases: tuple[Release, ...]) -> list[str]:
    """Write a matrix and a ledger; return the global options that name them."""
    (folder / "matrix.yaml").write_text(MATRIX_TEXT)
    (folder / "ledger").mkdir(exist_ok=True)
    for each in releases:
        (folder / "ledger" / f"{each.layer_version:04d}.json").write_text(dump_json(each.model_dump(mode="json")))
    return ["--matrix", str(folder / "matrix.yaml"), "--ledger", str(folder / "ledger")]
