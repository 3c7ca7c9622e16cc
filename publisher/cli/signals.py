"""Handle Ctrl-C, SIGTERM and SIGHUP: the first signal stops a command in order, the second one at once."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import FrameType

from builder.model.stop import Stop
from publisher.cli.console import print_message

FINISHING = "requests in flight are finished and recorded, no others are sent"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stopping(stop: Stop, what: str = FINISHING) -> Iterator[None]:
    """Set ``stop`` at the first signal and print ``what`` still happens. End the process at the second one.

    Temporary files that are created in the block are removed even then.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if stop:
            print_message(
                f"stopped by {name}: AWS may still carry out requests in flight; the same command finds out and goes on"
            )
            shutil.rmtree(_temporary_folder(), ignore_errors=True)
            os._exit(128 + number)  # any other exit would wait for threads with requests to AWS
        print_message(f"stopping: {what} (again to stop at once)")
        stop(f"interrupted by {name}")

    # SIGHUP stays ignored under nohup.
    handled = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in handled}
    folder, tempfile.tempdir = tempfile.tempdir, _temporary_folder()
    try:
        yield
    finally:
        tempfile.tempdir = folder
        for number, handler in before.items():
            signal.signal(number, handler)


@cache
def _temporary_folder() -> str:
    """Return the folder for temporary files of this process. It is deleted at exit."""
    folder = tempfile.mkdtemp(prefix="layers-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end this like Ctrl-C does, so that unpacked files and started processes are cleaned up."""
    before = signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
