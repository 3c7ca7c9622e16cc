"""The locks of one build: given ones, else resolved by uv."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from pydantic import TypeAdapter

from builder.cache.store import Cache, key_of
from builder.model.artifact import Artifact, Locked
from builder.model.matrix import Matrix
from builder.model.target import Target
from builder.resolve import uv
from builder.resolve.resolver import Lock, bounds_of_matrix, requirements_of_matrix, resolve
from builder.resolve.settings import package_settings
from builder.resolve.version_notes import differing_versions, older_versions

#: How long a resolved lock is used again for the same input: as long as PyPI lets clients cache its pages.
LOCK_SECONDS: Final = 600
_DATED_LOCK: Final = TypeAdapter(tuple[float, tuple[Locked, ...]])


@dataclass(frozen=True)
class Locks:
    """Resolves the targets of one build."""

    matrix: Matrix
    version: str
    exclude_newer: str | None
    given: Mapping[str, Lock]
    cache: Cache

    def begin(self, pool: Executor, targets: Sequence[Target]) -> dict[Target, Future[Lock]]:
        """Start to resolve the targets. The futures raise InputError and BuildError as ``resolve`` does.

        The first target is resolved alone: uv caches the index pages that it fetches, and the others need the same.
        """
        first = pool.submit(self._lock, targets[0])

        def after_first(target: Target) -> Lock:
            wait([first])
            return self._lock(target)

        return {targets[0]: first, **{target: pool.submit(after_first, target) for target in targets[1:]}}

    def notes(self, targets: Sequence[Target], artifacts: Sequence[Artifact]) -> list[str]:
        """Return lines for the user about the settings in effect and the versions in the locks."""
        lines = differing_versions({artifact.target: artifact.lock for artifact in artifacts})
        resolved = [target for target in targets if target.id not in self.given]
        if resolved:
            lines = [*package_settings(os.environ).notes, *lines]
        if resolved and self.matrix.requirements:
            lock = next(artifact.lock for artifact in artifacts if artifact.target == resolved[0].id)
            requirements = requirements_of_matrix(self.matrix, self.version)
            bounds = bounds_of_matrix(self.matrix)
            lines += older_versions(requirements, resolved[0], lock, bounds, self.exclude_newer)
        return lines

    def _lock(self, target: Target) -> Lock:
        return self.given.get(target.id) or self._resolve(target)

    def _resolve(self, target: Target) -> Lock:
        settings = {name: value for name, value in os.environ.items() if name.startswith("UV_")}
        wanted = requirements_of_matrix(self.matrix, self.version)
        key = key_of(
            wanted, target.id, uv.platform_options(target), self.exclude_newer, settings,
            package_settings(os.environ).contents, self.matrix.exclude, self.matrix.override, version("uv"),
        )  # fmt: skip
        if uv.asks_the_web_only(os.environ) and (kept := self._kept(key)):
            return kept
        lock = resolve(self.matrix, self.version, target, self.exclude_newer)
        self.cache.write("locks", key, [_DATED_LOCK.dump_json((time.time(), lock))])
        return lock

    def _kept(self, key: str) -> Lock | None:
        """Return a cached lock that was resolved less than LOCK_SECONDS ago, or None."""
        try:
            resolved, lock = _DATED_LOCK.validate_json(bytes(self.cache.read("locks", key) or b""))
        except ValueError:  # no entry, or one of another version of the program
            return None
        return lock if 0 <= time.time() - resolved < LOCK_SECONDS else None
