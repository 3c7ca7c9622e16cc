"""Handle Ctrl-C, SIGTERM and SIGHUP in every command: the first one stops it cleanly, the second one at once.

Python runs signal handlers in the main thread, which may hang in a system call. So a thread reads the signals from
Python's wakeup file descriptor.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from types import FrameType

from builder.model.stop import Stop
from publisher.cli.console import print_message

FINISHING = "requests in flight are finished and recorded, no others are sent"
#: How long the second signal waits for temporary files to be deleted, at most.
MAX_CLEANUP_SECONDS = 1.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signalled(KeyboardInterrupt):
    """A signal ended a command that has nothing to finish."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


class _Signals:
    def __init__(self) -> None:
        self.stop: Stop | None = None  #: of the last block of ``stopping``
        self.finishes: str | None = None  #: what the current block of ``stopping`` finishes, else None
        self.folder: str | None = None
        self._raised = False

    def watch(self, pipe: int) -> None:
        """Handle signals as they arrive, even while the main thread is blocked."""
        handled = 0
        while data := os.read(pipe, 1):
            if (number := data[0]) not in _SIGNALS:
                continue
            handled += 1
            if handled > 1:
                self._end(number)
            elif self.stop is not None:
                if self.finishes:
                    print_message(f"stopping: {self.finishes} (a second signal stops at once)")
                self.stop(f"interrupted by {signal.Signals(number).name}")

    def in_main_thread(self, number: int, _frame: FrameType | None) -> None:
        """Raise Signalled at the first signal outside the blocks of ``stopping``."""
        if self.finishes is None and not self._raised:
            self._raised = True
            raise Signalled(number)

    def _end(self, number: int) -> None:
        sys.addaudithook(_refuse_process)
        processes = _stop_descendants()
        cleaning = Thread(target=self._clean_up, args=(signal.Signals(number).name,), daemon=True)
        cleaning.start()
        cleaning.join(MAX_CLEANUP_SECONDS)
        for process in processes:  # not earlier: the command would end with the error of a process that was killed
            _send(process, signal.SIGKILL)
        os._exit(128 + number)  # any other exit waits for threads with requests to AWS

    def _clean_up(self, name: str) -> None:
        flight = "AWS may still execute the requests in flight; run the same command again to continue"
        print_message(f"stopped by {name}" + (f": {flight}" if self.stop is not None else ""))
        while self.folder and Path(self.folder).exists():  # other threads may still write to it
            shutil.rmtree(self.folder, ignore_errors=True)


_STATE = _Signals()


def handle_signals() -> None:
    """Handle signals from now on, and keep the temporary files of this process where the second signal deletes them."""
    with suppress(OSError):  # no folder for temporary files: not every command needs one
        _STATE.folder = tempfile.tempdir = tempfile.mkdtemp(prefix="layers-")
        atexit.register(shutil.rmtree, _STATE.folder, ignore_errors=True)
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # SIGHUP stays ignored under nohup
            signal.signal(number, _STATE.in_main_thread)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    Thread(target=_STATE.watch, args=(reader,), daemon=True, name="signals").start()


@contextmanager
def stopping(stop: Stop, finishes: str = FINISHING) -> Iterator[None]:
    """Let the first signal in the block set ``stop`` instead of raising Signalled, and print what it ``finishes``."""
    before = _STATE.finishes
    _STATE.stop, _STATE.finishes = stop, finishes
    try:
        yield
    finally:
        _STATE.finishes = before


def _refuse_process(event: str, _arguments: tuple[object, ...]) -> None:
    """Refuse to start a process, as an audit hook of Python."""
    if event == "subprocess.Popen":
        raise OSError("the command is ending")


def _stop_descendants() -> set[int]:
    """Suspend the child processes and their children, which may start others meanwhile; return their ids."""
    suspended: set[int] = set()
    while running := set(_descendants(Path("/proc/self"))) - suspended:
        suspended |= running
        for process in running:
            _send(process, signal.SIGSTOP)
    return suspended


def _send(process: int, number: signal.Signals) -> None:
    with suppress(OSError):  # it ended by itself
        os.kill(process, number)


def _descendants(process: Path) -> list[int]:
    """Return the ids of a process's children and their children, where the system has /proc (Linux)."""
    children: list[int] = []
    with suppress(OSError):  # it ended meanwhile
        for path in process.glob("task/*/children"):
            children += map(int, path.read_text().split())
    return [each for child in children for each in (child, *_descendants(Path("/proc", str(child))))]
