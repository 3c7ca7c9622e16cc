"""Decide which files of an installed wheel go into a layer. docs/building.md explains why the others are not needed."""

from __future__ import annotations

from typing import Final

from builder.metadata.module_names import module_name

#: Part of every cache key. Increase it with every change of the rules below.
RULES = 3

#: Files that record how a distribution was installed (PEP 376, PEP 610, uv's own).
_INSTALLER_NOTES = frozenset({"INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"})

#: The name of a module's bytecode may have 255 bytes, and ``.cpython-312.pyc`` is 13 longer than ``.py``.
_MAX_MODULE_NAME_BYTES: Final = 255 - 13


def belongs_in_layer(path: str, source: str | None = None) -> bool:
    """Whether a file belongs in a layer. ``source`` is the file with its bytes; without it, no file in ``bin`` does.

    Left out are only files that no package can need at run time: scripts in ``bin`` (their first line names the build
    machine's interpreter, and ``/opt/python/bin`` is not on PATH; programs stay, because some packages run their own),
    bytecode of other compilers in ``__pycache__``, stub packages, which cannot be imported, and installers' records.
    """
    parts = path.split("/")
    if path == ".lock" or (path.endswith(".pyc") and "__pycache__" in parts):
        return False
    if parts[0] == "bin" and len(parts) == 2:
        return source is not None and not _is_script(source)
    if parts[0].endswith("-stubs") and len(parts) > 1:
        return False
    return not (len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] in _INSTALLER_NOTES)


def is_importable(path: str) -> bool:
    """Whether an import can load this file and its bytecode, so that bytecode for it is useful."""
    is_short = len(path.rpartition("/")[2].encode()) <= _MAX_MODULE_NAME_BYTES
    return path.endswith(".py") and module_name(path) is not None and is_short


def _is_script(source: str) -> bool:
    with open(source, "rb") as file:  # noqa: PTH123
        return file.read(2) == b"#!"
