"""Fixtures for the tests of ``layers watch``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.command import Layers
from tests.fakes.package_index import PackageIndex, running_index, use_index


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    """Return an empty index that is the only one. The cache is empty, too."""
    with running_index() as running:
        use_index(monkeypatch, f"{running.address}/simple", tmp_path)
        monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path / "cache"))
        yield running


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    """Return ``layers`` without bytecode, which takes no interpreters."""
    made = Layers(tmp_path)
    made.keys["bytecode"] = "off"
    return made
