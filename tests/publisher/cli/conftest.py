"""Fixtures of the tests of commands."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.conftest import Sandbox
from tests.fakes.command import Layers
from tests.publisher.catalog.catalog_cases import MATRIX_TEXT, catalog_matrix, history, write_project


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    """Return ``layers`` with the ledger of ``catalog_cases``."""
    write_project(tmp_path, history(catalog_matrix()))
    return Layers(tmp_path, keys=yaml.safe_load(MATRIX_TEXT))


@pytest.fixture
def released(sandbox: Sandbox, tmp_path: Path) -> Layers:
    """Return ``layers`` after release 1.0: it is public everywhere."""
    made = Layers(tmp_path)
    made.keys["parameters"] = {"prefix": "/demo"}
    assert made.publish("1.0").code == 0
    return made
