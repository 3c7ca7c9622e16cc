"""The locks of one build: given ones, else resolved by uv."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass

from builder.model.artifact import Artifact
from builder.model.matrix import Matrix
from builder.model.target import Target
from builder.resolve.lock_cache import LockCache
from builder.resolve.misnamed_wheels import misnamed_wheels_note
from builder.resolve.resolver import Lock, LockInput, lock_input, resolve
from builder.resolve.settings import package_settings
from builder.resolve.version_notes import Package, differing_versions, newest_packages


@dataclass(frozen=True)
class Locks:
    """Resolves the targets of one build."""

    matrix: Matrix
    version: str
    exclude_newer: str | None
    given: Mapping[str, Lock]
    cache: LockCache
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

    def _lock(self, target: Target) -> Lock:
        if given := self.given.get(target.id):
            return given
        return resolve(self.matrix, self.version, target, self.exclude_newer, self.cache.resolve_requirements)
