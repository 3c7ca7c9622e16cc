"""Fixtures for the builder's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.wheels import only_index


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder of wheels that is uv's only index. The cache is empty, too."""
    folder = tmp_path / "index"
    folder.mkdir()
    only_index(monkeypatch, folder)
    monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path / "cache"))
    return folder
