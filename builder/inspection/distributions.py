"""The distributions in a zip: what each ``.dist-info`` says of itself, held against the files and the target."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.metadata import parse_email
from packaging.utils import canonicalize_name

from builder.inspection.file_facts import FileFacts
from builder.wheels.record import RecordRow, parse_record

#: What is read of each ``.dist-info``.
TEXTS = ("METADATA", "WHEEL", "RECORD")
_FOLDER = re.compile(r"^(?P<root>(?:.*/)?)(?P<stem>[^/]+)\.dist-info/(?P<file>METADATA|WHEEL|RECORD)$")


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
    record: tuple[RecordRow, ...] | None = None  #: None: there is no RECORD

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


def _record(text: str, root: str) -> tuple[RecordRow, ...]:
    try:
        return tuple(replace(row, path=_resolved(root, row.path)) for row in parse_record(text))
    except csv.Error:
        return ()


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
