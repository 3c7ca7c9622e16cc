"""Find the files of an app for ``app.zip``: all but those that no function needs and those in ``.lambdaignore``."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from builder.model.errors import InputError, read_error
from builder.model.progress import Progress
from builder.model.text_files import read_text
from builder.model.zip_damage import ZIP_DAMAGE
from builder.package.ignore_rules import ignore_rules, is_ignored

IGNORE_FILE = ".lambdaignore"
#: Default lines before those of the ``.lambdaignore``: the last match decides.
DEFAULT_IGNORED = (
    ".*", "__pycache__/", "*.pyc", "*.pyo", "venv/", "node_modules/", "*.egg-info/",
    "cdk.out/", "Thumbs.db",
)  # fmt: skip
#: Files that ``layers package`` writes.
OUTPUT_FILES = frozenset({"app.zip", "dependencies.zip", "dependencies.cdx.json"})
#: A folder that ``layers package`` makes for one run; one that was killed leaves it behind.
WORK_FOLDER_PREFIX = ".layers-package-"
#: The time of every entry in a zip that ``layers package`` writes.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)

_Ignored = Callable[[str, bool], bool]


def app_files(app: Path, output: Path, progress: Progress) -> dict[str, Path]:
    """Return the app's files by their path in the zip. Follows links, and leaves out ``output``.

    The files of an earlier run in another folder are left out with a note for the user.
    Raises InputError if there are none, or if one cannot be put into a zip.
    """
    if not app.is_dir():
        raise InputError(
            "is not a directory" if app.exists() else "no such directory",
            where=str(app),
            fix="name the folder that holds the handler",
        )
    ignore_file = app / IGNORE_FILE
    lines = re.split(r"\r?\n", read_text(ignore_file)) if os.path.lexists(ignore_file) else []
    rules = ignore_rules([*DEFAULT_IGNORED, *lines])
    try:
        walk = _walk(app, "", lambda path, folder: is_ignored(path, folder, rules), (app.resolve(),), output.resolve())
        files = dict(sorted(walk))
        for zipped in [place for place in files.values() if place.name == "app.zip" and _is_earlier_output(place)]:
            excluded = {
                path for path, place in files.items() if place.parent == zipped.parent and place.name in OUTPUT_FILES
            }
            progress.note(f"not packed, because an earlier `layers package` wrote them: {', '.join(sorted(excluded))}")
            files = {path: place for path, place in files.items() if path not in excluded}
    except (OSError, RecursionError) as error:
        raise read_error("cannot be read", error, getattr(error, "filename", None) or app) from None
    if not files:
        raise InputError("the app has no files", where=str(app), fix="name the folder that holds the handler")
    return files


def _walk(
    folder: Path, folder_path: str, ignored: _Ignored, parents: tuple[Path, ...], output: Path
) -> Iterator[tuple[str, Path]]:
    for entry in os.scandir(folder):
        path, place = f"{folder_path}{entry.name}", Path(entry.path)
        if ignored(path, entry.is_dir()) or entry.name.startswith(WORK_FOLDER_PREFIX):
            continue
        _check_name(path, place)
        if entry.is_dir():
            resolved = place.resolve()
            if resolved == output or (place / "pyvenv.cfg").is_file():
                continue
            if resolved in parents:
                raise InputError(
                    "a symbolic link leads back to a folder above it", where=str(place), fix=f"name it in {IGNORE_FILE}"
                )
            yield from _walk(place, f"{path}/", ignored, (*parents, resolved), output)
        elif entry.is_file():
            yield path, place
        else:
            problem = "a broken symbolic link" if entry.is_symlink() else "not a regular file"
            raise InputError(f"this is {problem}", where=str(place), fix=f"remove it, or name it in {IGNORE_FILE}")


def _is_earlier_output(app_zip: Path) -> bool:
    """Whether ``layers package`` wrote the zip: unlike other programs, it gives all entries one fixed time."""
    try:
        with zipfile.ZipFile(app_zip) as archive:
            return all(each.date_time == _ZIP_TIME and not each.extra for each in archive.infolist())
    except ZIP_DAMAGE:
        return False


def _check_name(path: str, place: Path) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InputError("the name is not valid UTF-8", where=repr(str(place)), fix="rename it") from None
    if re.search(r"[\\\x00-\x1f\x7f]", path):
        raise InputError("the name has a backslash or a control character", where=repr(str(place)), fix="rename it")
