"""Wheels in the user's folders of wheels (find-links) that uv does not see, because of their file names."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from builder.model.escape import shorten
from builder.model.figures import first_names
from builder.resolve import uv

_FORMAT: Final = "NAME-VERSION-PYTHON-ABI-PLATFORM.whl"
_MAX_SHOWN: Final = 3


def misnamed_wheels_note(variables: Mapping[str, str]) -> list[str]:
    """Return a warning that names the files that are not used, if there are any."""
    found = [f"{path} ({problem})" for path, problem in sorted(_misnamed_wheels(variables).items())]
    shown = first_names(found, _MAX_SHOWN)
    return [f"warning: not used, because a wheel is named {_FORMAT}: {shown}"] if found else []


def misnamed_wheel_of(package: str, variables: Mapping[str, str]) -> tuple[str, str] | None:
    """Return what to say about a file that seems to be a wheel of the package, and the fix; None if there is none."""
    name = canonicalize_name(package)
    for path, problem in sorted(_misnamed_wheels(variables).items()):
        if f"{canonicalize_name(Path(path).name)}-".startswith(f"{name}-"):
            return f"{path} is not used: {problem}", f"rename the file to {_FORMAT}, with NAME {name.replace('-', '_')}"
    return None


def _misnamed_wheels(variables: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong with the name of each file, by its path."""
    found: dict[str, str] = {}
    for place in uv.environment(variables).get("UV_FIND_LINKS", "").split(","):
        folder = unquote(urlsplit(place).path) if place.startswith("file:") else place
        with suppress(OSError):  # uv reports it
            names = os.listdir(folder) if folder else []  # noqa: PTH208 - a folder may have thousands of files
            problems = {name: problem for name in names if ".whl" in name.lower() and (problem := _problem(name))}
            found |= {shorten(str(Path(folder, name)), 400): problem for name, problem in problems.items()}
    return found


def _problem(name: str) -> str | None:
    """Return what is wrong with a wheel's file name, or None."""
    if not name.endswith(".whl"):
        return "its name does not end with .whl"
    try:
        parse_wheel_filename(name)
    except InvalidWheelFilename as error:
        return re.sub(r" in '.*|Invalid wheel filename \((.*)\): .*|: '.*", r"\1", str(error))
    tags = name.removesuffix(".whl").split("-")[-3:]
    odd = next((tag for tag in tags if not re.fullmatch(r"[\w.]+", tag, re.ASCII)), None)
    return None if odd is None else f"invalid tag {odd!r}"
