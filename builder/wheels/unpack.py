"""Unpacking wheels: uv installs exactly the locked wheels, each proved by its hash; nothing is executed.

A wheel is unpacked once for all targets whose lock names it. What comes back is every file of each wheel that belongs
into a layer, its hash proved against the wheel's own RECORD.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name

from builder.model.artifact import Finding, Locked
from builder.model.errors import BuildError
from builder.model.target import Target
from builder.resolve import uv
from builder.resolve.resolver import requirements_of
from builder.wheels.layer_files import is_wanted
from builder.wheels.record import RecordRow, format_record, parse_record


@dataclass(frozen=True)
class Installed:
    """One file of a wheel: its path below ``python/``, and where its bytes lie."""

    path: str
    source: str
    sha256: str
    size: int
    executable: bool


@dataclass(frozen=True)
class Wheel:
    """An unpacked wheel: what of it goes into a layer, sorted by path. Its RECORD is not among the files."""

    locked: Locked
    dist_info: str
    files: tuple[Installed, ...]
    record: bytes  #: its RECORD, true for ``files``

    @property
    def metadata(self) -> str:
        """The text of its METADATA."""
        path = f"{self.dist_info}/METADATA"
        return next((Path(f.source).read_text("utf-8", "replace") for f in self.files if f.path == path), "")


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
        return _alone(locked, own)

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
    records = {}
    for wheel in wheels:
        left = [file for file in wheel.files if files[file.path].sha256 == file.sha256]
        record = wheel.record if len(left) == len(wheel.files) else _record_of(wheel.dist_info, left)
        records[f"{wheel.dist_info}/RECORD"] = record
    return Tree(tuple(files[path] for path in sorted(files)), records, tuple(findings))


def sizes_by_package(wheels: Iterable[Wheel]) -> list[tuple[str, int]]:
    """The unzipped size of each package, the biggest first: what to look at when a zip is too large."""
    sizes = [(wheel.locked.name, sum(file.size for file in wheel.files)) for wheel in wheels]
    return sorted(sizes, key=lambda item: -item[1])


def _install(wheels: Sequence[Locked], target: Target, folder: Path) -> None:
    """Unpack the wheels into ``folder``. Their hashes say that they are the right ones, wherever they come from: the
    index is asked only for what is not here."""
    with tempfile.TemporaryDirectory(prefix="layers-unpack-") as name:
        requirements = Path(name) / "requirements.txt"
        requirements.write_text(requirements_of(tuple(wheels)), "utf-8")
        command = [
            "pip", "install", "--target", str(folder), "--no-deps", "--require-hashes", "--no-python-downloads",
            "--python", sys.executable, *uv.platform_options(target), "--requirements", str(requirements),
        ]  # fmt: skip
        if uv.run([*command, "--offline"], Path(name)).ok:
            return
        shutil.rmtree(folder, ignore_errors=True)
        answer = uv.run(command, Path(name))
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
        listed = _listed(Path(record.source))
        del listed[record.path]
        if any(path not in files and is_wanted(path) for path in listed):
            return None
        own = [files.pop(path) for path in listed if path in files]
        if _broken_promise(own, listed):
            return None  # another wheel's file may lie over this one's
        result[locked] = _wheel(locked, dist_info, own)
    return result if len(result) == len(wheels) and not files else None


def _dist_infos(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.dist-info"))


def _alone(locked: Locked, folder: Path) -> Wheel:
    """The wheel that the folder holds, with its files proved. BuildError where its RECORD says otherwise."""
    (dist_info,) = _dist_infos(folder)
    files = list(_walk(folder))
    record = next((file for file in files if file.path == f"{dist_info}/RECORD"), None)
    if record is None:
        raise BuildError("the wheel has no RECORD", where=locked.filename)
    own = [file for file in files if file is not record]
    if broken := _broken_promise(own, _listed(Path(record.source))):
        raise BuildError(
            f"{broken.path} has other bytes than the wheel's RECORD says",
            where=locked.filename,
            fix="clean uv's cache (`uv cache clean`) and build again; if it says so again, the wheel is broken",
        )
    return _wheel(locked, dist_info, own)


def _wheel(locked: Locked, dist_info: str, files: Sequence[Installed]) -> Wheel:
    sorted_files = tuple(sorted(files, key=lambda file: file.path))
    return Wheel(locked, dist_info, sorted_files, _record_of(dist_info, sorted_files))


def _walk(folder: Path) -> Iterator[Installed]:
    """The folder's files that belong into a layer, and the RECORDs."""
    buffer = memoryview(bytearray(1 << 18))
    folders = [(str(folder), "")]
    while folders:
        place, below = folders.pop()
        for entry in os.scandir(place):
            path = f"{below}{entry.name}"
            if entry.is_symlink():
                raise BuildError("a wheel holds a link; layers must not", where=path)
            if entry.is_dir():
                folders.append((entry.path, f"{path}/"))
            elif path.endswith(".dist-info/RECORD") or is_wanted(path, entry.path):
                yield _installed(path, entry.path, buffer)


