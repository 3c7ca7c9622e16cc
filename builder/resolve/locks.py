"""The locks of one build: those that were given, and otherwise the index's answers.

An answer of the web is good for as long as the web's own caches hold it, and then not asked for again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final

from pydantic import TypeAdapter

from builder.cache.zip_cache import Cache, key_of
from builder.model.artifact import Locked
from builder.model.matrix import Matrix
from builder.model.target import Target
from builder.resolve import uv
from builder.resolve.resolver import Lock, requirements_of_matrix, resolve

#: How long a lock that was resolved is taken again for the same question: as long as PyPI lets its pages be kept.
ANSWER_SECONDS: Final = 600
#: Questions to the index at once, after the first.
_AT_ONCE: Final = 3
_LOCK: Final = TypeAdapter(tuple[Locked, ...])


class _Admission:
    """Lets the first question go alone, so that the pages it fetches serve the others; then some at once."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(1)
        self._first = True

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._free:
            try:
                yield
            finally:
                first, self._first = self._first, False
                if first:
                    self._free.release(_AT_ONCE - 1)


@dataclass
class Locks:
    """Gives each target its lock. May be asked from many threads at once."""

    matrix: Matrix
    version: str
    exclude_newer: str | None
    given: Mapping[str, Lock]
    cache: Cache
    _admission: _Admission = field(default_factory=_Admission)

    def of(self, target: Target) -> Lock:
        """The target's lock. InputError and BuildError as ``resolve`` raises them."""
        return self.given.get(target.id) or self._resolve(target)

    def _resolve(self, target: Target) -> Lock:
        asked = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_INDEX_URL"))}
        wanted = requirements_of_matrix(self.matrix, self.version)
        key = key_of(wanted, target.id, uv.platform_options(target), self.exclude_newer, asked, version("uv"))
        if uv.asks_the_web_only(os.environ) and (kept := self.cache.recall(key, ANSWER_SECONDS)):
            return _LOCK.validate_json(kept)
        with self._admission():
            lock = resolve(self.matrix, self.version, target, self.exclude_newer)
        self.cache.remember(key, _LOCK.dump_json(lock).decode())
        return lock
