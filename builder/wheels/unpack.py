"""Unpack wheels: uv installs exactly the locked wheels, verifies their hashes, and executes no code of them.

The result is every file of each wheel that belongs in a layer, verified against the wheel's own RECORD.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from builder.metadata.record import MAX_RECORD_BYTES, RecordRow, parse_record
from builder.model.artifact import Locked
from builder.model.errors import BuildError, LayersError
from builder.model.file_access import digest_of, read_file
from builder.model.runtimes import UNZIPPED_LIMIT_BYTES
from builder.model.target import Target
from builder.resolve import uv
from builder.resolve.download_failures import download_error
from builder.resolve.failures import OTHER_WHEEL_FIX, malformed_in, malformed_wheel
from builder.resolve.resolver import locate, requirements_of
from builder.resolve.unsafe_names import refuse_unsafe_names
from builder.wheels.layer_content import dist_info_name
from builder.wheels.layer_files import belongs_in_layer

#: Signatures of a RECORD, which cannot be in it (PEP 427).
_SIGNATURES = (".dist-info/RECORD.jws", ".dist-info/RECORD.p7s")


@dataclass(frozen=True)
class UnpackedFile:
    """One file of a wheel: its path below ``python/``, and the unpacked file."""

    path: str
    source: str
    sha256: str
    size: int
    executable: bool
    is_unrecorded: bool = False  #: the wheel's RECORD has no digest for it


@dataclass(frozen=True)
class UnpackedWheel:
    """A wheel's files that belong in a layer, sorted by path, without its RECORD."""

    locked: Locked
    dist_info: str
    files: tuple[UnpackedFile, ...]


def unpack(wheels: Sequence[Locked], target: Target, folder: Path) -> dict[Locked, UnpackedWheel]:
    """Unpack wheels that run on ``target`` below ``folder``. Raises BuildError if no index has these bytes.

    Unpacking all wheels into one folder is faster. If their RECORDs do not tell which file is of which wheel (two
    wheels have the same file, or a RECORD is incomplete), each wheel is unpacked into a folder of its own.
    """
    _install(wheels, target, folder)
    by_wheel = _divide(wheels, folder)
    if by_wheel is not None:
        return by_wheel

    def alone(locked: Locked) -> UnpackedWheel:
        output = folder.with_name(f"{folder.name}-{locked.name}")
        _install([locked], target, output)
        return _read_single_wheel(locked, output)

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return dict(zip(wheels, pool.map(alone, wheels), strict=True))


def _install(wheels: Sequence[Locked], target: Target, folder: Path) -> None:
    """Unpack the wheels into ``folder``. uv downloads those that are missing in its cache, and verifies every hash."""
    with tempfile.TemporaryDirectory(prefix="layers-unpack-") as name:
        requirements = Path(name) / "requirements.txt"
        requirements.write_text(requirements_of(tuple(wheels)), "utf-8")
        command = [
            "pip", "install", "--target", str(folder), "--no-deps", "--require-hashes", "--no-python-downloads",
            "--python", sys.executable, *uv.platform_options(target), "--requirements", str(requirements),
        ]  # fmt: skip
        result = uv.run([*command, "--offline"], Path(name))
        if result.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            result = uv.run(command, Path(name))
        if "Hash mismatch" in result.stderr:
            # Where an index states no sha256, uv cannot select by it and may have taken another wheel of the version.
            with contextlib.suppress(LayersError):
                requirements.write_text(requirements_of(locate(tuple(wheels), target)), "utf-8")
                result = uv.run(command, Path(name))
    if result.returncode:
        raise _explain(result.stderr, target)
    refuse_unsafe_names(result.stderr, (locked.name for locked in wheels))


def _divide(wheels: Sequence[Locked], folder: Path) -> dict[Locked, UnpackedWheel] | None:
    """Return each wheel with its files, or None if the RECORDs do not tell which file is of which wheel."""
    files = {file.path: file for file in _walk(folder)}
    by_name = {locked.name: locked for locked in wheels}
    result: dict[Locked, UnpackedWheel] = {}
    for dist_info in _dist_infos(folder):
        locked = by_name.get(dist_info_name(dist_info))
        record = files.pop(f"{dist_info}/RECORD", None)
        if locked is None or locked in result or record is None:
            return None
        rows = _read_record(Path(record.source))
        del rows[record.path]
        if any(path not in files and belongs_in_layer(path) for path in rows):
            return None
        wheel_files = [files.pop(path) for path in rows if path in files]
        if _mismatch(wheel_files, rows):
            return None  # another wheel's file may have replaced this one's
        result[locked] = _wheel(locked, dist_info, wheel_files, rows)
    return result if len(result) == len(wheels) and not files else None


