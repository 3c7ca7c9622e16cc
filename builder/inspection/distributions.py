"""Read the distributions in a zip: the metadata of each ``.dist-info`` folder, compared with the files of the zip.

Only the ``.dist-info`` folders directly in an import root count. A package may contain vendored packages
(``setuptools/_vendor``); their ``.dist-info`` folders are files of that package.
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from packaging.metadata import parse_email
from packaging.utils import canonicalize_name

from builder.inspection.file_facts import FileFacts
from builder.inspection.pyc import source_of
from builder.metadata.core_metadata import tags_in
from builder.metadata.module_names import module_name
from builder.metadata.record import MAX_RECORD_BYTES, record_rows
from builder.model.artifact import Finding
from builder.model.figures import counted
from builder.model.findings import finding

_DIST_INFO = re.compile(
    r"(?P<root>|python/|python/lib/python\d\.\d{1,2}/site-packages/)"
    r"(?P<stem>[^/]+)\.dist-info/(?P<file>METADATA|WHEEL|RECORD)"
)
#: Limits far above real distributions, to bound memory and time for hostile ones.
_TEXT_LIMITS: Final = {"METADATA": 256 * 1024, "WHEEL": 64 * 1024, "RECORD": MAX_RECORD_BYTES}
_MAX_RECORD_ROWS: Final = 2 * 65_535
_MAX_REQUIREMENTS, _MAX_REQUIREMENT_CHARACTERS = 2000, 4096
_MAX_NAMESPACE_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed package, described by its ``.dist-info`` folder in the zip."""

    name: str  #: normalised
    version: str
    folder: str  #: the ``.dist-info`` folder in the zip
    root: str  #: the import root that contains it
    requires: tuple[str, ...] = ()
    requires_python: str | None = None
    tags: tuple[str, ...] = ()  #: of the wheel
    files: tuple[str, ...] = ()  #: paths in its RECORD that are in the zip
    missing: tuple[str, ...] = ()  #: paths in its RECORD that are missing in the zip
    changed: tuple[str, ...] = ()  #: paths whose content has another hash than the RECORD
    size: int = 0  #: unzipped bytes of its files, bytecode included
    problems: tuple[Finding, ...] = ()

    @property
    def modules(self) -> tuple[str, ...]:
        """Its top-level packages and modules."""
        names = (module_name(path.removeprefix(self.root)) for path in self.files)
        return tuple(sorted({name.partition(".")[0] for name in names if name}))

    def import_names(self) -> tuple[str, ...]:
        """Return its modules and packages, each with the shortest name whose import runs a file: ``google.protobuf``.

        A folder without ``__init__`` is a namespace package (PEP 420), whose import proves nothing.
        """
        paths = [path.removeprefix(self.root) for path in self.files]
        packages = {path.rpartition("/")[0] for path in paths if re.search(r"/__init__\.(?:py|[^/]*so)$", path)}
        return tuple(sorted({name for path in paths if (name := _import_name(path, packages))}))


def text_limit(path: str) -> int | None:
    """Return how many bytes of a file ``distributions`` needs; None if it does not read the file."""
    match = _DIST_INFO.fullmatch(path)
    return _TEXT_LIMITS[match["file"]] if match else None


def distributions(texts: Mapping[str, bytes], files: Sequence[FileFacts]) -> tuple[Distribution, ...]:
    """Return the distributions of a zip, sorted by name, from its metadata files (path → content) and its files."""
    folders: dict[str, dict[str, bytes]] = {}
    for path, text in texts.items():
        if match := _DIST_INFO.fullmatch(path):
            folders.setdefault(f"{match['root']}{match['stem']}.dist-info", {})[match["file"]] = text
    reader = _DistributionReader([file for file in files if not file.is_folder])
    read = [reader.distribution(folder, parts) for folder, parts in folders.items()]
    return tuple(sorted(read, key=lambda distribution: (distribution.name, distribution.folder)))


