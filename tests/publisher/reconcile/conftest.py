"""Fixtures of the tests of the reconciler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from publisher.aws import fanout
from scripts.simaws import SimulatedAws
from tests.fakes.simulated_runs import Inline, World
from tests.publisher.reconcile.plan_cases import small_matrix


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return the small matrix in an empty simulated AWS."""
    matrix = small_matrix()
    return World(matrix, SimulatedAws(matrix.account, matrix.regions), tmp_path)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Run steps one after another, so that an example always has the same faults."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fanout, "ThreadPoolExecutor", Inline)
        yield
