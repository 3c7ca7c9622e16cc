"""Check a zip's files: names, modes, sizes, import roots. ``check_files`` also calls the other file checks."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Final

from builder.inspection.binary_checks import check_binaries
from builder.inspection.file_facts import FileFacts
from builder.inspection.link_checks import check_links
from builder.inspection.pyc import check_bytecode
from builder.metadata.module_names import HIDEABLE_MODULES, top_level_module
from builder.model.artifact import Finding
from builder.model.figures import megabytes
from builder.model.findings import finding, group_equal, group_paths, limit_findings
from builder.model.runtimes import UNZIPPED_LIMIT_BYTES, ZIPPED_LIMIT_BYTES
from builder.model.target import Target

#: The part of the unzipped limit that a layer should leave for the function's own code and packages.
WANTED_FREE_BYTES: Final = 100 * 1024 * 1024
#: Linux's limits for a name and, with ``/opt/`` before it, a path; and a depth that no package reaches.
_MAX_NAME_BYTES, _MAX_PATH_BYTES, _MAX_PATH_PARTS = 255, 4096 - len("/opt/") - 1, 128
#: A path that cannot have a problem of its own: short ASCII names. Nearly all paths are like this.
_USUAL_PATH = re.compile(r"(?:\w[\w.+-]{,99}/){,30}\w[\w.+-]{,99}/?", re.ASCII)
#: Folders of a Python in a virtual environment. Lambda searches only one of them.
_VERSIONED = re.compile(r"python/lib(64)?/python")
#: Folders of a layer besides ``python/`` that Lambda searches: for programs, shared libraries and extensions.
_OTHER_FOLDERS = ("bin/", "lib/", "extensions/")
#: An import root of one Python only: a layer for several Pythons has one for each (developer guide, "Python layers").
ROOT_OF_ONE_PYTHON = re.compile(r"python/lib/python(\d)\.(\d+)/site-packages/")
#: A package in a folder that people mistake for an import root: ``python/python/``, ``layer/python/``.
_MISPLACED = re.compile(r"(.*?(?:^|/)(?:python|(?:site|dist)-packages)/)[^/]+\.(?:dist|egg)-info(?:/|$)", re.IGNORECASE)
#: Modules that Python imports when it starts, if it finds them (``site`` module).
_STARTUP_MODULES = ("sitecustomize.py", "usercustomize.py", "sitecustomize/__init__.py", "usercustomize/__init__.py")


def import_roots(python: str) -> tuple[str, str]:
    """Return the folders of a layer that Lambda puts on ``sys.path``, in Python's search order."""
    return f"python/lib/python{python}/site-packages/", "python/"


def other_roots(paths: Iterable[str], python: str) -> frozenset[str]:
    """Return the import roots of other Pythons in a layer for several Pythons; none if this Python has none there."""
    roots = frozenset(match[0] for path in paths if (match := ROOT_OF_ONE_PYTHON.match(path)))
    own = import_roots(python)[0]
    return roots - {own} if own in roots else frozenset()


def check_files(files: Sequence[FileFacts], target: Target) -> tuple[Finding, ...]:
    """Return all findings about the files of a target's zip, at most a hundred of each code."""
    paths = [file.path for file in files]
    others = tuple(other_roots(paths, target.python))
    searched = [file for file in files if not file.path.startswith(others)]
    findings = chain(
        _check_names(paths, target, others),
        check_import_roots(paths, target),
        check_links(files),
        _check_modes(files),
        _check_sizes(files),
        check_binaries(searched, target),
        check_bytecode(searched, target),
    )
    return tuple(limit_findings(findings))


def check_function_files(files: Sequence[FileFacts]) -> Iterator[Finding]:
    """Report what keeps Lambda from taking or running a function's zip, wherever its modules are."""
    yield from check_paths([file.path for file in files])
    yield from _check_modes(files)
    yield from _check_sizes(files)