class _DistributionReader:
    """Reads the distributions of one zip."""

    def __init__(self, files: Sequence[FileFacts]) -> None:
        self._files = {file.path: file for file in files}
        self._sizes: Counter[str] = Counter()  #: of each file with its bytecode
        for file in files:
            self._sizes[source_of(file.path) if file.name.endswith(".pyc") else file.path] += file.size
        self._rows_left = _MAX_RECORD_ROWS

    def distribution(self, folder: str, parts: Mapping[str, bytes]) -> Distribution:
        root = folder[: folder.rfind("/") + 1]
        name, _, version = folder[len(root) :].removesuffix(".dist-info").partition("-")
        problems: list[Finding] = []
        try:
            raw, _ = parse_email(parts.get("METADATA", b""))
        except (ValueError, LookupError, RecursionError, AttributeError) as error:
            raw = {}
            problems.append(_malformed_metadata(f"is not readable: {type(error).__name__}", f"{folder}/METADATA"))
        requires = raw.get("requires_dist", [])
        readable = [text for text in requires[:_MAX_REQUIREMENTS] if len(text) <= _MAX_REQUIREMENT_CHARACTERS]
        if len(readable) < len(requires):
            message = f"has {counted(len(requires) - len(readable), 'requirement')} too many or too long to check"
            problems.append(_malformed_metadata(message, f"{folder}/METADATA"))
        files: dict[str, None] = {}
        missing, changed = [], []
        for path, sha256 in self._rows(folder, root, parts.get("RECORD", b""), problems):
            file = self._files.get(path)
            if file is None:
                missing.append(path)
                continue
            files[file.path] = None
            if sha256 and file.sha256 and sha256 != file.sha256:
                changed.append(file.path)
        return Distribution(
            name=str(canonicalize_name(raw.get("name") or name)),
            version=raw.get("version") or version,
            folder=folder,
            root=root,
            requires=tuple(readable),
            requires_python=raw.get("requires_python"),
            tags=tags_in(parts.get("WHEEL", b"")),
            files=tuple(files),
            missing=tuple(missing),
            changed=tuple(changed),
            size=sum(self._sizes[path] for path in files),
            problems=tuple(problems),
        )

    def _rows(self, folder: str, root: str, record: bytes, problems: list[Finding]) -> Iterator[tuple[str, str | None]]:
        """Yield the path in the zip and the hexadecimal sha256 of each row of a RECORD (PEP 376)."""
        lines = io.TextIOWrapper(io.BytesIO(record), "utf-8", "replace", newline="")
        try:
            for row in record_rows(lines):
                self._rows_left -= 1
                if self._rows_left < 0:
                    problems.append(_malformed_metadata("names more files than a zip holds", f"{folder}/RECORD"))
                    return
                yield _path_in_zip(root, row.path), row.sha256
        except csv.Error as error:
            problems.append(_malformed_metadata(f"is not CSV: {error}", f"{folder}/RECORD"))


def _malformed_metadata(message: str, path: str) -> Finding:
    return finding("warning", "metadata-malformed", message, path)


def _path_in_zip(root: str, path: str) -> str:
    """Return the zip path of a RECORD entry, which is relative to the import root and may contain ``..``."""
    if path.startswith("/"):
        return path
    is_normal = not ("./" in path or "//" in path)
    return root + path if is_normal else posixpath.normpath(root + path)


def _import_name(path: str, packages: set[str]) -> str | None:
    """Return the shortest dotted name that imports a file of a package, or the file's module; None for other files."""
    name = module_name(path)
    folders = path.split("/")[:-1]
    for depth in range(1, min(len(folders), _MAX_NAMESPACE_DEPTH) + 1) if name else ():
        if "/".join(folders[:depth]) in packages:
            return ".".join(folders[:depth])
    return name if len(folders) <= _MAX_NAMESPACE_DEPTH else None
