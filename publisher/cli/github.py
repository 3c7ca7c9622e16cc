"""Report to GitHub Actions: the job summary and annotations. Nothing is written where its variables are not set."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from builder.model.errors import LayersError
from publisher.cli.console import print_message, print_workflow_commands
from publisher.report.annotations import Note, commands, error_note

#: GitHub's limit for the summary of one step. A longer one is not shown at all.
SUMMARY_LIMIT_BYTES = 1024 * 1024
_TRUNCATED = b"\n\n*The rest is cut off: GitHub shows 1 MiB a step. The log has everything.*\n"


def is_reporting() -> bool:
    """Whether GitHub would show a section of the summary or an annotation."""
    return bool(os.environ.get("GITHUB_STEP_SUMMARY")) or _annotates()


def report(section: str, notes: Iterable[Note]) -> None:
    """Add a section to the job summary, and print notes as annotations. A command calls this once.

    One of the errors that GitHub shows is kept free for the error that may end the command.
    """
    summarize(section)
    if _annotates():
        print_workflow_commands(commands(notes, errors_left=1))


def summarize(section: str) -> None:
    """Add a section to the job summary, as far as it fits. If it cannot be written, print a message."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        file = Path(path)
        before = file.stat().st_size if file.exists() else 0
        data = _truncate(f"\n{section}".encode("utf-8", "replace"), SUMMARY_LIMIT_BYTES - before)
        if not data:
            print_message("the job summary is full: GitHub shows 1 MiB a step, the log has everything")
        with file.open("ab") as summary:
            summary.write(data)
    except OSError as error:
        print_message(f"cannot write the job summary: {error.strerror or error}")


def _truncate(data: bytes, room: int) -> bytes:
    """Return the data cut off after a line and marked as cut off; nothing if the mark does not fit."""
    if len(data) <= room:
        return data
    head = data[: max(0, room - len(_TRUNCATED))]
    return head[: head.rfind(b"\n") + 1].rstrip(b"\n") + _TRUNCATED if room >= len(_TRUNCATED) else b""


def annotate_end(error: LayersError) -> None:
    """Print the error that ends the program as an annotation."""
    if _annotates():
        print_workflow_commands(commands([error_note(error)]))


def _annotates() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"
