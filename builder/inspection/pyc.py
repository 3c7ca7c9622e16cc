"""Bytecode files: what their header says (PEP 552), and whether Python uses them."""

from __future__ import annotations

import re
import struct
from collections.abc import Container, Sequence
from typing import Final

from builder.inspection.file_facts import FileFacts, PycFacts
from builder.metadata.module_names import pyc_path
from builder.model.artifact import Finding
from builder.model.findings import Level, finding, group_equal, group_paths
from builder.model.runtimes import RUNTIMES
from builder.model.target import Target

PYC_HEADER_BYTES: Final = 16
_CACHED = re.compile(r"^(.*/)?__pycache__/([^/]+)\.cpython-(\d)(\d+)(?:\.opt-\w+)?\.pyc$")


def pyc_facts(path: str, data: bytes) -> PycFacts | None:
    """Return the facts of a bytecode file, or None if the path is not a ``.pyc`` file."""
    if not path.endswith(".pyc"):
        return None
    return header_facts(data[:PYC_HEADER_BYTES], len(data), names_layer=layer_path(path) in data)


def layer_path(path: str) -> bytes:
    """Return the file name that a ``.pyc`` file of a layer should have in its code objects.

    They hold it as bytes, so searching for it needs no unmarshalling, which is not safe for another Python's bytecode.
    """
    return f"/opt/{source_of(path)}".encode("utf-8", "replace")


def header_facts(header: bytes, size: int, *, names_layer: bool) -> PycFacts:
    """Return the facts of a ``.pyc`` file with this header and size (PEP 552)."""
    if size <= PYC_HEADER_BYTES or header[2:4] != b"\r\n":
        return PycFacts(int.from_bytes(header[:2], "little"), "broken")
    magic, _, flags = struct.unpack_from("<HHL", header)
    if flags & 1:
        return PycFacts(magic, "checked" if flags & 2 else "unchecked", names_layer=names_layer)
    source_time, source_size = struct.unpack_from("<LL", header, 8)
    return PycFacts(magic, "time", source_time, source_size, names_layer)


def source_of(path: str) -> str:
    """Return the path of a ``.pyc`` file's source: ``a/__pycache__/b.cpython-312.pyc`` → ``a/b.py``."""
    if match := _CACHED.match(path):
        return f"{match[1] or ''}{match[2]}.py"
    return path.removesuffix("c")


def python_of(path: str) -> str | None:
    """Return the Python that a cached ``.pyc`` file's name gives, ``3.12``, or None."""
    match = _CACHED.match(path)
    return f"{match[3]}.{match[4]}" if match else None


def check_bytecode(files: Sequence[FileFacts], target: Target) -> list[Finding]:
    """Report bytecode that Python does not use or that misleads, and missing bytecode."""
    modules = {file.path: file for file in files if file.name.endswith(".py")}
    compiled = {file.path: file.pyc for file in files if file.pyc}
    if not compiled:
        return group_paths("warning", "pyc-none", "has no bytecode: it is compiled at every cold start", list(modules))
    findings = group_equal(
        finding(*problem, path)
        for path, pyc in compiled.items()
        if not _is_beside_source(path, modules)
        and (problem := _problem(path, pyc, modules.get(source_of(path)), target.python))
    )
    unused = [p for p in compiled if _is_beside_source(p, modules) and pyc_path(p[:-1], target.python) not in compiled]
    message = "is not in __pycache__: Python ignores it beside its source, which is compiled at every cold start"
    return [*findings, *group_paths("warning", "pyc-beside", message, unused)]


def _is_beside_source(path: str, modules: Container[str]) -> bool:
    """Whether Python never reads a ``.pyc`` file: without ``__pycache__``, the source comes first (PEP 3147)."""
    return python_of(path) is None and source_of(path) in modules


def _problem(path: str, pyc: PycFacts, source: FileFacts | None, python: str) -> tuple[Level, str, str] | None:
    """Return level, code and message of a finding about a ``.pyc`` file, or None."""
    if python_of(path) not in (None, python):
        return "warning", "pyc-other", f"is bytecode of another Python than {python} and is never used"
    if python_of(path) and source is None:
        return None  # no import finds it
    if not is_of(pyc, python) and source is None:
        message = f"is not bytecode of Python {python} and has no source: ImportError (bad magic number)"
        return "error", "pyc-alone", message
    if not is_of(pyc, python):
        message = f"is not bytecode of Python {python}: the source is compiled at every cold start"
        return "warning", "pyc-magic", message
    if pyc.check == "time" and source and (pyc.source_time, pyc.source_size) != (source.modified, source.size):
        message = "does not match its source's time and size: it is compiled at every cold start"
        return "warning", "pyc-stale", message
    if pyc.check == "checked" and source:
        return "warning", "pyc-checked", "is checked against its source, which every import reads and hashes"
    if not pyc.names_layer:
        return "warning", "pyc-path", "gives a source path outside /opt/python: tracebacks show a wrong file"
    return None


def is_of(pyc: PycFacts, python: str) -> bool:
    """Whether this Python accepts the bytecode."""
    return pyc.check != "broken" and (python not in RUNTIMES or pyc.magic == RUNTIMES[python].magic)


def count_modules(files: Sequence[FileFacts], python: str) -> tuple[int, int]:
    """Return the number of modules, and of those with bytecode that this Python finds and accepts."""
    modules = {file.path for file in files if file.name.endswith(".py")}
    compiled = {
        source_of(file.path)
        for file in files
        if file.pyc and is_of(file.pyc, python) and python_of(file.path) == python and ".opt-" not in file.name
    }
    return len(modules), len(modules & compiled)
