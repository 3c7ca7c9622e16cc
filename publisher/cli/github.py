"""The one place where a command speaks to GitHub Actions. Elsewhere, where its variables are not set, it is silent."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.model.errors import LayersError

if TYPE_CHECKING:
    from publisher.report.annotations import Note

#: What GitHub takes as one step's summary; it shows nothing of a longer one.
LIMIT = 1024 * 1024
_CUT = b"\n\n*The rest is cut off: GitHub takes 1 MiB a step. The log has it all.*\n"


def listens() -> bool:
    """Whether anything would become of a section or a note."""
    return bool(os.environ.get("GITHUB_STEP_SUMMARY")) or _annotates()


def summarize(section: str) -> None:
    """Add a section to the job's summary, as far as there is room. A summary that cannot be written fails nothing."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        file = Path(path)
        before = file.stat().st_size if file.exists() else 0
        data = _fitting(f"\n{section}".encode("utf-8", "replace"), LIMIT - before)
        if not data:
            click.echo("the job's summary is full", err=True)
        with file.open("ab") as out:
            out.write(data)
    except OSError as error:
        click.echo(f"the job's summary cannot be written: {error.strerror or error}", err=True)


def _fitting(data: bytes, room: int) -> bytes:
    """The data, cut off at the end of a line where it is longer than the room, and saying so where even that fits."""
    if len(data) <= room:
        return data
    head = data[: max(0, room - len(_CUT))]
    return head[: head.rfind(b"\n") + 1].rstrip(b"\n") + _CUT if room >= len(_CUT) else b""


def annotate(notes: Iterable[Note]) -> None:
    """Show notes beside the run. Called once a command; one error is left for that which ends the program."""
    if _annotates():
        from publisher.report.annotations import commands

        _say(commands(notes, errors_left=1))


def annotate_end(error: LayersError) -> None:
    """Show the error that ends the program."""
    if _annotates():
        from publisher.report.annotations import commands, of_error

        _say(commands([of_error(error)]))


def _annotates() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


def _say(lines: Iterable[str]) -> None:
    """On stderr, which GitHub reads as well: stdout belongs to results."""
    for line in lines:
        click.echo(line, err=True)