def _dist_infos(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.dist-info"))


def _read_single_wheel(locked: Locked, folder: Path) -> UnpackedWheel:
    """Return the only wheel in the folder. Raises BuildError if a file's digest differs from its RECORD."""
    files = list(_walk(folder))
    records = {f"{name}/RECORD" for name in _dist_infos(folder) if dist_info_name(name) == locked.name}
    found = [file for file in files if file.path in records]
    if len(found) != 1:
        raise malformed_wheel(locked.filename, f"it has {len(found)} RECORDs of {locked.name}")
    (record,) = found
    dist_info = record.path.partition("/")[0]
    rows = _read_record(Path(record.source))
    wheel_files = [file for file in files if file is not record]
    if broken := _mismatch(wheel_files, rows):
        raise BuildError(
            f"hash mismatch: {broken.path} does not have the digest in the wheel's RECORD",
            where=locked.filename,
            fix=f"run `uv cache clean {locked.name}` and build again; if the error stays, the wheel is broken",
        )
    return _wheel(locked, dist_info, wheel_files, rows)


def _wheel(
    locked: Locked, dist_info: str, files: Iterable[UnpackedFile], rows: Mapping[str, RecordRow]
) -> UnpackedWheel:
    ordered = sorted(files, key=lambda file: file.path)
    size = sum(file.size for file in ordered)
    if size > UNZIPPED_LIMIT_BYTES:  # refuse it before it is read into memory and compressed
        raise BuildError(
            f"the wheel has {size:,} bytes unzipped; Lambda allows {UNZIPPED_LIMIT_BYTES:,} with all layers",
            where=locked.filename,
            fix=f"remove {locked.name} (--exclude {locked.name}, or `exclude` in the matrix), or use a smaller variant",
        )
    # uv adds a row without a digest for a file that the wheel's RECORD omits.
    recorded = {path for path, row in rows.items() if row.digest}
    return UnpackedWheel(
        locked,
        dist_info,
        tuple(
            file if file.path in recorded or file.path.endswith(_SIGNATURES) else replace(file, is_unrecorded=True)
            for file in ordered
        ),
    )


def _walk(folder: Path) -> Iterator[UnpackedFile]:
    """Yield the folder's files that belong into a layer, and the RECORDs."""
    buffer = memoryview(bytearray(1 << 18))
    folders = [(str(folder), "")]
    while folders:
        place, prefix = folders.pop()
        for entry in os.scandir(place):
            path = f"{prefix}{entry.name}"
            if entry.is_symlink():
                raise malformed_wheel(path, "it contains a symbolic link, which is not allowed in a layer")
            if entry.is_dir():
                if not prefix and path.endswith(".data"):
                    raise malformed_wheel(
                        path, "the name of its .data folder differs from that of its .dist-info folder"
                    )
                folders.append((entry.path, f"{path}/"))
            elif path.endswith(".dist-info/RECORD") or belongs_in_layer(path, entry.path):
                yield _read_file(path, entry.path, buffer)


def _read_file(path: str, source: str, buffer: memoryview) -> UnpackedFile:
    digest = hashlib.sha256()
    with open(source, "rb", buffering=0) as file:  # noqa: PTH123 - creating ten thousand Path objects is slow
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
        facts = os.fstat(file.fileno())
    return UnpackedFile(path, source, digest.hexdigest(), facts.st_size, bool(facts.st_mode & 0o100))


def _read_record(record: Path) -> dict[str, RecordRow]:
    """Return the rows of a RECORD by path, and always a row for the RECORD itself."""
    try:
        rows = parse_record(read_file(record, "a wheel's RECORD", MAX_RECORD_BYTES, OTHER_WHEEL_FIX).decode("utf-8"))
    except (UnicodeDecodeError, csv.Error) as error:
        where = record.parent.name
        raise BuildError(f"a wheel's RECORD cannot be read: {error}", where=where, fix=OTHER_WHEEL_FIX) from None
    record_path = f"{record.parent.name}/RECORD"
    listed_rows = {record_path: RecordRow(record_path)}
    for row in rows:
        path = _normal(row.path)
        if row.digest or path not in listed_rows:
            listed_rows[path] = row
    return listed_rows


def _normal(path: str) -> str:
    unusual = "//" in path or "./" in path or path[-1:] in "/."  # few paths: a Path for every row would be slow
    return PurePosixPath(path).as_posix() if unusual else path


def _mismatch(files: Iterable[UnpackedFile], rows: Mapping[str, RecordRow]) -> UnpackedFile | None:
    """Return the first file whose digest differs from its RECORD."""
    for file in files:
        row = rows.get(file.path)
        if row is None or row.algorithm not in ("sha256", "sha384", "sha512"):
            continue  # PEP 427 forbids weaker algorithms than sha256: they prove nothing
        if row.digest != (file.sha256 if row.algorithm == "sha256" else digest_of(Path(file.source), row.algorithm)):
            return file
    return None


def _explain(text: str, target: Target) -> BuildError:
    text = uv.one_line(text)
    flat = uv.after_warnings(uv.without_addresses(text))
    if error := download_error(text, target.id):
        return error
    if match := re.search(r"Failed to install: (\S+\.whl) \(\S+\) cause: (.+)", flat):
        return malformed_wheel(match[1], match[2])
    if error := malformed_in(flat):
        return error
    return BuildError(
        f"the wheels cannot be unpacked: {flat[:500]}",
        where=target.id,
        fix="correct what the message names, then run the command again",
    )
