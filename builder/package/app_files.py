"""Which files of an app go into its zip: all but what a function cannot need, and what ``.lambdaignore`` names."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from builder.model.errors import InputError

IGNORE_FILE = ".lambdaignore"
#: In the form of ``.lambdaignore``, whose lines come after these: the last that matches decides.
LEFT_OUT = (
    ".*", "__pycache__/", "*.pyc", "*.pyo", "venv/", "node_modules/", "*.egg-info/",
    "cdk.out/", "Thumbs.db",
)  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """One line: what matches it is left out, or (``!``) kept after all."""

    pattern: re.Pattern[str]
    keep: bool
    folders_only: bool

    def matches(self, path: str, folder: bool) -> bool:
        return (folder or not self.folders_only) and self.pattern.fullmatch(path) is not None


def parse_rules(lines: Collection[str]) -> tuple[Rule, ...]:
    """The rules of ignore lines: a part of what gitignore has. ``*``, ``**``, ``?``, ``name/`` for folders, ``!`` to
    keep; a pattern with a slash before its end counts from the app's folder, one without fits at any depth."""
    rules = []
    for line in (line.strip() for line in lines):
        if line and not line.startswith("#"):
            bare = line.removeprefix("!")
            name = bare.strip("/")
            anchored = "/" in bare.rstrip("/")
            lead = "" if anchored else "(?:.*/)?"
            rules.append(Rule(re.compile(lead + _regex(name)), line.startswith("!"), bare.endswith("/")))
    return tuple(rules)


def is_left_out(path: str, folder: bool, rules: Collection[Rule]) -> bool:
    """Whether the rules leave a path out; the last that matches decides."""
    out = False
    for rule in rules:
        if rule.matches(path, folder):
            out = not rule.keep
    return out


def _regex(pattern: str) -> str:
    pieces = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(pieces.get(each, re.escape(each)) for each in re.split(r"(\*\*/|\*\*|\*|\?)", pattern))


def app_files(app: Path, output: Path) -> dict[str, Path]:
    """The app's files by their path in the zip. Links are followed; ``output`` is left out where it lies inside.

    InputError where there are none, or where something cannot go into a zip.
    """
    if not app.is_dir():
        raise InputError(
            "there is no such folder" if not app.exists() else "the app is a folder, and this is none",
            where=str(app),
            fix="name the folder that the handler lies in",
        )
    try:
        own = app / IGNORE_FILE
        lines = own.read_text("utf-8-sig").splitlines() if own.is_file() else []
        rules = parse_rules([*LEFT_OUT, *lines])
        files = dict(sorted(_walk(app, "", rules, (app.resolve(),), output.resolve())))
    except (OSError, UnicodeDecodeError) as error:
        where = getattr(error, "filename", None) or str(app / IGNORE_FILE)
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}", where=str(where)) from None
    if not files:
        raise InputError("the app has no files", where=str(app), fix="name the folder that the handler lies in")
    return files


def _walk(
    folder: Path, below: str, rules: Collection[Rule], above: tuple[Path, ...], output: Path
) -> Iterator[tuple[str, Path]]:
    for entry in os.scandir(folder):
        path, place = f"{below}{entry.name}", Path(entry.path)
        if is_left_out(path, entry.is_dir(), rules):
            continue
        _check_name(path, place)
        if entry.is_dir():
            real = place.resolve()
            if real == output or (place / "pyvenv.cfg").is_file():
                continue
            if real in above:
                raise InputError(
                    "a link leads back to a folder above it", where=str(place), fix="name it in " + IGNORE_FILE
                )
            yield from _walk(place, f"{path}/", rules, (*above, real), output)
        elif entry.is_file():
            yield path, place
        else:
            what = "a link to nothing" if entry.is_symlink() else "neither a file nor a folder"
            raise InputError(f"this is {what}", where=str(place), fix="remove it, or name it in " + IGNORE_FILE)


def _check_name(path: str, place: Path) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InputError("the name is no Unicode text", where=repr(str(place)), fix="give it another") from None
    if re.search(r"[\\\x00-\x1f\x7f]", path):
        raise InputError(
            "the name has a backslash or a control character", where=repr(str(place)), fix="give it another"
        )
