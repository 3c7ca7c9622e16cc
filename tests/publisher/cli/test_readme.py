"""README.md shows what the commands print."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from builder.model.matrix_file import load_matrix
from publisher.cli.group import layers as program
from publisher.ledger.folder import file_name, record_bytes
from tests import REPOSITORY
from tests.publisher.reconcile.plan_cases import release

MEGABYTE = 1 << 20


def test_the_demo_shows_the_table_of_describe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    matrix = load_matrix(REPOSITORY / "layer_matrix.yaml")
    day = datetime(2026, 11, 26, tzinfo=timezone.utc)
    made = release(matrix, 1, "1.62.0", matrix.cells, completed=day)
    sizes = {"size": int(34.6 * MEGABYTE), "unzipped_size": int(74.9 * MEGABYTE)}
    cells = tuple(cell.model_copy(update={"published": day, "size": sizes["size"]}) for cell in made.cells)
    targets = tuple(target.model_copy(update=sizes) for target in made.targets)
    (tmp_path / file_name(1)).write_bytes(record_bytes(made.model_copy(update={"cells": cells, "targets": targets})))
    options = ["--matrix", str(REPOSITORY / "layer_matrix.yaml"), "--ledger", str(tmp_path)]
    program.main([*options, "describe", "--region", "us-east-1"], standalone_mode=False)
    table = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith(("region", "us-east-1  3.10    x86"))
    ]
    shown = "".join(f"    {line}\n" for line in table)
    assert len(table) == 2
    assert shown in (REPOSITORY / "README.md").read_text()
