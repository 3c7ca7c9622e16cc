"""The program's own cache: files of bytes by kind and key, bounded in size, used by any number of processes at once.

An entry is never trusted by its name. Its last 32 bytes are the sha256 of its kind, key and content, and the current
user must own it. A damaged, renamed or foreign entry counts as absent. A cache that cannot be written slows builds down
and fails none.
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

#: What is kept: the packed files of a wheel, its bytecode for one interpreter, the facts of a build, a lock.
Kind = Literal["wheels", "bytecode", "builds", "locks"]
#: The entries used longest ago are deleted first.
MAX_CACHE_BYTES: Final = 4 << 30
_DIGEST_BYTES = 32
_UNFINISHED_PREFIX = ".new-"
#: A file that a killed process left unfinished is deleted after this time.
_UNFINISHED_SECONDS = 24 * 3600


def default_folder() -> Path:
    """Return ``LAYERS_CACHE_DIR``, or the platform's folder for caches."""
    if named := os.environ.get("LAYERS_CACHE_DIR"):
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_cache_dir("strands-layers", appauthor=False))


def key_of(*parts: object) -> str:
    """Return the key of what is made from ``parts``, which are values that JSON can express."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Cache:
    """The entries below a folder. Every method may be called from any thread."""

    folder: Path

    def read(self, kind: Kind, key: str) -> memoryview | None:
        """Return an entry's content, mapped into memory; None if there is no valid entry."""
        path = self.folder / kind / key
        try:
            # Without O_NONBLOCK, opening a named pipe that somebody put there would wait for its writer.
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
        """Keep an entry with the content of ``parts`` one after the other."""
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
        """Return the bytes in the cache."""
        return sum(size for _, _, size in self._files())

    def prune(self, limit: int = MAX_CACHE_BYTES) -> int:
        """Delete what was used longest ago until the rest has at most ``limit`` bytes. Return the bytes deleted."""
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

    def clean(self) -> int:
        """Delete every entry. Return the bytes deleted."""
        return self.prune(0)

    def _files(self) -> Iterable[tuple[float, Path, int]]:
        """Each entry: when it was used, its path, its size. The folder may hold other files, which are not touched."""
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
