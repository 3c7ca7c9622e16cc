"""Fixtures of the tests of ``package``."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """Return an app with the guide's layout: ``lambda/`` with the handler, ``requirements.txt`` beside it."""
    folder = tmp_path / "project" / "lambda"
    folder.mkdir(parents=True)
    (folder / "agent_handler.py").write_text("def handler(event, context):\n    return 'ok'\n")
    return folder
