"""The files of a zip as such: names, modes, links, sizes, bytecode, and (from ``binaries``) what binaries need."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from builder.inspection.binary_checks import check_binaries
from builder.inspection.file_facts import FileFacts
from builder.inspection.findings import finding, grouped
from builder.inspection.pyc import check_bytecode
from builder.model.artifact import Finding
from builder.model.target import Target

#: Lambda's limits (developer guide, "Lambda quotas"), in bytes.
ZIPPED_LIMIT: Final = 52_428_800
UNZIPPED_LIMIT: Final = 262_144_000
#: A layer that leaves less than this of the unzipped limit leaves little for a function's own code and packages.
ROOM_WANTED: Final = 100 * 1024 * 1024
#: Linux's limits for a name and, with ``/opt/`` before it, a path.
_NAME_LIMIT, _PATH_LIMIT = 255, 4096 - len("/opt/") - 1
#: Parts of ASCII letters, digits and the usual marks, none beginning with a dot.
_PLAIN = re.compile(r"[\w+-][\w+.-]*(?:/[\w+-][\w+.-]*)*/?", re.ASCII)


def import_roots(python: str) -> tuple[str, str]:
    """The folders of a layer that Lambda puts on ``sys.path``, in the order in which Python looks."""
    return f"python/lib/python{python}/site-packages/", "python/"


def check_files(files: Sequence[FileFacts], target: Target) -> tuple[Finding, ...]:
    """Everything that can be said of a target's zip from the facts of its files."""
    return (
        *check_names([file.path for file in files], target),
        *_check_modes(files),
        *_check_sizes(files),
        *check_binaries(files, target),
        *check_bytecode(files, target),
    )


def check_names(paths: Sequence[str], target: Target) -> list[Finding]:
    """Paths that Lambda refuses, that would leave ``/opt``, that hide each other, or that no import finds."""
    odd = [path for path in paths if not _plain(path)]
    findings = [finding("error", code, message, path) for path in odd for code, message in _bad_name(path)]
    findings += grouped(
        "error", "name-twice", "stands in the zip twice", [p for p, n in Counter(paths).items() if n > 1]
    )
    findings += _collisions(paths)
    known = (*import_roots(target.python), "bin/", "lib/")
    own = import_roots(target.python)[0].removesuffix("site-packages/")
    misplaced = [p for p in paths if p.startswith("python/lib/python") and not p.startswith(own) and p[-1] != "/"]
    findings += grouped("error", "name-python", f"lies where Python {target.python} does not look", misplaced)
    outside = [p for p in paths if not p.endswith("/") and not p.startswith(known)]
    message = "lies outside python/, bin/ and lib/: the runtime looks for nothing there"
    findings += grouped("warning", "name-outside", message, outside)
    if not any(p.startswith("python/") and not p.endswith("/") for p in paths):
        findings.append(
            finding("error", "empty", "holds nothing under python/: a function could import nothing from it")
        )
    return findings


def _plain(path: str) -> bool:
    """Whether a path has nothing that `_bad_name` would look at: true of nearly all, and quick."""
    return len(path) <= _NAME_LIMIT and _PLAIN.fullmatch(path) is not None


def _bad_name(path: str) -> Iterable[tuple[str, str]]:
    parts = path.removesuffix("/").split("/")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        yield "name-absolute", "is an absolute path"
    elif ".." in parts:
        yield "name-parent", "leads out of the layer"
    elif "" in parts or "." in parts:
        yield "name-odd", "has an empty part or a dot as a part"
    if "\\" in path:
        yield "name-backslash", "has a backslash: made on Windows by a tool that does not write zips as they must be"
    if re.search(r"[\x00-\x1f\x7f]", path):
        yield "name-control", "has a NUL or another control character"
    try:
        lengths = [len(part.encode()) for part in parts]
    except UnicodeEncodeError:
        yield "name-encoding", "is no Unicode text"
        return
    if max(lengths) > _NAME_LIMIT or sum(lengths) + len(parts) > _PATH_LIMIT:
        yield "name-long", f"is longer than Linux takes ({_NAME_LIMIT} bytes a part, 4096 in all)"


def _collisions(paths: Sequence[str]) -> list[Finding]:
    """Names that differ by case only (one is lost where someone unpacks on macOS), and files that are also folders."""
    files = {path for path in paths if not path.endswith("/")}
    folders = _folders(paths)
    spellings: dict[str, set[str]] = {}
    for path in {*files, *folders}:
        spellings.setdefault(path.casefold(), set()).add(path)
    alike = sorted(max(names) for names in spellings.values() if len(names) > 1)
    return [
        *grouped("error", "name-both", "is a file and also a folder", sorted(files & folders)),
        *grouped("warning", "name-case", "differs from another path by upper and lower case only", alike),
    ]


def _folders(paths: Sequence[str]) -> set[str]:
    """Every folder above the paths."""
    found: set[str] = set()
    for path in paths:
        while (end := path.rfind("/")) >= 0 and (path := path[:end]) not in found:
            found.add(path)
    return found


def _check_modes(files: Sequence[FileFacts]) -> list[Finding]:
    links = [f.path for f in files if f.is_link]
    plain = [f for f in files if f.mode is not None and not f.is_link]
    unreadable = [f.path for f in plain if f.mode is not None and not _readable(f.mode, f.is_folder)]
    special = [f.path for f in plain if f.mode is not None and f.mode & 0o6000]
    return [
        *grouped("error", "link", "is a link or a special file: what it leads to is not what was checked", links),
        *grouped(
            "error", "mode-unreadable", "is not readable by everyone; Lambda runs as a user of its own", unreadable
        ),
        *grouped("warning", "mode-special", "has the setuid or setgid bit", special),
    ]


def _readable(mode: int, folder: bool) -> bool:
    wanted = 0o005 if folder else 0o004
    return mode & wanted == wanted


def unzipped_size(files: Iterable[FileFacts]) -> int:
    """The bytes that Lambda counts: the sum of the files."""
    return sum(file.size for file in files if not file.is_folder)


def _check_sizes(files: Sequence[FileFacts]) -> list[Finding]:
    size = unzipped_size(files)
    left = UNZIPPED_LIMIT - size
    if left < 0:
        message = f"has {size:,} bytes unzipped; Lambda takes {UNZIPPED_LIMIT:,} for a function with all its layers"
        return [finding("error", "size-unzipped", message)]
    if left < ROOM_WANTED:
        message = f"leaves {left / 1048576:.0f} MB of Lambda's 250 MB for the function's own code and other layers"
        return [finding("warning", "size-left", message)]
    return []


def check_zipped_size(size: int, *, staged: bool = False) -> list[Finding]:
    """Whether a zip can be published as it is. ``staged``: it goes through a bucket, where only 250 MB hold."""
    if size <= ZIPPED_LIMIT or staged:
        return []
    message = f"has {size:,} bytes; Lambda takes {ZIPPED_LIMIT:,} in a request, and larger ones only from a bucket"
    return [finding("error", "size-zipped", message)]
