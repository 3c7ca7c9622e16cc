"""Unpacking wheels: uv installs exactly the locked wheels, each proved by its hash; nothing is executed.

A wheel is unpacked once for all targets whose lock names it. What comes back is every file of each wheel that belongs
into a layer, its hash proved against the wheel's own RECORD.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name

from builder import uv
from builder.artifact import Finding, Locked
from builder.errors import BuildError
from builder.matrix import Target
from builder.resolve import requirements_of
from builder.slim import is_wanted


@dataclass(frozen=True)
class Installed:
    """One file of a wheel: its path below ``python/``, and where its bytes lie."""

    path: str
    source: Path
    sha256: str
    size: int
    executable: bool


@dataclass(frozen=True)
class Wheel:
    """An unpacked wheel: what of it goes into a layer, sorted by path. Its RECORD is not among the files."""

    locked: Locked
    dist_info: str
    files: tuple[Installed, ...]

    @property
    def metadata(self) -> str:
        """The text of its METADATA."""
        path = f"{self.dist_info}/METADATA"
        return next((f.source.read_text("utf-8", "replace") for f in self.files if f.path == path), "")


@dataclass(frozen=True)
class Tree:
    """What the wheels of a target come to together."""

    files: tuple[Installed, ...]  #: sorted by path
    records: Mapping[str, bytes]  #: each wheel's RECORD, true for ``files``
    findings: tuple[Finding, ...]


def unpack(wheels: Sequence[Locked], target: Target, folder: Path) -> dict[Locked, Wheel]:
    """Unpack wheels that run on ``target`` below ``folder``. BuildError where no index has these bytes.

    All are unpacked together, which is fast. Where their RECORDs do not say of each file whose it is (two wheels have
    the same file, a RECORD is not complete), each is unpacked by itself, which is sure.
    """
    _install(wheels, target, folder)
    found = _divide(wheels, folder)
    if found is not None:
        return found

    def alone(locked: Locked) -> Wheel:
        own = folder.with_name(f"{folder.name}-{locked.name}")
        _install([locked], target, own)
        (dist_info,) = _dist_infos(own)
        return _wheel(locked, dist_info, list(_walk(own)))

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return dict(zip(wheels, pool.map(alone, wheels), strict=True))


def merge(wheels: Sequence[Wheel]) -> Tree:
    """Lay wheels over each other. Where two have other bytes for one path, the first by name wins, with a warning."""
    files: dict[str, Installed] = {}
    owner: dict[str, str] = {}
    findings = []
    for wheel in sorted(wheels, key=lambda wheel: wheel.locked.name):
        for file in wheel.files:
            first = files.setdefault(file.path, file)
            if first is file:
                owner[file.path] = wheel.locked.name
            elif first.sha256 != file.sha256:
                findings.append(
                    Finding(
                        level="warning",
                        code="wheels-collide",
                        path=f"python/{file.path}",
                        message=f"{owner[file.path]} and {wheel.locked.name} both have this file; the first's is taken",
                    )
                )
    records = {
        f"{wheel.dist_info}/RECORD": _record(wheel, [f for f in wheel.files if files[f.path].sha256 == f.sha256])
        for wheel in wheels
    }
    return Tree(tuple(files[path] for path in sorted(files)), records, tuple(findings))


def sizes_by_package(wheels: Iterable[Wheel]) -> list[tuple[str, int]]:
    """The unzipped size of each package, the biggest first: what to look at when a zip is too large."""
    sizes = [(wheel.locked.name, sum(file.size for file in wheel.files)) for wheel in wheels]
    return sorted(sizes, key=lambda item: -item[1])


def _install(wheels: Sequence[Locked], target: Target, folder: Path) -> None:
    requirements = folder.with_name(f"{folder.name}.txt")
    requirements.write_text(requirements_of(tuple(wheels)), "utf-8")
    answer = uv.run(
        [
            "pip", "install", "--target", str(folder), "--no-deps", "--require-hashes", "--no-python-downloads",
            "--python", sys.executable, *uv.platform_options(target), "--requirements", str(requirements),
        ],
        folder.parent,
    )  # fmt: skip
    if not answer.ok:
        raise _explain(answer.err, target)


def _divide(wheels: Sequence[Locked], folder: Path) -> dict[Locked, Wheel] | None:
    """Each wheel with its files, or None where the RECORDs do not divide the folder's files between them."""
    files = {file.path: file for file in _walk(folder)}
    by_name = {locked.name: locked for locked in wheels}
    result: dict[Locked, Wheel] = {}
    for dist_info in _dist_infos(folder):
        locked = by_name.get(canonicalize_name(dist_info.split("-")[0]))
        record = files.pop(f"{dist_info}/RECORD", None)
        if locked is None or locked in result or record is None:
            return None
        listed = {row[0] for row in _rows(record.source)} - {record.path}
        if any(path not in files and is_wanted(path) for path in listed):
            return None
        paths = listed & files.keys()
        own = [files.pop(path) for path in paths]
        if any(promise not in (None, actual) for promise, actual in _promises(record.source, own)):
            return None  # another wheel's file may lie over this one's
        result[locked] = _wheel(locked, dist_info, [*own, record])
    return result if len(result) == len(wheels) and not files else None