def _check_names(paths: Sequence[str], target: Target, others: tuple[str, ...]) -> Iterator[Finding]:
    """Report paths that Lambda refuses, that leave ``/opt``, that collide, or that no import finds."""
    yield from check_paths(paths)
    folders = (*import_roots(target.python), *_OTHER_FOLDERS)
    library = import_roots(target.python)[0].removesuffix("site-packages/")
    misplaced = [p for p in paths if _VERSIONED.match(p) and not p.startswith(library) and p[-1] != "/"]
    message = f"is in a folder that Python {target.python} does not search"
    for_others = [p for p in misplaced if p.startswith(others)]
    yield from group_paths("warning", "name-python", f"{message}: it is for another Python", for_others)
    yield from group_paths("error", "name-python", message, [p for p in misplaced if not p.startswith(others)])
    if not misplaced:
        yield from _misplaced_packages(paths, target)
    outside = [p for p in paths if not p.endswith("/") and not p.startswith(folders)]
    message = "is outside python/, bin/, lib/ and extensions/: Lambda does not search it"
    yield from group_paths("warning", "name-outside", message, outside)
    packed = [p for p in paths if p.endswith((".whl", ".egg", ".zip")) and p.rpartition("/")[0] + "/" in folders[:2]]
    yield from group_paths(
        "warning", "archive-packed", "is an archive: Python imports nothing from it; unpack it", packed
    )
    if not any(p.startswith(("python/", *_OTHER_FOLDERS)) and not p.endswith("/") for p in paths):
        yield finding("error", "empty", "has no file in python/: a function cannot import anything from it")


def check_paths(paths: Sequence[str]) -> Iterator[Finding]:
    """Report paths of any zip, a function's too, that Lambda refuses, that leave the zip's folder or that collide."""
    unusual = (path for path in paths if not _USUAL_PATH.fullmatch(path))
    yield from group_equal(finding("error", *problem, path) for path in unusual for problem in _bad_name(path))
    yield from group_paths(
        "error", "name-twice", "is in the zip twice", [p for p, n in Counter(paths).items() if n > 1]
    )
    yield from _collisions(paths)


def _misplaced_packages(paths: Sequence[str], target: Target) -> Iterator[Finding]:
    """Report the folders that hold the packages, if no import root holds any: often one folder too deep."""
    folders = {match[1] for path in paths if "-info" in path and (match := _MISPLACED.match(path))}
    if folders.isdisjoint(import_roots(target.python)):
        message = f"holds the packages, and Python {target.python} does not search it: move them to python/"
        yield from group_paths("error", "name-python", message, sorted(folders))


def _bad_name(path: str) -> Iterator[tuple[str, str]]:
    """Yield the code and message of each problem of a path."""
    parts = path.removesuffix("/").split("/")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        yield "name-absolute", "is an absolute path"
    elif ".." in parts:
        yield "name-parent", "leads out of the layer (path traversal)"
    elif "" in parts or "." in parts:
        yield "name-odd", "has an empty part or a part that is a dot"
    if "\\" in path:
        yield "name-backslash", "has a backslash: a tool on Windows wrote the zip against the zip specification"
    if re.search(r"[\x00-\x1f\x7f]", path):
        yield "name-control", "has a NUL or another control character"
    try:
        lengths = [len(part.encode()) for part in parts]
    except UnicodeEncodeError:
        yield "name-encoding", "is not Unicode text"
        return
    if (
        max(lengths) > _MAX_NAME_BYTES
        or sum(lengths) + len(lengths) > _MAX_PATH_BYTES
        or len(lengths) > _MAX_PATH_PARTS
    ):
        limits = f"{_MAX_NAME_BYTES} bytes for a name, 4096 for a path, {_MAX_PATH_PARTS} folders"
        yield "name-long", f"is too long (File name too long, ENAMETOOLONG): {limits}"


def _collisions(paths: Sequence[str]) -> Iterator[Finding]:
    """Report files that are also folders, and paths that differ only by case or Unicode form (macOS keeps one).

    In sorted order a file comes directly before the paths below it, and spellings of one path are adjacent. So only
    neighbours are compared, and the memory does not grow with the depth of the folders.
    """
    unique = sorted({path.removesuffix("/") for path in paths}, key=_by_folder)
    files = {path for path in paths if not path.endswith("/")}
    folders = {path[:-1] for path in paths if path.endswith("/")}
    collisions = {a for a, b in pairwise(unique) if a in files and b.startswith(f"{a}/")} | (files & folders)
    yield from group_paths("error", "name-both", "is a file and also a folder", sorted(collisions))
    unique.sort(key=lambda path: _by_folder(_fold(path)))
    alike = {differing for a, b in pairwise(unique) if (differing := _same_but_for_case(a, b))}
    yield from group_paths(
        "warning", "name-case", "differs from another path only by case or Unicode form (NFC, NFD)", sorted(alike)
    )


