"""Ctrl-C and SIGTERM as a wish to end in order, for commands that must not leave things half done."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from publisher.cli.console import print_message

if TYPE_CHECKING:
    from publisher.reconcile.job import Stop


@contextmanager
def stopping(stop: Stop, what: str) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) ends the run in order, and says ``what`` is done before; the second at once."""

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop:
            raise KeyboardInterrupt
        print_message(f"stopping: {what}")
        stop(f"interrupted by {signal.Signals(number).name}")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends this as Ctrl-C does, so that what was unpacked and started goes too."""
    before = signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