def _dist_infos(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.dist-info"))


def _wheel(locked: Locked, dist_info: str, files: Sequence[Installed]) -> Wheel:
    """The wheel with its files proved. BuildError where its RECORD says otherwise."""
    record = next((file for file in files if file.path == f"{dist_info}/RECORD"), None)
    if record is None:
        raise BuildError("the wheel has no RECORD", where=locked.filename)
    own = sorted((file for file in files if file is not record), key=lambda file: file.path)
    for file, (promise, actual) in zip(own, _promises(record.source, own), strict=True):
        if promise not in (None, actual):
            raise BuildError(
                f"{file.path} has other bytes than the wheel's RECORD says",
                where=locked.filename,
                fix="clean uv's cache (`uv cache clean`) and build again; if it says so again, the wheel is broken",
            )
    return Wheel(locked, dist_info, tuple(own))


def _walk(folder: Path, below: str = "") -> Iterator[Installed]:
    for entry in os.scandir(folder):
        path = f"{below}{entry.name}"
        if entry.is_symlink():
            raise BuildError("a wheel holds a link; layers must not", where=path)
        if entry.is_dir():
            yield from _walk(Path(entry.path), f"{path}/")
        elif path.endswith(".dist-info/RECORD") or is_wanted(path, entry.path):
            with open(entry.path, "rb") as file:  # noqa: PTH123 - a Path for each of ten thousand files is slow
                content = file.read()
            executable = bool(entry.stat().st_mode & 0o100)
            yield Installed(path, Path(entry.path), hashlib.sha256(content).hexdigest(), len(content), executable)


def _rows(record: Path) -> list[list[str]]:
    try:
        rows = csv.reader(io.StringIO(record.read_text("utf-8"), newline=""))
        return [[_normal(row[0]), *row[1:]] for row in rows if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BuildError(f"a wheel's RECORD cannot be read: {error}", where=record.parent.name) from None


def _normal(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).as_posix()


def _promises(record: Path, files: Sequence[Installed]) -> Iterator[tuple[str | None, str]]:
    """For each file the hash that the RECORD promises (None where it does not), and its own."""
    promised = {row[0]: row[1] for row in _rows(record) if len(row) > 1 and row[1].startswith("sha256=")}
    return ((_hex(promised[f.path]) if f.path in promised else None, f.sha256) for f in files)


def _hex(entry: str) -> str:
    digest = entry.partition("=")[2]
    try:
        return base64.urlsafe_b64decode(digest + "=" * (-len(digest) % 4)).hex()
    except ValueError:
        return "unreadable"


def _record(wheel: Wheel, files: Sequence[Installed]) -> bytes:
    """The RECORD for what is left of a wheel. Bytecode is not listed, as installers do it."""
    rows = [
        (f.path, "sha256=" + base64.urlsafe_b64encode(bytes.fromhex(f.sha256)).rstrip(b"=").decode(), str(f.size))
        for f in files
    ]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([*rows, (f"{wheel.dist_info}/RECORD", "", "")])
    return text.getvalue().encode()


def _explain(text: str, target: Target) -> BuildError:
    flat = uv.without_addresses(" ".join(text.split()))[:500]
    if "hash mismatch" in flat.lower():
        return BuildError(
            f"the index gives other bytes than were locked: {flat}",
            where=target.id,
            fix="resolve again, or find out who changed them",
        )
    if "No space left" in flat:
        return BuildError("the disk is full", where=target.id, fix="make room, then run the command again")
    if re.search(r"error sending request|tcp connect|dns error|timed out", flat):
        return BuildError(f"the package index does not answer: {flat}", where=target.id, fix="run the command again")
    return BuildError(f"the wheels cannot be unpacked: {flat}", where=target.id, fix="run the command again")
