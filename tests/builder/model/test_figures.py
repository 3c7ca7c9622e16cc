"""Counts as people read them."""

from __future__ import annotations

import pytest

from builder.model.figures import counted


@pytest.mark.parametrize(("count", "words"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_one_thing_is_singular(count: int, words: str) -> None:
    assert counted(count, "file") == words
