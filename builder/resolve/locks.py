"""The locks of one build: given ones, else resolved by uv."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Final

from pydantic import TypeAdapter

from builder.cache.store import Cache, key_of
from builder.model.artifact import Artifact, Locked
from builder.model.matrix import Matrix
from builder.model.target import Target
from builder.resolve import uv
from builder.resolve.misnamed_wheels import misnamed_wheels_note
from builder.resolve.resolver import Lock, LockInput, lock_input, resolve
from builder.resolve.settings import package_settings
from builder.resolve.version_notes import Package, differing_versions, newest_packages

#: How long a resolved lock is used again for the same input: as long as PyPI lets clients cache its pages.
MAX_LOCK_AGE_SECONDS: Final = 600
_DATED_LOCK: Final = TypeAdapter(tuple[float, tuple[Locked, ...]])


@dataclass(frozen=True)
class Locks:
    """Resolves the targets of one build."""

    matrix: Matrix
    version: str
    exclude_newer: str | None
    given: Mapping[str, Lock]
    cache: Cache
    given_input: LockInput | None = None  #: what the given locks were resolved from, if they were just now

    def begin(self, pool: Executor, targets: Sequence[Target]) -> dict[Target, Future[Lock]]:
        """Start to resolve the targets. The futures raise InputError and BuildError as ``resolve`` does.

        The first target is resolved alone: uv caches the index pages that it fetches, and the others need the same.
        """
        first = pool.submit(self._lock, targets[0])

        def after_first(target: Target) -> Lock:
            wait([first])
            return self._lock(target)

        return {targets[0]: first, **{target: pool.submit(after_first, target) for target in targets[1:]}}

    def notes(self, artifacts: Sequence[Artifact]) -> list[str]:
        """Return lines for the user about the settings in effect and the versions in the locks."""
        lines = differing_versions({artifact.target: artifact.lock for artifact in artifacts})
        resolved = any(artifact.target not in self.given for artifact in artifacts)
        if not resolved:
            return lines
        return [*package_settings(os.environ).notes, *misnamed_wheels_note(os.environ), *lines]

    def input_of(self, target: Target) -> LockInput | None:
        """Return what the target's lock is resolved from; None if that is unknown, as for a recorded lock."""
        if target.id in self.given:
            return self.given_input
        return lock_input(self.matrix, self.version, self.exclude_newer)

    def newest_packages(self, locks: Mapping[Target, Future[Lock]]) -> Sequence[Package]:
        """Wait for the locks and return the newest versions of their packages, for ``older_versions``."""
        inputs = {target: target_input for target in locks if (target_input := self.input_of(target)) is not None}
        if not inputs:
            return []
        target_input = next(iter(inputs.values()))  # the same for every target
        return newest_packages(target_input, {target.id: locks[target].result() for target in inputs}, inputs)

    @cached_property
    def _settings_key(self) -> str | None:
        """A key of what is the same for all targets: settings, uv's version and the files in local indexes.

        None if these files are unknown, so that a cached lock may be outdated.
        """
        files = uv.local_files(os.environ)
        settings = {name: value for name, value in os.environ.items() if name.startswith("UV_")}
        contents = package_settings(os.environ).contents
        return None if files is None else key_of(files, settings, contents, version("uv"))

    def _lock(self, target: Target) -> Lock:
        if given := self.given.get(target.id):
            return given
        inputs = lock_input(self.matrix, self.version)
        key = self._settings_key and key_of(
            inputs.requirements, target.id, uv.platform_options(target), self.exclude_newer, self.matrix.exclude,
            self.matrix.override, self._settings_key,
        )  # fmt: skip
        if key and (cached := self._cached_lock(key)):
            return cached
        lock = resolve(self.matrix, self.version, target, self.exclude_newer)
        if key and all(each.yanked is None for each in lock):  # the cache would lose the reason
            self.cache.write("locks", key, [_DATED_LOCK.dump_json((time.time(), lock))])
        return lock

    def _cached_lock(self, key: str) -> Lock | None:
        """Return a cached lock that was resolved less than MAX_LOCK_AGE_SECONDS ago, or None."""
        try:
            resolved, lock = _DATED_LOCK.validate_json(bytes(self.cache.read("locks", key) or b""))
        except ValueError:  # no entry, or one of another version of the program
            return None
        return lock if 0 <= time.time() - resolved < MAX_LOCK_AGE_SECONDS else None
