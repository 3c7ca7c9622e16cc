"""Unpack a layer's or function's zip as Lambda does: with its file modes and symbolic links."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from builder.model.errors import InputError
from builder.model.zip_damage import ZIP_DAMAGE

_LAYER_ROOT = "/opt/"


def unpack_zip(path: Path, folder: Path) -> None:
    """Unpack a zip into a folder and replace existing files. Raises InputError if it is damaged or leaves the folder.

    An absolute link below ``/opt`` becomes a link to the same place below the folder.
    """
    root = folder.resolve()
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                _unpack_entry(archive, entry, root, path)
    except ZIP_DAMAGE as error:
        raise InputError(
            f"the zip cannot be unpacked: {str(error) or type(error).__name__}",
            where=str(path),
            fix="build it or download it again",
        ) from None


def _unpack_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, root: Path, path: Path) -> None:
    name = PurePosixPath(entry.filename)
    place = root / name
    if name.is_absolute() or ".." in name.parts or not place.parent.resolve().is_relative_to(root):
        raise InputError(
            f"{entry.filename!r} leads out of the zip's folder (path traversal)",
            where=str(path),
            fix="do not use this zip",
        )
    if entry.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink() or place.is_file():
        place.unlink()
    mode = entry.external_attr >> 16
    with archive.open(entry) as source:
        if stat.S_ISLNK(mode):
            target = source.read(os.pathconf("/", "PC_PATH_MAX")).decode("utf-8", "surrogateescape")
            if target.startswith(_LAYER_ROOT):
                target = os.path.relpath(root / target[len(_LAYER_ROOT) :], place.parent)
            place.symlink_to(target)
            return
        with place.open("wb") as output:
            shutil.copyfileobj(source, output)
    place.chmod(stat.S_IMODE(mode) & 0o777 if mode else 0o644)
