"""The program's own cache: finished zips, by what they are made of. Never trusted without its hash.

Entries appear whole (written aside, renamed) and are checked when they are read; a damaged one counts as absent. Two
builds may use one cache at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from builder.artifact import Artifact, sha256_of

#: Part of every key: a change of the zip's making must not meet zips of the old making.
FORMAT = 1
LIMIT = 4 << 30  #: bytes; the entries used longest ago go first


def default_folder() -> Path:
    """``LAYERS_CACHE_DIR``, or the place that the system has for caches."""
    if named := os.environ.get("LAYERS_CACHE_DIR"):
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_cache_dir("strands-layers", appauthor=False))


def key_of(parts: object) -> str:
    """The key of what is made from ``parts`` (anything JSON can say)."""
    return hashlib.sha256(json.dumps([FORMAT, parts], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Cache:
    """Finished zips, each a folder of the zip and its facts."""

    folder: Path

    def take(self, key: str, to: Path) -> Artifact | None:
        """Copy a zip to ``to`` and give its facts; None where there is none or it is damaged."""
        entry = self.folder / "zips" / key
        try:
            artifact = Artifact.model_validate_json((entry / "artifact.json").read_bytes())
            shutil.copyfile(entry / "layer.zip", to)
        except (OSError, ValueError):
            return None
        if sha256_of(to) != artifact.sha256:
            shutil.rmtree(entry, ignore_errors=True)
            return None
        os.utime(entry)
        return artifact

    def put(self, key: str, zip_path: Path, artifact: Artifact) -> None:
        """Keep a zip. A cache that cannot be written is no reason to fail a build."""
        entry = self.folder / "zips" / key
        aside = None
        try:
            entry.parent.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(prefix=".new-", dir=entry.parent))
            shutil.copyfile(zip_path, aside / "layer.zip")
            (aside / "artifact.json").write_text(artifact.model_dump_json(), "utf-8")
            aside.rename(entry)
        except OSError:
            if aside is not None:
                shutil.rmtree(aside, ignore_errors=True)
            return
        self.prune(LIMIT)

    def size(self) -> int:
        """Bytes in the cache."""
        return sum(_size(entry) for entry in self._entries())

    def prune(self, limit: int) -> int:
        """Remove what was used longest ago until the rest fits ``limit`` bytes; gives the bytes removed."""
        entries = sorted(self._entries(), key=_used)
        total = sum(_size(entry) for entry in entries)
        removed = 0
        for entry in entries:
            if total - removed <= limit:
                break
            removed += _size(entry)
            shutil.rmtree(entry, ignore_errors=True)
        return removed

    def _entries(self) -> list[Path]:
        try:
            return list((self.folder / "zips").iterdir())
        except OSError:
            return []


def _size(entry: Path) -> int:
    try:
        return sum(file.stat().st_size for file in entry.iterdir())
    except OSError:
        return 0


def _used(entry: Path) -> float:
    try:
        return entry.stat().st_mtime
    except OSError:
        return 0.0
