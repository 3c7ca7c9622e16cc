"""Fixtures of the tests of commands."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.fakes.command import Layers
from tests.publisher.catalog.catalog_cases import MATRIX_TEXT, catalog_matrix, history, write_project


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    """Return ``layers`` with the ledger of ``catalog_cases``."""
    write_project(tmp_path, history(catalog_matrix()))
    return Layers(tmp_path, keys=yaml.safe_load(MATRIX_TEXT))
