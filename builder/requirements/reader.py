"""Find and read the file that says what an app needs, with the lock file beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from builder.model.errors import InputError
from builder.requirements.declared import EVERYTHING_DECLARED, LocalPackage, Requirements, Selection
from builder.requirements.pyproject import is_project, read_pyproject
from builder.requirements.requirements_file import read_requirements_file
from builder.requirements.text_files import read_text

#: The files that say what is needed, the first of a folder is used.
FILES = (
    "requirements.txt", "pyproject.toml", "Pipfile", "pylock.toml", "setup.py", "setup.cfg", "requirements.in",
    "environment.yml", "environment.yaml", "conda.yml",
)  # fmt: skip


def find_requirements(app: Path) -> tuple[Path | None, tuple[str, ...]]:
    """Return the nearest file that says what the app needs, in its folder or the one above, with notes about it.

    A file that belongs to a CDK app above is not the function's.
    """
    folder = app.absolute()
    notes: list[str] = []
    for each in (folder, folder.parent):
        found = [path for name in FILES if (path := each / name).is_file() and _states_requirements(path)]
        if found and each != folder and _is_cdk_app(each, found):
            names = ", ".join(str(path) for path in found)
            notes.append(
                f"{names}: not used, it belongs to the CDK app of {each / 'cdk.json'} (--requirements names it)"
            )
        elif found:
            if each != folder:
                notes.append(f"{found[0]}: used, though it is in the folder above the app")
            notes += [f"{path}: not used, {found[0].name} is" for path in found[1:]]
            return found[0], tuple(notes)
    return None, tuple(notes)


def read_requirements(
    path: Path, selection: Selection = EVERYTHING_DECLARED, environment: Mapping[str, str] | None = None
) -> Requirements:
    """Return what the file asks for on a target with these marker values. InputError names every problem at once."""
    found = _read(path, selection, environment or {})
    if (selection.extras or selection.all_extras or selection.groups) and path.name not in _WITH_OPTIONS:
        raise InputError(
            "only a project has extras and dependency groups, and this file has none",
            where=str(path),
            fix="leave out --extra, --all-extras and --group, or name a pyproject.toml with --requirements",
        )
    return found.with_selection(selection)


_WITH_OPTIONS = ("pyproject.toml", "Pipfile", "Pipfile.lock", "pylock.toml")


def _read(path: Path, selection: Selection, environment: Mapping[str, str]) -> Requirements:
    if path.suffix == ".toml":
        return read_pyproject(path, selection, environment)
    if path.name in ("setup.py", "setup.cfg"):
        return Requirements(path, local=(LocalPackage(path.absolute().parent, str(path)),))
    if path.suffix in (".yml", ".yaml"):
        raise InputError(
            "is a conda environment, and conda packages are not wheels",
            where=str(path),
            fix="write a requirements.txt (`pip list --format=freeze` in the environment prints one)",
        )
    return read_requirements_file(path)


def _states_requirements(path: Path) -> bool:
    if path.name == "pyproject.toml":
        return is_project(path)
    return (
        path.name != "setup.cfg" or re.search(r"^\[metadata\]|^\[options\]", read_text(path), re.MULTILINE) is not None
    )


def _is_cdk_app(folder: Path, files: list[Path]) -> bool:
    """Whether the folder's requirements are those of a CDK app in Python."""
    if not (folder / "cdk.json").is_file():
        return False
    try:
        command = str(json.loads(read_text(folder / "cdk.json")).get("app", ""))
    except (ValueError, RecursionError, AttributeError):
        command = ""
    stated = "\n".join(read_text(path) for path in files)
    return re.search(r"\bpython|\.py\b", command) is not None or re.search(r"\baws[-_]cdk", stated) is not None