def _installed(path: str, source: str, buffer: memoryview) -> Installed:
    digest = hashlib.sha256()
    with open(source, "rb", buffering=0) as file:  # noqa: PTH123 - a Path for each of ten thousand files is slow
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
        facts = os.fstat(file.fileno())
    return Installed(path, source, digest.hexdigest(), facts.st_size, bool(facts.st_mode & 0o100))


def _listed(record: Path) -> dict[str, RecordRow]:
    """The files that a RECORD lists, each with its row; the RECORD itself in any case."""
    try:
        rows = parse_record(record.read_text("utf-8"))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BuildError(f"a wheel's RECORD cannot be read: {error}", where=record.parent.name) from None
    own = f"{record.parent.name}/RECORD"
    listed = {own: RecordRow(own)}
    for row in rows:
        path = _normal(row.path)
        if row.digest or path not in listed:
            listed[path] = row
    return listed


def _normal(path: str) -> str:
    odd = "//" in path or "./" in path or path[-1:] in "/."  # hardly ever, and a Path takes its time
    return PurePosixPath(path).as_posix() if odd else path


def _broken_promise(files: Iterable[Installed], listed: Mapping[str, RecordRow]) -> Installed | None:
    """The first file that has another digest than its RECORD says."""
    return next((file for file in files if not _matches(file, listed.get(file.path))), None)


def _matches(file: Installed, row: RecordRow | None) -> bool:
    if row is None or row.algorithm is None:
        return True
    if row.algorithm == "sha256":
        return row.digest == file.sha256
    if row.algorithm not in ("sha384", "sha512"):
        return True  # PEP 427 forbids weaker algorithms than sha256: they prove nothing
    return row.digest == hashlib.new(row.algorithm, Path(file.source).read_bytes()).hexdigest()


def _record_of(dist_info: str, files: Sequence[Installed]) -> bytes:
    return format_record(dist_info, ((file.path, file.sha256, file.size) for file in files))


def _explain(text: str, target: Target) -> BuildError:
    flat = uv.without_addresses(" ".join(text.split()))
    flat = flat[max(flat.find("error: "), 0) :]  # after uv's warnings
    said = flat[:500]
    if "hash mismatch" in flat.lower():
        return BuildError(
            f"the index gives other bytes than were locked: {said}",
            where=target.id,
            fix="resolve again, or find out who changed them",
        )
    if "No space left" in flat:
        return BuildError("the disk is full", where=target.id, fix="make room, then run the command again")
    if re.search(r"error sending request|tcp connect|dns error|timed out", flat):
        return BuildError(f"the package index does not answer: {said}", where=target.id, fix="run the command again")
    return BuildError(f"the wheels cannot be unpacked: {said}", where=target.id, fix="run the command again")
