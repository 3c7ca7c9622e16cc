"""Doing a thing once for each key, though many threads want it at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Once(Generic[K, V]):
    """Makes the value of a key when it is first asked for; who asks meanwhile waits. A failure is not kept."""

    def __init__(self, make: Callable[[K], V]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._turns: dict[K, threading.Lock] = {}
        self._made: dict[K, V] = {}

    def __call__(self, key: K) -> V:
        with self._lock:
            turn = self._turns.setdefault(key, threading.Lock())
        with turn:
            if key not in self._made:
                self._made[key] = self._make(key)
            return self._made[key]
