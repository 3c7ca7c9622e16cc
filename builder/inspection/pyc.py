"""Bytecode files: what their sixteen bytes of header say (PEP 552), and whether Python will use them."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import Final

from builder.inspection.file_facts import FileFacts, PycFacts
from builder.inspection.findings import Level, grouped
from builder.model.artifact import Finding
from builder.model.runtimes import RUNTIMES
from builder.model.target import Target

_CACHED = re.compile(r"^(.*/)?__pycache__/([^/]+)\.cpython-(\d)(\d+)(?:\.opt-\w+)?\.pyc$")


def pyc_facts(path: str, data: bytes) -> PycFacts | None:
    """The facts of a bytecode file; None where the path is none's."""
    if not path.endswith(".pyc"):
        return None
    if len(data) < 17 or data[2:4] != b"\r\n":
        return PycFacts(int.from_bytes(data[:2], "little"), "broken")
    magic, _, flags = struct.unpack_from("<HHL", data)
    # Code objects hold their file name as bytes with a length before; looking for it needs no unmarshalling, which
    # could not be done safely for another Python's bytecode.
    names_layer = f"/opt/{source_of(path)}".encode() in data
    if flags & 1:
        return PycFacts(magic, "checked" if flags & 2 else "unchecked", names_layer=names_layer)
    time, size = struct.unpack_from("<LL", data, 8)
    return PycFacts(magic, "time", time, size, names_layer)


def source_of(path: str) -> str:
    """The path of the source of a ``.pyc``: ``a/__pycache__/b.cpython-312.pyc`` → ``a/b.py``."""
    if match := _CACHED.match(path):
        return f"{match[1] or ''}{match[2]}.py"
    return path.removesuffix("c")


def python_of(path: str) -> str | None:
    """The Python that a cached ``.pyc``'s name says, ``3.12``; None where it says none."""
    match = _CACHED.match(path)
    return f"{match[3]}.{match[4]}" if match else None


#: Each verdict on a ``.pyc``: level, code, what it means. {python} is the target's.
_VERDICTS: Final[tuple[tuple[Level, str, str], ...]] = (
    ("warning", "pyc-other", "is bytecode of another Python than {python}: dead weight"),
    ("warning", "pyc-magic", "is no bytecode of Python {python}: ignored, and compiled at every cold start"),
    ("error", "pyc-alone", "is no bytecode of Python {python} and has no source: it cannot be imported"),
    ("warning", "pyc-stale", "does not fit its source's time and size: ignored, and compiled at every cold start"),
    ("warning", "pyc-checked", "is checked against its source: every import reads and hashes that too"),
    ("warning", "pyc-path", "names its source elsewhere than under /opt/python: tracebacks mislead"),
)


def check_bytecode(files: Sequence[FileFacts], target: Target) -> list[Finding]:
    """Bytecode that Python would not use or that misleads; and that there is none at all."""
    modules = {file.path: file for file in files if file.name.endswith(".py")}
    paths: dict[str, list[str]] = {}
    for file in files:
        if file.pyc and (code := _verdict(file.path, file.pyc, modules.get(source_of(file.path)), target)):
            paths.setdefault(code, []).append(file.path)
    if not any(file.pyc for file in files):
        return grouped("warning", "pyc-none", "has no bytecode: compiled at every cold start", list(modules))
    return [
        found
        for level, code, message in _VERDICTS
        for found in grouped(level, code, message.format(python=target.python), paths.get(code, []))
    ]


def _verdict(path: str, pyc: PycFacts, source: FileFacts | None, target: Target) -> str | None:
    if python_of(path) not in (None, target.python):
        return "pyc-other"
    if not is_of(pyc, target.python):
        return "pyc-magic" if source else "pyc-alone"
    if pyc.check == "time" and source and (pyc.source_time, pyc.source_size) != (source.modified, source.size):
        return "pyc-stale"
    if pyc.check == "checked" and source:
        return "pyc-checked"
    return None if pyc.names_layer else "pyc-path"


def is_of(pyc: PycFacts, python: str) -> bool:
    """Whether this Python accepts the bytecode."""
    return pyc.check != "broken" and (python not in RUNTIMES or pyc.magic == RUNTIMES[python].magic)


def usable(files: Sequence[FileFacts], python: str) -> tuple[int, int]:
    """How many modules there are, and how many of them have bytecode that this Python accepts and finds."""
    modules = {file.path for file in files if file.name.endswith(".py")}
    compiled = {
        source_of(file.path)
        for file in files
        if file.pyc and is_of(file.pyc, python) and python_of(file.path) == python and ".opt-" not in file.name
    }
    return len(modules), len(modules & compiled)
