"""Everything that commands print: results on stdout, messages and progress on stderr, JSON as one document.

All text passes through ``escape`` here. If a reader closes the pipe, the output ends and the command continues.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.model.errors import UsageError
from builder.model.escape import escape, escape_json
from builder.model.progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_json_printed = threading.Event()
_output_lost = threading.Event()

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")


def print_result(*lines: str) -> None:
    """Print lines of a result on stdout; without an argument an empty line. A line break in one is escaped."""
    _write("\n".join(map(escape, lines)))


def print_message(*lines: str) -> None:
    """Print lines for the user on stderr. A line break in one is escaped."""
    _write("\n".join(map(escape, lines)), err=True)


def print_document(text: str) -> None:
    """Print a text of several lines, such as a snippet or a template, on stdout."""
    print_result(*text.removesuffix("\n").split("\n"))


def print_quoted(text: str) -> None:
    """Print another program's output on stdout, indented behind a bar."""
    print_result(*(f"  | {line}".expandtabs() for line in text.splitlines()))


def print_heading(text: str) -> None:
    """Print a line in bold on stdout."""
    _write(click.style(escape(text), bold=True))


def print_finding(level: str, text: str) -> None:
    """Print a line that starts with a coloured ``error`` or ``warning``."""
    colored = click.style(escape(f"{level:7}"), fg="red" if level == "error" else "yellow")
    _write(f"  {colored} {escape(text)}")


def print_json(data: object) -> None:
    """Print the one JSON document of a command on stdout. It may have models, dataclasses, paths and dates in it."""
    _json_printed.set()
    _write(escape_json(json.dumps(data, indent=2, ensure_ascii=False, default=_jsonable)))


def _jsonable(value: object) -> object:
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value)


def json_was_printed() -> bool:
    """Return whether the command has printed its JSON document."""
    return _json_printed.is_set()


def forget_json() -> None:
    """Reset ``json_was_printed`` for a new command."""
    _json_printed.clear()


def print_json_line(data: object) -> None:
    """Print a JSON object as one line on stderr."""
    _write(escape_json(json.dumps(data, ensure_ascii=False)), err=True)


def print_workflow_commands(lines: Iterable[str]) -> None:
    """Print workflow commands of GitHub Actions, which are escaped already, on stderr: stdout is for results."""
    for line in lines:
        _write(line, err=True)


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Print a table on stdout as wide as its content, so that an ARN survives a pipe.

    ``right``: the columns that are aligned to the right.
    """
    table = [[escape(cell) for cell in row] for row in [headers, *rows]]
    widths = [max(len(row[i]) for row in table) for i in range(len(headers))]
    for index, row in enumerate(table):
        cells = [
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        line = "  ".join(cells).rstrip()
        print_result(line) if index else print_heading(line)


def require_terminal(fix: str = "add --yes") -> None:
    """Raise UsageError if nobody can answer a question. ``fix`` says how to run the command without one."""
    if not sys.stdin.isatty():
        raise UsageError("cannot ask for confirmation: stdin is not a terminal", fix=fix)


def confirm(question: str) -> None:
    """Ask for confirmation on the terminal; stop the command unless the user types yes."""
    click.confirm(escape(question), abort=True, err=True)


def _write(text: str, *, err: bool = False) -> None:
    try:
        click.echo(text, err=err)
    except BrokenPipeError:
        _discard_output(err)
    except OSError as error:  # the disk is full: the command continues, and fails at its end
        _discard_output(err)
        if not err:
            _output_lost.set()
            print_message(f"error: the output cannot be written: {error.strerror or error}")


def output_was_lost() -> bool:
    """Return whether a result could not be written to stdout."""
    return _output_lost.is_set()


def open_closed_streams() -> None:
    """Open the null device in place of each standard stream that the caller has closed.

    Otherwise, Python has None in its place, and the next file that the program opens would get its number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - until the end


def _discard_output(err: bool) -> None:
    """Discard the rest of a stream's output."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, (sys.stderr if err else sys.stdout).fileno())
    os.close(null)


@contextmanager
def progress() -> Iterator[Progress]:
    """Show progress: bars on a terminal, else plain lines; JSON lines with ``--log-format json``."""
    if logging.getLogger("layers").handlers:
        yield LoggedProgress()
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield bars
    else:
        yield _ProgressLines()


class _ProgressLines:
    """One plain line for each step, with the time since the start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._done = self._total = 0

    def begin(self, title: str, total: int) -> None:
        with self._lock:
            self._done, self._total = 0, total
        self.note(title)

    def step(self, label: str, note: str = "") -> None:
        with self._lock:
            self._done += 1
            self._print(f"[{self._done}/{self._total}] {_step_text(label, note)}")

    def note(self, text: str) -> None:
        with self._lock:
            self._print(text)

    def _print(self, text: str) -> None:
        print_message(f"{time.monotonic() - self._started:6.1f} s  {text}")


class LoggedProgress:
    """Log records, for ``--log-format json``."""

    def __init__(self) -> None:
        self._log = logging.getLogger("layers.progress")
        self._lock = threading.Lock()
        self._stage, self._done, self._total = "", 0, 0

    def begin(self, title: str, total: int) -> None:
        with self._lock:
            self._stage, self._done, self._total = title, 0, total
        self._log.info("%s", title, extra={"fields": {"stage": title, "total": total}})

    def step(self, label: str, note: str = "") -> None:
        with self._lock:
            self._done += 1
            fields = {"stage": self._stage, "done": self._done, "total": self._total, "label": label, "note": note}
        self._log.info("%s %s", label, note, extra={"fields": fields})

    def note(self, text: str) -> None:
        self._log.info("%s", text, extra={"fields": {"stage": self._stage}})


def _step_text(label: str, note: str) -> str:
    return f"{label}: {note}" if note else label


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[last]}", style="dim", markup=False),
    )  # fmt: skip
    with RichProgress(*columns, console=Console(stderr=True)) as rich_progress:
        yield _ProgressBars(rich_progress)


class _ProgressBars:
    """A rich progress bar for each stage, with the last step beside it."""

    def __init__(self, rich_progress: RichProgress) -> None:
        self._rich = rich_progress
        self._task: TaskID | None = None

    def begin(self, title: str, total: int) -> None:
        self._task = self._rich.add_task(escape(title), total=total, last="")

    def step(self, label: str, note: str = "") -> None:
        if self._task is not None:
            self._rich.update(self._task, advance=1, last=escape(_step_text(label, note)))

    def note(self, text: str) -> None:
        self._rich.console.print(escape(text), markup=False, highlight=False)
