"""Locks that were resolved a few minutes ago, used again for the same input."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Final

from pydantic import TypeAdapter

from builder.cache.store import Cache, key_of
from builder.metadata.requires_dist import name_of
from builder.model.artifact import Locked
from builder.model.target import Target
from builder.resolve import uv
from builder.resolve.resolver import Lock, LockInput, resolve_requirements
from builder.resolve.settings import package_settings

#: How long a resolved lock is used again for the same input: as long as PyPI lets clients cache its pages.
MAX_LOCK_AGE_SECONDS: Final = 600
_DATED_LOCK: Final = TypeAdapter(tuple[float, tuple[Locked, ...]])


@dataclass(frozen=True)
class LockCache:
    """The cached locks, for the settings that are in effect now. Thread-safe."""

    cache: Cache

    def resolve_requirements(self, inputs: LockInput, target: Target) -> Lock:
        """Return the lock that was resolved from the same ``inputs`` a few minutes ago; otherwise resolve it now."""
        key = self._key(inputs, target)
        cached = self._read(key) if key else None
        required = {name_of(text) for text in inputs.requirements if ";" not in text}  # without a marker
        if cached and required <= {each.name for each in cached}:
            return cached
        lock = resolve_requirements(inputs, target)
        if key and _is_kept_whole(lock):
            self.cache.write("locks", key, [_DATED_LOCK.dump_json((time.time(), lock))])
        return lock

    @cached_property
    def _settings_key(self) -> str | None:
        """A key of what is the same for all targets: settings, uv's version and the files in local indexes.

        None if a cached lock may be outdated, because an index may have changed.
        """
        files = uv.local_files(os.environ)
        settings = {name: value for name, value in os.environ.items() if name.startswith("UV_")}
        contents = package_settings(os.environ).contents
        return None if files is None else key_of(files, settings, contents, version("uv"))

    def _key(self, inputs: LockInput, target: Target) -> str | None:
        bounds = inputs.bounds
        texts = (*inputs.requirements, *bounds.constraints, *bounds.overrides)
        # The files behind a direct reference (`name @ URL`) and in a project's own index may change at any time.
        if self._settings_key is None or bounds.index_of or any("@" in text for text in texts):
            return None
        hashes = {name: sorted(digests) for name, digests in bounds.hashes.items()}
        return key_of(
            inputs.requirements, {**asdict(bounds), "hashes": hashes}, inputs.exclude_newer,
            target.id, uv.platform_options(target), self._settings_key,
        )  # fmt: skip

    def _read(self, key: str) -> Lock | None:
        try:
            resolved, lock = _DATED_LOCK.validate_json(bytes(self.cache.read("locks", key) or b""))
        except ValueError:  # no entry, or one of another version of the program
            return None
        is_recent = 0 <= time.time() - resolved < MAX_LOCK_AGE_SECONDS
        return lock if is_recent and _is_kept_whole(lock) else None


def _is_kept_whole(lock: Lock) -> bool:
    """Whether the cache keeps all facts of a lock: an entry has no URLs and no reasons why a version was yanked."""
    return all(each.yanked is None and each.url is None for each in lock)
