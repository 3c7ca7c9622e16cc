"""What commands print: results on stdout, progress and messages on stderr, JSON as one document."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from builder.model.progress import Progress
from publisher.text.figures import duration as duration
from publisher.text.figures import megabytes as megabytes

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

F = TypeVar("F", bound=Callable[..., Any])

json_option: Callable[[F], F] = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout."
)


def print_json(data: object) -> None:
    """The one JSON document of a command."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """A table on stdout, as wide as its content: an ARN must survive a pipe. ``right``: the columns of figures."""
    widths = [max(len(row[i]) for row in [headers, *rows]) for i in range(len(headers))]
    for index, row in enumerate([headers, *rows]):
        cells = [
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo(click.style("  ".join(cells).rstrip(), bold=index == 0))


@contextmanager
def progress() -> Iterator[Progress]:
    """Bars on a terminal, one plain line a step where stderr is none, JSON lines where those are asked for."""
    import logging

    if logging.getLogger("layers").handlers:
        from publisher.cli.logs import logged_progress

        yield logged_progress()
        return
    if sys.stderr.isatty():
        with _bars() as bars:
            yield bars
    else:
        yield _Lines()


class _Lines:
    """One plain line a step, with the time since the start."""

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
            self._write(f"[{self._done}/{self._total}] {label}{': ' + note if note else ''}")

    def note(self, text: str) -> None:
        with self._lock:
            self._write(text)

    def _write(self, text: str) -> None:
        click.echo(f"{time.monotonic() - self._started:6.1f} s  {text}", err=True)


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[last]}"),
    )  # fmt: skip
    with RichProgress(*columns, console=Console(stderr=True)) as rich_progress:
        yield _Bars(rich_progress)


class _Bars:
    """rich's bars: one a stage, with the last step beside it."""

    def __init__(self, rich_progress: RichProgress) -> None:
        self._rich = rich_progress
        self._task: TaskID | None = None

    def begin(self, title: str, total: int) -> None:
        self._task = self._rich.add_task(title, total=total, last="")

    def step(self, label: str, note: str = "") -> None:
        if self._task is not None:
            self._rich.update(self._task, advance=1, last=f"{label}{': ' + note if note else ''}")

    def note(self, text: str) -> None:
        self._rich.console.print(text, markup=False, highlight=False)
