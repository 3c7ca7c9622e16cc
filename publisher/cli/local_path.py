"""Paths of options: ``~`` is the home folder; a URL, and ``-`` for stdin or stdout, are refused."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import click

from builder.model.errors import UsageError
from builder.model.escape import shorten

#: Linux's PATH_MAX with room for the names of files in a folder. pathlib cannot create deeper folders.
MAX_PATH_BYTES = 3000


def local_path(text: str, name: str) -> Path:
    """Return the path. Raise UsageError for a URL, whose file would only be reported as missing, and for ``-``.

    The shell expands ``~`` in ``--output ~/x``, but not in ``--output=~/x`` and not in a quoted variable.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        raise UsageError(f"{name} is a path, and {shorten(text, 60)!r} is a URL", fix="give a path on this machine")
    if text == "-":
        raise UsageError(f"{name} is a path, not stdin or stdout", fix="give a path; ./- is one with this name")
    if len(os.fsencode(text)) > MAX_PATH_BYTES:
        raise UsageError(f"{name}: {os.strerror(errno.ENAMETOOLONG)}", fix="give a shorter path")
    return Path(os.path.expanduser(text))  # noqa: PTH111 - Path.expanduser raises RuntimeError for an unknown user


class LocalPath(click.Path):
    """A file or folder on this machine."""

    def __init__(self, *, file_okay: bool = True, dir_okay: bool = True) -> None:
        super().__init__(path_type=Path, file_okay=file_okay, dir_okay=dir_okay)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the Path."""
        if isinstance(value, str):
            name = param.opts[0] if isinstance(param, click.Option) else param.human_readable_name if param else "this"
            value = local_path(value, name)
        return super().convert(value, param, ctx)
