"""Fixtures of the tests of the reconciler."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.simaws import SimulatedAws
from tests.fakes.simulated_runs import World
from tests.publisher.reconcile.plan_cases import small_matrix


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return the small matrix in an empty simulated AWS."""
    matrix = small_matrix()
    return World(matrix, SimulatedAws(matrix.account, matrix.regions), tmp_path)
