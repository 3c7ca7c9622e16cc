"""Find and read the requirements of an app: a requirements file or project, and the lock file beside it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from builder.metadata.requires_dist import marker_environment
from builder.model.errors import InputError
from builder.model.target import Target
from builder.model.text_files import read_text, read_toml
from builder.requirements.declarations import is_project, is_workspace_root
from builder.requirements.declared import DEFAULT_SELECTION, LocalPackage, Requirements, Selection
from builder.requirements.lock_files import find_lock, use_lock
from builder.requirements.pipfile import read_pipfile
from builder.requirements.pylock import read_pylock
from builder.requirements.pyproject import read_pyproject
from builder.requirements.requirements_file import read_requirements_file

#: Files with requirements. The first that a folder has is used.
FILES = (
    "requirements.txt", "pyproject.toml", "Pipfile", "pylock.toml", "setup.py", "setup.cfg", "requirements.in",
    "environment.yml", "environment.yaml", "conda.yml", "pixi.toml",
)  # fmt: skip
_LOCKS_OF = dict.fromkeys(("uv.lock", "poetry.lock", "pdm.lock"), "pyproject.toml") | {"Pipfile.lock": "Pipfile"}
#: A file, and another one that its reader uses.
_USED_TOGETHER = {("setup.py", "setup.cfg"), ("pyproject.toml", "pylock.toml")}
#: Lock files of Rye and PEP 751 that are read only with ``--requirements``.
_NAMED_LOCKS = ("requirements*.lock", "pylock.*.toml")
#: Requirements under names that are read only with ``--requirements``, such as ``requirements-prod.txt``.
_OTHER_NAME = re.compile(r"(.*[-_.])?requirements([-_.].*)?\.(txt|in|lock)", re.IGNORECASE)
#: The first line of PEP 723's block.
_SCRIPT = re.compile(rb"^# /// script\s*$", re.MULTILINE)


def find_requirements(app: Path) -> tuple[Path | None, tuple[str, ...]]:
    """Find the requirements of an app in its folder, else in the folder above; also return notes for the user.

    A file of a CDK app in the folder above does not apply to the function.
    """
    folder = app.absolute()
    notes: list[str] = []
    for each in (folder, folder.parent):
        paths = [path for name in FILES if (path := each / name).is_file() and _states_requirements(path)]
        if paths and each != folder and _is_cdk_app(each, paths):
            names = ", ".join(str(path) for path in paths)
            notes.append(
                f"{names}: not used, it belongs to the CDK app of {each / 'cdk.json'} (to use it, pass --requirements)"
            )
        elif paths:
            if each != folder:
                notes.append(f"{paths[0]}: used; it is in the folder above the app")
            unused = (path for path in paths[1:] if (paths[0].name, path.name) not in _USED_TOGETHER)
            notes += [f"{path}: not used, {paths[0].name} is" for path in unused]
            return paths[0], tuple(notes)
    _refuse_lone_lock(folder)
    return None, (*notes, *_note_unread(folder))


def _refuse_lone_lock(folder: Path) -> None:
    """Raise InputError if the folder has a lock file, and no file says which of its packages the app requires."""
    for name, project in _LOCKS_OF.items():
        if (folder / name).is_file():
            raise InputError(
                f"is a lock file without its {project}",
                where=str(folder / name),
                fix=f"add the {project} that it locks, or name another file with --requirements",
            )


def _folders_above(folder: Path) -> Iterator[Path]:
    """Yield the folders above, up to the root of the repository, without the root of the file system."""
    for inner, each in zip((folder, *folder.parents), folder.parents[:-1], strict=False):
        if (inner / ".git").exists():
            return
        yield each


def _note_unread(app: Path) -> Iterator[str]:
    """Yield warnings about files with requirements that are not searched. For an app for which no file was found."""
    for each in (app, app.parent):
        similar = [path for path in each.iterdir() if _OTHER_NAME.fullmatch(path.name)] if each == app else []
        if files := sorted([*similar, *(each / "requirements").glob("*.txt")]):
            names = ", ".join(map(str, files))
            yield f"warning: {names}: not used; name the file of the function with --requirements"
    for path in (each / "pyproject.toml" for each in (app, app.parent)):
        if path.is_file() and is_workspace_root(read_toml(path), str(path)):
            yield (
                f"warning: {path}: not used, it is the root of a uv workspace and no project; name the pyproject.toml "
                "of a member with --requirements"
            )
    for path in (each / name for each in _folders_above(app.parent) for name in FILES):
        with suppress(InputError):  # somebody else's file
            if path.is_file() and _states_requirements(path) and not _is_cdk_app(path.parent, [path]):
                yield f"warning: {path}: not used, it is too far above the app; name it with --requirements"
                break
    for path in sorted(app.glob("*.py")):
        if path.is_file() and os.access(path, os.R_OK) and _SCRIPT.search(path.read_bytes()):
            yield (
                f"warning: {path}: its inline script metadata (PEP 723) is not used; make a requirements file: "
                f"`uv export --script {path.name} -o requirements.txt`"
            )


def read_requirements(path: Path, target: Target, selection: Selection = DEFAULT_SELECTION) -> Requirements:
    """Return the file's requirements on the target, with the versions of its lock file if there is one.

    Raises one InputError with all problems.
    """
    is_pylock = re.fullmatch(r"pylock(\..+)?\.toml", path.name) is not None
    has_options = is_pylock or path.suffix == ".toml" or path.name == "Pipfile"
    if (selection.extras or selection.all_extras or selection.groups) and not has_options:
        raise InputError(
            "only a project has extras and dependency groups, and this file has none",
            where=str(path),
            fix="leave out --extra, --all-extras and --group, or name a pyproject.toml with --requirements",
        )
    if is_pylock:
        return read_pylock(path, target, selection).with_selection(selection)
    requirements = _read(path, target, selection)
    lock, other_locks = find_lock(requirements)
    notes = [f"{other}: not used" + (f", {lock.name} is" if lock else "") for other in other_locks]
    if path.name == "pyproject.toml":
        named = sorted(each for pattern in _NAMED_LOCKS for each in path.parent.glob(pattern))
        notes += [f"warning: {each}: not used; for its versions, pass --requirements {each}" for each in named]
        others = sorted(path.parent.glob("pdm.*.lock"))
        notes += [f"warning: {each}: not used, only pdm.lock is" for each in others]
    if lock and path.name not in ("pyproject.toml", "Pipfile"):
        notes.append(f"{lock}: not used, it is the lock file of a project, and {path.name} is not a project")
    elif lock and selection.use_lock:
        notes.append(f"versions from {lock}")
        requirements = use_lock(requirements, lock, target)
    elif lock:
        notes.append(f"{lock}: not used (--no-lock)")
    if requirements.not_applied:  # a lock file made with them has none
        notes.append(f"warning: {', '.join(requirements.not_applied)} is not applied without a lock file")
    if requirements.needs_lock:
        raise InputError(
            "several versions or sources are possible, and only a lock file tells which one to use:",
            details=[f"  {each}" for each in requirements.needs_lock],
            where=str(path),
            fix="run `uv lock`, `poetry lock` or `pipenv lock` and package without --no-lock, or add it to the "
            "dependencies with its version (==2.0)",
        )
    return replace(requirements.with_selection(selection), notes=(*requirements.notes, *notes))


def _read(path: Path, target: Target, selection: Selection) -> Requirements:
    if refusal := _refusal(path):
        raise InputError(refusal[0], where=str(path), fix=refusal[1])
    if path.suffix == ".toml":
        return _read_toml(path, target, selection)
    if path.name == "Pipfile":
        return read_pipfile(path, selection, target.python)
    if path.name in ("setup.py", "setup.cfg"):
        return _built(path)
    return read_requirements_file(path, environment=marker_environment(target))


def _refusal(path: Path) -> tuple[str, str] | None:
    """Return what a file is that does not state requirements for pip, and what to do; None for any other file."""
    if path.suffix == ".lock" and not _OTHER_NAME.fullmatch(path.name):
        return "is the lock file of a project", "name the project's pyproject.toml or Pipfile instead"
    if path.name == "pixi.toml":
        fix = "state the packages in a requirements.txt or in [project].dependencies of a pyproject.toml"
        return "is pixi's file, and conda packages are not wheels", fix
    if path.suffix in (".yml", ".yaml"):
        fix = "write a requirements.txt (`pip list --format=freeze` in the environment prints one)"
        return "is a conda environment, and conda packages are not wheels", fix
    if path.name == "setup.cfg" and not any((path.parent / name).is_file() for name in ("setup.py", "pyproject.toml")):
        fix = 'add a pyproject.toml with [build-system] and requires = ["setuptools"]'
        return "cannot be built: installers need a setup.py or pyproject.toml beside it", fix
    if path.suffix == ".py" and path.name != "setup.py":
        fix = f"for inline script metadata (PEP 723), run `uv export --script {path.name} -o requirements.txt`"
        return "is a Python file, not a requirements file", fix
    return None


def _read_toml(path: Path, target: Target, selection: Selection) -> Requirements:
    """Read a pyproject.toml; one that has only a [build-system] belongs to the setup.py or setup.cfg beside it."""
    document = read_toml(path)
    if not is_project(document, str(path)) and not is_workspace_root(document, str(path)):
        if "build-system" in document:
            return _built(path)
        raise InputError(
            "states no requirements: it has no [project] and no [dependency-groups]",
            where=str(path),
            fix="name another file with --requirements",
        )
    return read_pyproject(path, selection, marker_environment(target))


def _built(path: Path) -> Requirements:
    """Return the requirements of a project that only a build of it tells."""
    return Requirements(path, local=(LocalPackage(path.absolute().parent, str(path)),))


def _states_requirements(path: Path) -> bool:
    if path.name == "pyproject.toml":
        return is_project(read_toml(path), str(path))
    return (
        path.name != "setup.cfg" or re.search(r"^\[metadata\]|^\[options\]", read_text(path), re.MULTILINE) is not None
    )


def _is_cdk_app(folder: Path, files: list[Path]) -> bool:
    """Whether the folder is a CDK app in Python, whose requirements are its own."""
    if not (folder / "cdk.json").is_file():
        return False
    try:
        command = str(json.loads(read_text(folder / "cdk.json")).get("app", ""))
    except (ValueError, RecursionError, AttributeError):
        command = ""
    stated = "\n".join(read_text(path) for path in files)
    return re.search(r"\bpython|\.py\b", command) is not None or re.search(r"\baws[-_]cdk", stated) is not None
