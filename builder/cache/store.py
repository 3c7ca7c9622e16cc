"""The build cache: files by kind and key, bounded in size, safe for several processes at once.

The name of an entry proves nothing: its last 32 bytes are the sha256 of its kind, key and content, and the current user
must own it. A damaged, renamed or foreign entry counts as missing. A cache that cannot be written makes builds slower,
but does not fail them.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import stat
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

#: Kinds of entries: the packed files of a wheel, its bytecode for one interpreter, the facts of a build, a lock.
Kind = Literal["wheels", "bytecode", "builds", "locks"]
#: The least recently used entries are deleted first.
MAX_CACHE_BYTES: Final = 4 << 30
_DIGEST_BYTES = 32
_UNFINISHED_PREFIX = ".new-"
#: An unfinished file of a killed process is deleted after this time.
_UNFINISHED_SECONDS = 24 * 3600


def default_folder() -> Path:
    """Return the cache folder: ``LAYERS_CACHE_DIR``, or the platform's folder for caches."""
    if folder := os.environ.get("LAYERS_CACHE_DIR"):
        return Path(folder)
    import platformdirs

    return Path(platformdirs.user_cache_dir("strands-layers", appauthor=False))


def key_of(*parts: object) -> str:
    """Return the cache key for ``parts``, which are JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Cache:
    """A cache in a folder. Thread-safe."""

    folder: Path

    def read(self, kind: Kind, key: str) -> memoryview | None:
        """Return an entry's content, mapped into memory; None if there is no valid entry."""
        path = self.folder / kind / key
        try:
            # Without O_NONBLOCK, opening a named pipe at this path would block until it has a writer.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            try:
                facts = os.fstat(descriptor)
                if not _is_own_file(facts) or facts.st_size <= _DIGEST_BYTES:
                    return None
                view = memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
                with suppress(OSError):
                    os.utime(descriptor)  # the time of the last use, for `prune`
            finally:
                os.close(descriptor)
        except (OSError, ValueError):
            return None
        content, digest = view[:-_DIGEST_BYTES], view[-_DIGEST_BYTES:]
        return content if _digest(kind, key, [content]) == digest else None

    def write(self, kind: Kind, key: str, parts: Iterable[bytes | memoryview]) -> None:
        """Write an entry with the joined ``parts`` as its content."""
        parts = list(parts)
        folder = self.folder / kind
        unfinished = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor, unfinished = tempfile.mkstemp(prefix=_UNFINISHED_PREFIX, dir=folder)
            with os.fdopen(descriptor, "wb") as file:
                file.writelines([*parts, _digest(kind, key, parts)])
            Path(unfinished).replace(folder / key)
        except OSError:
            if unfinished is not None:
                Path(unfinished).unlink(missing_ok=True)

    def size(self) -> int:
        """Return the size of the cache in bytes."""
        return sum(size for _, _, size in self._files())

    def prune(self, limit: int = MAX_CACHE_BYTES) -> int:
        """Delete the least recently used entries until at most ``limit`` bytes remain. Return the bytes deleted."""
        files = sorted(self._files())
        excess = sum(size for _, _, size in files) - limit
        deleted = 0
        for used, path, size in files:
            unfinished = path.name.startswith(_UNFINISHED_PREFIX) and used < time.time() - _UNFINISHED_SECONDS
            if deleted < excess or unfinished:
                with suppress(OSError):
                    path.unlink()
                    deleted += size
        return deleted

    def count(self) -> int:
        """Return the number of entries."""
        return sum(1 for _ in self._files())

    def clean(self) -> int:
        """Delete every entry. Return the bytes deleted."""
        return self.prune(0)

    def _files(self) -> Iterable[tuple[float, Path, int]]:
        """Yield the last use, path and size of each entry. Other files in the folder are not touched."""
        for path in (path for kind in get_args(Kind) for path in (self.folder / kind).glob("*")):
            with suppress(OSError):
                facts = path.lstat()
                yield facts.st_mtime, path, facts.st_size


def _is_own_file(facts: os.stat_result) -> bool:
    """Whether this is a regular file that the current user owns and nobody else may write."""
    return stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & 0o022


def _digest(kind: Kind, key: str, parts: Iterable[bytes | memoryview]) -> bytes:
    digest = hashlib.sha256(f"{kind}/{key}\n".encode())
    for part in parts:
        digest.update(part)
    return digest.digest()