def _fold(path: str) -> str:
    """Return a path as macOS compares it: without case, and composed and decomposed letters are the same."""
    return path.casefold() if path.isascii() else unicodedata.normalize("NFC", path).casefold()


def _by_folder(path: str) -> str:
    return path.replace("/", "\0")


def _same_but_for_case(first: str, second: str) -> str | None:
    """Return the shortest leading part of the second path that differs from the first one only by that, or None."""
    end = 0
    for one, other in zip(first.split("/"), second.split("/"), strict=False):
        end += len(other) + 1
        if one != other:
            return second[: end - 1] if _fold(one) == _fold(other) else None
    return None


def check_import_roots(paths: Iterable[str], target: Target) -> Iterator[Finding]:
    """Report files directly in an import root that behave differently there than in a virtual environment."""
    roots = import_roots(target.python)
    names = {root: {p[len(root) :] for p in paths if p.startswith(root)} for root in roots}
    for root, names_of_root in names.items():
        ignored = sorted(f"{root}{name}" for name in names_of_root if name.endswith(".pth") and "/" not in name)
        message = "has no effect: Lambda does not process .pth files, so sys.path does not get its lines"
        yield from group_paths("warning", "pth-ignored", message, ignored)
        startup = [f"{root}{name}" for name in _STARTUP_MODULES if name in names_of_root]
        message = "runs at the start of every Python that has this folder on PYTHONPATH"
        yield from group_paths("warning", "startup-module", message, startup)
        hiding = sorted(f"{root}{name}" for name in names_of_root if top_level_module(name) in HIDEABLE_MODULES)
        message = "hides a module of Python's standard library: Lambda puts this folder before it on sys.path"
        yield from group_paths("warning", "stdlib-hidden", message, hiding)
    has = {name.split("/", 1)[0] for names_of_root in names.values() for name in names_of_root}
    if "botocore" in has and "boto3" not in has:
        message = "hides the botocore of Lambda's runtime from the runtime's boto3; add boto3, or exclude botocore"
        yield finding("warning", "sdk-shadowed", message, "python/botocore")


def _check_modes(files: Sequence[FileFacts]) -> Iterator[Finding]:
    plain = [f for f in files if f.mode is not None and not (f.is_link or f.is_special)]
    unreadable = [f.path for f in plain if ~(f.mode or 0) & (0o005 if f.is_folder else 0o004)]
    message = "is not readable by all users; Lambda runs functions as another user (PermissionError)"
    yield from group_paths("error", "mode-unreadable", message, unreadable)
    special = [f.path for f in plain if (f.mode or 0) & 0o6000]
    yield from group_paths("warning", "mode-special", "has the setuid or setgid bit", special)


def unzipped_size(files: Iterable[FileFacts]) -> int:
    """Return the unzipped size as Lambda counts it: the sum of the file sizes."""
    return sum(file.size for file in files if not file.is_folder)


def _check_sizes(files: Sequence[FileFacts]) -> Iterator[Finding]:
    size = unzipped_size(files)
    remaining = UNZIPPED_LIMIT_BYTES - size
    if remaining < 0:
        limit = f"Lambda's limit is {UNZIPPED_LIMIT_BYTES:,} for a function with all its layers"
        compiled = sum(file.size for file in files if file.name.endswith(".pyc"))
        message = (
            f"{compiled:,} bytes of it are bytecode: it fits without (`bytecode: off` in the matrix), but starts slower"
        )
        advice = f". {message}" if size - compiled <= UNZIPPED_LIMIT_BYTES else ""
        yield finding("error", "size-unzipped", f"has {size:,} bytes unzipped; {limit}{advice}")
    elif remaining < WANTED_FREE_BYTES:
        message = f"leaves {megabytes(remaining)} of Lambda's 250 MB for the function's own code and other layers"
        yield finding("warning", "size-left", message)


def check_zipped_size(size: int, *, staged: bool = False) -> list[Finding]:
    """Report a zip that is too large to publish. ``staged``: through S3, where only the unzipped limit applies."""
    if size <= ZIPPED_LIMIT_BYTES or staged:
        return []
    message = (
        f"has {size:,} bytes; Lambda's limit for a zip in a request is {ZIPPED_LIMIT_BYTES:,} (--staged: through S3)"
    )
    return [finding("error", "size-zipped", message)]
