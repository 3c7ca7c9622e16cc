"""The ledger: the record of releases, one file each, ``0003.json`` for layer version 3; SBOMs lie below ``sbom/``.

A file is replaced whole (written aside, flushed, renamed) under a lock, so that neither a killed process nor a second
one loses a line. The ledger belongs to one matrix; reading it with another is an error.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from builder.model.artifact import dump_json, write_atomically
from builder.model.errors import InputError
from builder.model.frozen import first_problem
from builder.model.matrix import Matrix
from publisher.ledger.release import Release

#: The folder in a ledger, and in the catalog, that holds the SBOMs.
SBOMS = "sbom"


class Ledger(Protocol):
    """Where releases are recorded."""

    @property
    def is_shared(self) -> bool:
        """Whether every machine that publishes the matrix writes to this same ledger."""

    def releases(self) -> tuple[Release, ...]:
        """Every release, by layer version number. InputError where a record is damaged or of another matrix."""

    def update(self, number: int, change: Callable[[Release | None], Release]) -> Release:
        """Change the record of one number; it is on disk when this returns. An unchanged record is not written.

        ``change`` gets the present record, or None, and returns the new one; with several writers it may be called more
        than once.
        """

    def sboms(self) -> frozenset[str]:
        """The SBOMs that are kept, by the paths that ``sbom_path`` gives them."""

    def sbom(self, path: str) -> bytes:
        """One that is kept. InputError where it cannot be read."""

    def keep_sbom(self, path: str, data: bytes) -> None:
        """Keep one, whole and in place of an older one."""


class FolderLedger:
    """A ledger in a folder, which is made with its first record."""

    def __init__(self, folder: Path, matrix: Matrix) -> None:
        self._folder = folder
        self._matrix = matrix

    @property
    def is_shared(self) -> bool:
        return False  # others may have a copy of the folder

    def releases(self) -> tuple[Release, ...]:
        if self._folder.exists() and not self._folder.is_dir():
            raise InputError("the ledger is a folder, and this is none", where=str(self._folder))
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
                write_atomically(path, record_bytes(release))
            return release

    def sboms(self) -> frozenset[str]:
        folder = self._folder / SBOMS
        return frozenset(path.relative_to(folder).as_posix() for path in folder.glob("[0-9]*/*.cdx.json"))

    def sbom(self, path: str) -> bytes:
        return self._bytes(self._folder / SBOMS / path)

    def keep_sbom(self, path: str, data: bytes) -> None:
        with _writing(self._folder / SBOMS / path):
            write_atomically(self._folder / SBOMS / path, data)

    def _read(self, path: Path) -> Release:
        return parse_record(self._bytes(path), path.stem, str(path), self._matrix)

    def _bytes(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise InputError(f"this record cannot be read: {error.strerror}", where=str(path)) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
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
            fix="make room or give it a folder that can be written (--ledger DIR), then run the command again",
        ) from None


def file_name(number: int) -> str:
    """The name of a number's record: ``0003.json``."""
    return f"{number:04d}.json"


def record_bytes(release: Release) -> bytes:
    """A record as it is written."""
    return dump_json(release.model_dump(mode="json")).encode()


def parse_record(data: bytes, stem: str, where: str, matrix: Matrix) -> Release:
    """A record read and checked. InputError where it is damaged, misplaced or of another matrix."""
    try:
        release = Release.model_validate_json(data)
    except ValidationError as error:
        raise InputError(
            f"this record is damaged: {first_problem(error)}",
            where=where,
            fix="restore it from version control; a ledger that is lost can be made again with `layers sync`",
        ) from None
    if f"{stem}.json" != file_name(release.layer_version):  # 3.json beside 0003.json would be a second record of 3
        raise InputError(
            f"this record is of layer version {release.layer_version}, its file name has {stem}",
            where=where,
            fix=f"it belongs in {file_name(release.layer_version)}",
        )
    for key in ("account", "package", "layer_name"):
        recorded, wanted = getattr(release, key), getattr(matrix, key)
        if recorded != wanted:
            raise InputError(
                f"this ledger is of another matrix: {key} is {recorded!r} here and {wanted!r} in the matrix",
                where=where,
                fix="give each matrix a ledger of its own: --ledger DIR",
            )
    return release
