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
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from builder.model.artifact import Artifact, sha256_of, write_atomically

_DAY = 24 * 3600
LIMIT = 4 << 30  #: bytes; the entries used longest ago go first


def default_folder() -> Path:
    """``LAYERS_CACHE_DIR``, or the place that the system has for caches."""
    if named := os.environ.get("LAYERS_CACHE_DIR"):
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_cache_dir("strands-layers", appauthor=False))


def key_of(*parts: object) -> str:
    """The key of what is made from ``parts`` (anything JSON can say)."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Cache:
    """Finished zips, each a folder of the zip and its facts."""

    folder: Path

    def take(self, key: str, folder: Path, there: Path | None = None) -> Artifact | None:
        """Copy a zip and its SBOM into ``folder`` and give their facts; None where there is none or it is damaged.

        What lies in the folder ``there`` already, with the right bytes, is not copied.
        """
        entry = self.folder / "zips" / key
        try:
            promised, _, facts = (entry / "facts").read_bytes().partition(b"\n")
            if promised.decode("ascii", "replace") != hashlib.sha256(facts).hexdigest():
                raise ValueError("damaged")
            artifact = Artifact.model_validate_json(facts)
            for name, sha256 in _files(artifact):
                if there and (there / name).is_file() and sha256_of(there / name) == sha256:
                    continue
                shutil.copyfile(entry / name, folder / name)
                if sha256_of(folder / name) != sha256:
                    raise ValueError("damaged")
        except (FileNotFoundError, NotADirectoryError, PermissionError, ValueError):
            shutil.rmtree(entry, ignore_errors=True)
            return None
        with suppress(OSError):  # the time of its last use; a cache that cannot be written serves as well
            os.utime(entry)
        return artifact

    def put(self, key: str, folder: Path, artifact: Artifact) -> None:
        """Keep an artifact whose files lie in ``folder``. A cache that cannot be written fails no build."""
        entry = self.folder / "zips" / key
        aside = None
        try:
            entry.parent.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(prefix=".new-", dir=entry.parent))
            for name, _ in _files(artifact):
                shutil.copyfile(folder / name, aside / name)
            facts = artifact.model_dump_json().encode()
            (aside / "facts").write_bytes(hashlib.sha256(facts).hexdigest().encode() + b"\n" + facts)
            aside.rename(entry)
        except OSError:
            if aside is not None:
                shutil.rmtree(aside, ignore_errors=True)
            return
        self.prune(LIMIT)

    def recall(self, key: str, seconds: float) -> str | None:
        """A text that was kept less than ``seconds`` ago; None where there is none or it is damaged."""
        path = self.folder / "answers" / key
        try:
            if not 0 <= time.time() - path.stat().st_mtime < seconds:
                return None
            promised, _, text = path.read_text("utf-8").partition("\n")
        except (OSError, ValueError):
            return None
        return text if hashlib.sha256(text.encode()).hexdigest() == promised else None

    def remember(self, key: str, text: str) -> None:
        """Keep a text for ``recall``."""
        with suppress(OSError):
            folder = self.folder / "answers"
            for old in folder.iterdir() if folder.is_dir() else ():
                if time.time() - old.stat().st_mtime > _DAY:
                    old.unlink()
            digest = hashlib.sha256(text.encode()).hexdigest()
            write_atomically(folder / key, f"{digest}\n{text}".encode(), flush=False)

    def clean(self) -> int:
        """Remove everything; gives the bytes removed."""
        shutil.rmtree(self.folder / "answers", ignore_errors=True)
        return self.prune(0)

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


def _files(artifact: Artifact) -> list[tuple[str, str]]:
    """The artifact's files with the sha256 of each."""
    sbom = [(artifact.sbom, artifact.sbom_sha256)] if artifact.sbom and artifact.sbom_sha256 else []
    return [(artifact.file, artifact.sha256), *sbom]


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
