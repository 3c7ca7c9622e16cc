"""What targets share: made once, by whichever needs it first, and nobody fails of what another began."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from builder.pipeline.shared_work import Claims


def test_each_key_is_made_once() -> None:
    claims: Claims[str, str] = Claims()
    made: list[str] = []

    def start(keys: list[str]) -> list[tuple[list[str], Future[Mapping[str, str]]]]:
        made.extend(keys)
        return [(keys, pool.submit(lambda: {key: key.upper() for key in keys}))]

    with ThreadPoolExecutor() as pool:
        one, two = claims.ask("ab", start), claims.ask("bca", start)
        assert (one(), two()) == ({"a": "A", "b": "B"}, {"a": "A", "b": "B", "c": "C"})
    assert made == ["a", "b", "c"]


def test_who_waits_for_what_another_failed_to_make_makes_it() -> None:
    claims: Claims[str, str] = Claims()
    asked = threading.Event()

    def failing() -> Mapping[str, str]:
        asked.wait(10)
        raise LookupError

    def fail(keys: list[str]) -> list[tuple[list[str], Future[Mapping[str, str]]]]:
        return [(keys, pool.submit(failing))]

    def succeed(keys: list[str]) -> list[tuple[list[str], Future[Mapping[str, str]]]]:
        return [(keys, pool.submit(lambda: dict.fromkeys(keys, "made")))]

    with ThreadPoolExecutor() as pool:
        one, two = claims.ask("a", fail), claims.ask("a", succeed)
        asked.set()
        assert two() == {"a": "made"}
        with pytest.raises(LookupError):
            one()
        assert claims.ask("a", fail)() == {"a": "made"}
