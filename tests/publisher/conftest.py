"""Fixtures of the tests of commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Sandbox
from tests.fakes.command import Layers


@pytest.fixture
def layers(sandbox: Sandbox, tmp_path: Path) -> Layers:
    """Return ``layers`` in an empty account."""
    return Layers(tmp_path)
