"""Run commands concurrently, one step at a time, in an order that the test chooses, so that results are repeatable."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, cycle
from typing import TypeAlias

#: A command. It calls its argument before and after every request and ledger write, where other commands may run.
Command: TypeAlias = Callable[[Callable[[str], None]], object]


class _Process:
    def __init__(self, command: Command) -> None:
        self.turn = threading.Semaphore(0)
        self.back = threading.Semaphore(0)
        self.ended = False
        self.result: object = None
        self._command = command
        threading.Thread(target=self._run, daemon=True).start()

    def step(self) -> None:
        """Run to the next request or ledger write, or to the end."""
        self.turn.release()
        self.back.acquire()

    def _run(self) -> None:
        self.turn.acquire()
        try:
            self.result = self._command(self._pause)
        except BaseException as error:  # noqa: BLE001 - the test checks it
            self.result = error
        self.ended = True
        self.back.release()

    def _pause(self, _what: str = "") -> None:
        self.back.release()
        self.turn.acquire()


def interleave(commands: Sequence[Command], bursts: Sequence[tuple[int, int]]) -> list[object]:
    """Return the result or exception of each command. ``bursts`` are pairs of command and number of steps."""
    processes = [_Process(command) for command in commands]
    endless: Iterator[tuple[int, int]] = cycle((index, 7) for index in range(len(commands)))
    for index, steps in chain(bursts, endless):
        for _ in range(steps):
            if not processes[index].ended:
                processes[index].step()
        if all(process.ended for process in processes):
            break
    return [process.result for process in processes]
