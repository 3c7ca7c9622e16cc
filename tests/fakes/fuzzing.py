"""Call parsers with generated input: a few examples in the test suite, a minute each with ``--thorough``."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import THOROUGH

MINUTE = 60 if THOROUGH else 0
#: Limit for one input, generous because the machine may be busy.
MAX_SECONDS = 5.0
#: Values that break code which trusts a document.
HOSTILE: tuple[Any, ...] = (
    None, True, -1, 0, 10**30, 1.5, float("inf"), [], {}, [[]], {"a": 1}, "", "x" * 5000, "1" * 5000, "２",
    "\u202e", "\ud800", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59",
    "2026-11-23", "\x1b[31m\r\n::error::x|<b>`",
    "{}", "{version}", "{0.__class__}", "%s", "us-east-1", "aws", "py3.12-x86_64", "3.12", "arm64",
)  # fmt: skip


def fuzz(strategy: st.SearchStrategy[Any], parse: Callable[[Any], object]) -> None:
    """Call a parser with generated examples; with ``--thorough``, for a minute."""

    @given(strategy)
    @settings(max_examples=500 if MINUTE else 25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def examples(value: Any) -> None:
        started = time.process_time()
        parse(value)
        assert time.process_time() - started < MAX_SECONDS

    end = time.monotonic() + MINUTE
    examples()
    while time.monotonic() < end:
        examples()


def mutated(data: bytes, words: tuple[bytes, ...] = ()) -> st.SearchStrategy[bytes]:
    """Generate the data with bytes replaced, words inserted and the end removed."""
    places = st.integers(0, max(len(data) - 1, 0))
    pieces = st.binary(max_size=6) | st.sampled_from(words or (b"\0",))
    edits = st.lists(st.tuples(places, pieces, st.integers(0, 8)), max_size=10)

    def apply(edits: list[tuple[int, bytes, int]], end: int) -> bytes:
        result = data
        for at, piece, dropped in edits:
            result = result[:at] + piece + result[at + dropped :]
        return result[: len(result) - end]

    return st.builds(apply, edits, st.just(0) | places)


def damaged(document: Any) -> st.SearchStrategy[Any]:
    """Generate the document with some of its values replaced, removed or renamed."""
    places = list(_places(document))
    damages = st.tuples(
        st.sampled_from(places), st.sampled_from(HOSTILE), st.sampled_from(["replace", "remove", "rename"])
    )

    def apply(edits: list[tuple[tuple[Any, ...], Any, str]]) -> Any:
        result = copy.deepcopy(document)
        for (*path, last), value, kind in edits:
            try:
                holder = result
                for key in path:
                    holder = holder[key]
                old = holder.pop(last) if kind != "replace" else None
                if kind == "replace":
                    holder[last] = copy.deepcopy(value)
                elif kind == "rename":
                    holder[f"{value}"] = old
            except (LookupError, TypeError, AttributeError):  # an earlier edit removed this place
                continue
        return result

    return st.lists(damages, min_size=1, max_size=4).map(apply)


def _places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value of a document."""
    if not isinstance(document, dict | list):
        return
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield (*path, key)
        yield from _places(value, (*path, key))
