"""Installing a lock for a target: uv unpacks exactly the locked wheels, each proved by its hash; nothing is executed.

What comes back is every file that belongs into the zip, with its hash proved against the wheel's own RECORD, and
``RECORD`` rewritten for what is left.
"""

from __future__ import annotations

import base64
import csv
import io
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from builder import uv
from builder.artifact import sha256_of, write_atomically
from builder.errors import BuildError
from builder.matrix import Target
from builder.resolve import Lock, requirements_of

#: Files of an installation that say how it was made, not what it is (PEP 376, PEP 610, uv's own).
_TRACES = frozenset({"INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"})


@dataclass(frozen=True)
class Installed:
    """One file of an installed target: its path below ``python/``, and where its bytes lie."""

    path: str
    source: Path
    sha256: str
    size: int
    executable: bool


def install(target: Target, lock: Lock, folder: Path) -> None:
    """Unpack the lock's wheels into ``folder``. BuildError where an index has not these bytes."""
    requirements = folder.parent / f"{folder.name}.txt"
    write_atomically(requirements, requirements_of(lock).encode())
    answer = uv.run(
        [
            "pip", "install", "--target", str(folder), "--no-deps", "--require-hashes", "--no-progress",
            "--python", sys.executable, *uv.platform_options(target), "--requirements", str(requirements),
        ],
        folder.parent,
    )  # fmt: skip
    if not answer.ok:
        raise _explain(answer.err, target)


class Hashes:
    """sha256 of files, each different file once: installations of several targets share files by hard links."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], str] = {}

    def of(self, path: Path) -> str:
        """The file's sha256 in hex."""
        status = path.stat()
        key = status.st_dev, status.st_ino
        if key not in self._known:
            self._known[key] = sha256_of(path)
        return self._known[key]


def collect(target: Target, folder: Path, hashes: Hashes) -> tuple[tuple[Installed, ...], dict[str, bytes]]:
    """The files of an installation, and the rewritten RECORDs by path. BuildError where a wheel lies about itself."""
    files = dict(_walk(folder, hashes))
    records: dict[str, bytes] = {}
    for path in [path for path in files if path.endswith(".dist-info/RECORD")]:
        records[path] = _checked_record(target, path, files)
        del files[path]
    return tuple(files[path] for path in sorted(files)), records


def _walk(folder: Path, hashes: Hashes) -> Iterator[tuple[str, Installed]]:
    for source in sorted(folder.rglob("*")):
        path = source.relative_to(folder).as_posix()
        if source.is_symlink():
            raise BuildError("a wheel holds a link; Lambda layers must not", where=path)
        if source.is_dir() or not is_wanted(path):
            continue
        executable = bool(source.stat().st_mode & 0o111)
        yield path, Installed(path, source, hashes.of(source), source.stat().st_size, executable)


def is_wanted(path: str) -> bool:
    """Whether a file of an installation belongs into a layer. docs/building.md lists these rules.

    Out go only things that nothing can miss at run time: console scripts (their first line names the interpreter of
    the building machine, and a layer's ``python/bin`` is not on the PATH), bytecode that the building machine made,
    and the installer's notes.
    """
    parts = PurePosixPath(path).parts
    if parts[0] in ("bin", ".lock") or "__pycache__" in parts or path.endswith((".pyc", ".pyo")):
        return False
    return not (len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] in _TRACES)


def _checked_record(target: Target, record: str, files: Mapping[str, Installed]) -> bytes:
    """The RECORD of a distribution, proved against its files and rewritten for those that are left."""
    rows = list(csv.reader(io.StringIO(files[record].source.read_text("utf-8"))))
    kept: list[tuple[str, str, str]] = []
    for row in rows:
        path = _normal(row[0]) if row else None
        if path is None or path not in files or path == record:
            continue
        file = files[path]
        promised = _hex(row[1]) if len(row) > 1 else None
        if promised is not None and promised != file.sha256:
            raise BuildError(
                f"{path} has other bytes than its wheel's RECORD says",
                where=f"{target.id}, {record}",
                fix="clean uv's cache (`uv cache clean`) and build again",
            )
        encoded = base64.urlsafe_b64encode(bytes.fromhex(file.sha256)).rstrip(b"=").decode()
        kept.append((path, f"sha256={encoded}", str(file.size)))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([*sorted(set(kept)), (record, "", "")])
    return text.getvalue().encode()


def _normal(path: str) -> str | None:
    """A path of a RECORD, or None where it leads out of the installation (console scripts: ``../../bin/x``)."""
    pure = PurePosixPath(path)
    return None if pure.is_absolute() or ".." in pure.parts else pure.as_posix()


def _hex(entry: str) -> str | None:
    algorithm, _, digest = entry.partition("=")
    if algorithm != "sha256":
        return None
    try:
        return base64.urlsafe_b64decode(digest + "=" * (-len(digest) % 4)).hex()
    except ValueError:
        return None


def _explain(text: str, target: Target) -> BuildError:
    flat = " ".join(text.split())
    fix = "run the command again"
    if "Hash mismatch" in flat or "hash" in flat.lower():
        return BuildError(
            f"the index gives other bytes than were locked: {flat[:500]}",
            where=target.id,
            fix="resolve again, or find out who changed them",
        )
    if "No space left" in flat:
        return BuildError("the disk is full", where=target.id, fix="make room, then run the command again")
    if re.search(r"Failed to (fetch|download)|error sending request", flat):
        flat = "the package index does not answer"
    return BuildError(f"the wheels cannot be installed: {flat[:500]}", where=target.id, fix=fix)


def sizes_by_package(files: Iterable[Installed]) -> list[tuple[str, int]]:
    """The unzipped size of each top-level name, the biggest first: what to look at when a zip is too large."""
    sizes: dict[str, int] = {}
    for file in files:
        name = file.path.split("/", 1)[0]
        sizes[name] = sizes.get(name, 0) + file.size
    return sorted(sizes.items(), key=lambda item: -item[1])
