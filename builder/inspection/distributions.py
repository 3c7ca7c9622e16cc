"""The distributions in a zip: what each ``.dist-info`` says of itself, held against the files and the target."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packaging.metadata import parse_email
from packaging.utils import canonicalize_name

from builder.inspection.file_facts import FileFacts

#: What is read of each ``.dist-info``.
TEXTS = ("METADATA", "WHEEL", "RECORD")
_FOLDER = re.compile(r"^(?P<root>(?:.*/)?)(?P<stem>[^/]+)\.dist-info/(?P<file>METADATA|WHEEL|RECORD)$")


@dataclass(frozen=True)
class Recorded:
    """A row of a RECORD."""

    path: str  #: in the zip
    sha256: str | None  #: hex; None where the row has none, or another algorithm's


@dataclass(frozen=True)
class Distribution:
    """An installed package, as its ``.dist-info`` in the zip tells."""

    name: str  #: normalised
    version: str
    folder: str  #: the ``.dist-info`` in the zip
    root: str  #: the folder that it is installed in
    requires: tuple[str, ...] = ()
    requires_python: str | None = None
    tags: tuple[str, ...] = ()  #: of the wheel
    record: tuple[Recorded, ...] | None = None  #: None: there is no RECORD

    def size(self, sizes: Mapping[str, int]) -> int:
        """Its bytes in a zip with files of these sizes, bytecode of its modules included."""
        from builder.inspection.pyc import source_of

        own = {row.path for row in self.record or ()}
        return sum(size for path, size in sizes.items() if path in own or source_of(path) in own)

    def modules(self) -> tuple[str, ...]:
        """The names that ``import`` finds it by: its top-level packages and modules."""
        names = {name for row in self.record or () if (name := _module(row.path.removeprefix(self.root)))}
        return tuple(sorted(names))


def is_text(path: str) -> bool:
    """Whether a path is one of the texts that ``distributions`` reads."""
    return _FOLDER.match(path) is not None


def distributions(texts: Mapping[str, str]) -> tuple[Distribution, ...]:
    """The distributions, sorted by name, from the texts of the zip (path → content)."""
    found: dict[str, dict[str, str]] = {}
    for path, text in texts.items():
        if match := _FOLDER.match(path):
            found.setdefault(f"{match['root']}{match['stem']}.dist-info", {})[match["file"]] = text
    read = (_distribution(folder, parts) for folder, parts in found.items())
    return tuple(sorted(read, key=lambda distribution: (distribution.name, distribution.folder)))


def _distribution(folder: str, parts: Mapping[str, str]) -> Distribution:
    raw, _ = parse_email(parts.get("METADATA", ""))
    root, _, stem = folder.rpartition("/")
    root = f"{root}/" if root else ""
    name, _, version = stem.removesuffix(".dist-info").partition("-")
    return Distribution(
        name=str(canonicalize_name(raw.get("name") or name)),
        version=raw.get("version") or version,
        folder=folder,
        root=root,
        requires=tuple(raw.get("requires_dist", ())),
        requires_python=raw.get("requires_python"),
        tags=tuple(line[4:].strip() for line in parts.get("WHEEL", "").splitlines() if line.startswith("Tag:")),
        record=_record(parts["RECORD"], root) if "RECORD" in parts else None,
    )


def _record(text: str, root: str) -> tuple[Recorded, ...]:
    try:
        rows = [row for row in csv.reader(io.StringIO(text)) if row and row[0]]
    except csv.Error:
        return ()
    return tuple(Recorded(_resolved(root, row[0]), _sha256(row[1]) if len(row) > 1 else None) for row in rows)


def _resolved(root: str, path: str) -> str:
    """A RECORD's path in the zip: relative to the root, ``..`` followed."""
    if path.startswith("/"):
        return path
    parts = root.split("/")[:-1]
    for part in path.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return "/".join(parts)


def _sha256(entry: str) -> str | None:
    algorithm, _, digest = entry.partition("=")
    if algorithm != "sha256":
        return None
    try:
        return base64.urlsafe_b64decode(digest + "=" * (-len(digest) % 4)).hex()
    except ValueError:
        return "not base64"


def _module(path: str) -> str | None:
    """The top-level name that a file makes importable, or None."""
    first, _, rest = path.partition("/")
    if rest:
        importable = re.match(r"(?:[A-Za-z_]\w*/)*[A-Za-z_]\w*\.(?:py|(?:[^/]+\.)?so)$", rest)
        return first if first.isidentifier() and first != "__pycache__" and importable else None
    name = first.split(".", 1)[0]
    return name if first.endswith((".py", ".so")) and name.isidentifier() else None


def sizes_of(files: Sequence[FileFacts]) -> dict[str, int]:
    """The size of each file by its path."""
    return {file.path: file.size for file in files if not file.is_folder}
