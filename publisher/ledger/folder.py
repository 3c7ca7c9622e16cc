"""The ledger in a folder: one file for each release, ``0003.json`` for layer version 3; SBOMs are below ``sbom/``.

Each file is replaced atomically (temporary file, flush, rename) under a lock, so neither a killed process nor a second
one loses a record. A ledger belongs to one matrix; reading it with another is an error.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from builder.model.errors import InputError
from builder.model.escape import shorten
from builder.model.file_access import MAX_FACTS_BYTES, MAX_SBOM_BYTES, read_file, write_atomically
from builder.model.frozen import first_problem, newer_schema, parse_document
from builder.model.matrix import Cell, Matrix
from builder.model.target import Target
from publisher.ledger.release import CellRecord, Release

#: The folder in a ledger, and in the catalog, that holds the SBOMs.
SBOMS = "sbom"
#: How messages name a file of a ledger, and what to do about a damaged one.
LEDGER_FILE: Final = "this file of the ledger"
RESTORE_FIX: Final = "restore the file, for example with `git checkout`"


class Ledger(Protocol):
    """The record of releases: a folder or an S3 bucket."""

    @property
    def is_shared(self) -> bool:
        """Whether all machines that publish the matrix write to this ledger."""

    def releases(self) -> tuple[Release, ...]:
        """Return every release, by layer version number.

        Raises InputError if a record is damaged or of another matrix.
        """

    def update(self, number: int, change: Callable[[Release | None], Release]) -> Release:
        """Change the record of one number; it is stored when this returns. An unchanged record is not written.

        ``change`` gets the current record, or None, and returns the new one. With several writers, it may be
        called again.
        """

    def sboms(self) -> frozenset[str]:
        """Return the paths of the stored SBOMs, as ``sbom_path`` returns them."""

    def sbom(self, path: str) -> bytes:
        """Return a stored SBOM. Raises InputError if it cannot be read."""

    def keep_sbom(self, path: str, data: bytes) -> None:
        """Store an SBOM; it replaces an older one."""


class FolderLedger:
    """A ledger in a folder, which the first record creates."""

    def __init__(self, folder: Path, matrix: Matrix) -> None:
        self._folder = folder
        self._matrix = matrix
        #: The record that was written last. A publish changes one record a hundred times: not to parse it each time
        #: saves 15 % of its time.
        self._written: tuple[Path, bytes, Release] | None = None

    @property
    def is_shared(self) -> bool:
        return False  # others may have a copy of the folder

    def releases(self) -> tuple[Release, ...]:
        if self._folder.exists() and not self._folder.is_dir():
            raise InputError(
                "the ledger must be a folder, and this is a file",
                where=str(self._folder),
                fix="name a folder with --ledger DIR",
            )
        if not self._folder.is_dir():
            return ()
        paths = sorted(path for path in self._folder.glob("*.json") if not path.name.startswith("."))
        return tuple(sorted((self._read(path) for path in paths), key=lambda release: release.layer_version))

    def update(self, number: int, change: Callable[[Release | None], Release]) -> Release:
        path = self._folder / file_name(number)
        with _writing(path), self._locked():
            before = self._read(path) if path.exists() else None
            release = change(before)
            if release != before:
                data = record_bytes(release)
                write_atomically(path, data)
                self._written = path, data, release
            return release

    def sboms(self) -> frozenset[str]:
        folder = self._folder / SBOMS
        return frozenset(path.relative_to(folder).as_posix() for path in folder.glob("[0-9]*/*.cdx.json"))

    def sbom(self, path: str) -> bytes:
        return self._bytes(self._folder / SBOMS / path, MAX_SBOM_BYTES)

    def keep_sbom(self, path: str, data: bytes) -> None:
        with _writing(self._folder / SBOMS / path):
            write_atomically(self._folder / SBOMS / path, data)

    def _read(self, path: Path) -> Release:
        data, written = self._bytes(path, MAX_FACTS_BYTES), self._written
        if written and written[:2] == (path, data):
            return written[2]
        return parse_record(data, path.stem, str(path), self._matrix)

    def _bytes(self, path: Path, max_bytes: int) -> bytes:
        return read_file(path, LEDGER_FILE, max_bytes, RESTORE_FIX)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock a file, not the folder (``folder_lock``): NFS shares the locks of files between machines."""
        self._folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"the ledger cannot be written: {error.strerror or error}",
            where=str(path),
            fix="free some space, or name a writable folder (--ledger DIR); then run the command again",
        ) from None


def file_name(number: int) -> str:
    """Return the file name of a number's record: ``0003.json``."""
    return f"{number:04d}.json"


def record_bytes(release: Release) -> bytes:
    """Return the content of a record's file."""
    return f"{release.model_dump_json(indent=2)}\n".encode()


def parse_record(data: bytes, stem: str, where: str, matrix: Matrix) -> Release:
    """Parse and check a record. Raises InputError if it is damaged, misplaced or of another matrix."""
    try:
        release = parse_document(Release, data)
    except ValueError as error:
        newer = newer_schema(error)
        raise InputError(
            f"this record has schema version {shorten(str(newer))}, and this program reads 1"
            if newer
            else f"this record is damaged: {first_problem(error)}",
            where=where,
            fix="update this program: a newer one wrote the record"
            if newer
            else "restore it from version control; `layers sync` recreates a lost ledger",
        ) from None
    if f"{stem}.json" != file_name(release.layer_version):  # 3.json beside 0003.json would be a second record of 3
        raise InputError(
            f"this record is of layer version {release.layer_version}, but its file name has {stem}",
            where=where,
            fix=f"rename it to {file_name(release.layer_version)}",
        )
    for key in ("account", "package", "layer_name"):
        recorded, expected = getattr(release, key), getattr(matrix, key)
        if recorded != expected:
            raise InputError(
                f"this ledger is of another matrix: {key} is {shorten(recorded)!r} here and {expected!r} in the matrix",
                where=where,
                fix="use a separate ledger for each matrix: --ledger DIR",
            )
    _check_arns(release, where, matrix)
    return release


def _check_arns(release: Release, where: str, matrix: Matrix) -> None:
    """Raise InputError unless each ARN is the one of its cell, because documents, look-ups and parameters copy it."""
    for facts in release.targets:
        if facts.layer_name != (name := matrix.name_of(facts.target_key)):
            raise InputError(
                f"this record is damaged: the layer name of {facts.id} is {shorten(facts.layer_name)!r}, not {name!r}",
                where=where,
                fix="restore it from version control",
            )
    for record in release.versions:
        target = Target(record.python, record.architecture, matrix.name_of(record.target_key))
        expected = matrix.layer_arn(Cell(record.region, target), record.layer_version)
        own = (release.layer_version, target.layer_name)
        misplaced = isinstance(record, CellRecord) and (record.layer_version, record.layer_name) != own
        if record.arn != expected or misplaced:
            raise InputError(
                f"this record is damaged: {shorten(record.arn)} is not {expected}",
                where=where,
                fix="restore it from version control, or rebuild it from AWS: delete the file, then `layers sync`",
            )
