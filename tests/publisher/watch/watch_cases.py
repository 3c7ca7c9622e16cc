"""Releases in a ledger and versions on an index, for the tests of ``layers watch``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from builder.model.matrix import Cell
from publisher.ledger.folder import file_name, record_bytes
from publisher.ledger.release import Release
from tests.fakes.command import Layers
from tests.fakes.package_index import PackageIndex
from tests.publisher.reconcile.plan_cases import WHEN, release


def record(layers: Layers, *releases: Release) -> None:
    folder = Path(layers.ledger)
    folder.mkdir(exist_ok=True)
    for each in releases:
        (folder / file_name(each.layer_version)).write_bytes(record_bytes(each))


def released(layers: Layers, number: int, version: str, cells: Sequence[Cell] | None = None, **more: object) -> Release:
    where = layers.matrix.cells if cells is None else tuple(cells)
    whole = len(where) == len(layers.matrix.cells)
    return release(layers.matrix, number, version, where, **{"completed": WHEN if whole else None, **more})


def offer(index: PackageIndex, *versions: str, **more: Any) -> None:
    for version in versions:
        index.add(f"demo-{version}-py3-none-any.whl", **more)
