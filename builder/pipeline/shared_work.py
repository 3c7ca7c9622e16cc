"""What the targets of one build share, each piece made once by whichever target needs it first.

A wheel is unpacked once, a content is compressed and looked at once, a module is compiled once for each Python. The
targets run side by side, each in a thread that mostly waits; the work goes to a pool of as many threads as there are
cores, in batches: subprocesses, and a compressor that leaves Python's lock alone.
"""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Generic, TypeVar

from builder.archive.assemble import Packed, pack, pack_pyc
from builder.bytecode.compiler import Compilers, Module, pyc_path
from builder.bytecode.interpreters import Interpreter
from builder.model.artifact import Locked
from builder.model.target import Target
from builder.wheels.unpack import Installed, Wheel, unpack

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: A module: its path below ``python/`` and its source's sha256.
Key = tuple[str, str]
#: What waits for contents by sha256, and for bytecode; None there: does not compile.
Contents = Callable[[], "dict[str, Packed]"]
Bytecode = Callable[[], "dict[Key, Packed | None]"]
#: Keys, and what gives their results when it is done.
Batch = tuple[list[K], "Future[Mapping[K, V]]"]

#: Bytes of content in one batch of compressing, and of source in one of compiling: enough to be worth a thread's while,
#: little enough to share out.
_CONTENT_BATCH = 4 << 20
_SOURCE_BATCH = 1 << 18
#: Wheels that are unpacked together at least: each run of uv takes its time to begin.
_WHEELS = 16


class Claims(Generic[K, V]):
    """Results by key, each made by the first who asks; the others wait for it.

    Nobody fails of what another began, which may have been a guess: that is made once more then.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._results: dict[K, Future[Mapping[K, V]]] = {}

    def ask(self, keys: Iterable[K], start: Callable[[list[K]], Iterable[Batch[K, V]]]) -> Callable[[], dict[K, V]]:
        """Ask for the results of ``keys``; what is given back waits for them.

        ``start`` submits the making of those that nobody asked for before, in batches.
        """
        keys = list(keys)
        results, own = self._claim(keys, start)

        def wait() -> dict[K, V]:
            nonlocal results
            if any(future.exception() for future in set(results.values()) - own):
                results, _ = self._claim(keys, start)
            done = {future: future.result() for future in set(results.values())}
            return {key: done[future][key] for key, future in results.items()}

        return wait

    def _claim(
        self, keys: Sequence[K], start: Callable[[list[K]], Iterable[Batch[K, V]]]
    ) -> tuple[dict[K, Future[Mapping[K, V]]], set[Future[Mapping[K, V]]]]:
        """What gives the results of the keys, and which of it was begun for this."""
        own = set()
        with self._lock:
            new = [key for key in dict.fromkeys(keys) if _is_to_make(self._results.get(key))]
            for batch, future in start(new) if new else ():
                self._results.update(dict.fromkeys(batch, future))
                own.add(future)
            return {key: self._results[key] for key in keys}, own


def _is_to_make(result: Future[Any] | None) -> bool:
    return result is None or (result.done() and (result.cancelled() or result.exception() is not None))


class Workshop:
    """Every method may be called from any thread, but not from the pool's own."""

    def __init__(self, folder: Path, users: int) -> None:
        self._folder = folder
        self._users = users
        self._cores = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(max_workers=self._cores)
        self._wheels: Claims[Locked, Wheel] = Claims()
        self._contents: Claims[str, Packed] = Claims()
        self._bytecode: dict[Interpreter, Claims[Key, Packed | None]] = {}
        self._compilers = Compilers(self._cores)
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def wheels(self, target: Target, lock: Sequence[Locked]) -> list[Wheel]:
        """The lock's wheels, unpacked."""

        def start(new: list[Locked]) -> list[Batch[Locked, Wheel]]:
            parts = min(self._cores, -(-len(new) // _WHEELS))
            batches = [new[number::parts] for number in range(parts)]
            return [
                (batch, self._pool.submit(unpack, batch, target, self._folder / f"{target.id}-{next(self._numbers)}"))
                for batch in batches
            ]

        found = self._wheels.ask(lock, start)()
        return [found[locked] for locked in lock]

    def contents(self, files: Sequence[Installed]) -> Contents:
        """Begin with the files' contents; what is given back waits for them."""
        by_hash = {file.sha256: file for file in files}

        def make(keys: list[str]) -> dict[str, Packed]:
            return {key: pack(_read(by_hash[key].source), key) for key in keys}

        def start(new: list[str]) -> list[Batch[str, Packed]]:
            return self._submit(make, _batches(new, lambda key: by_hash[key].size, _CONTENT_BATCH))

        return self._contents.ask(by_hash, start)

    def bytecode(self, interpreter: Interpreter, files: Sequence[Installed]) -> Bytecode:
        """Begin with these modules' bytecode; what is given back waits for it."""
        modules = {m.key: m for m in (Module(f.path, f.source, f.sha256, f.size) for f in files)}

        def make(keys: list[Key]) -> dict[Key, Packed | None]:
            python = interpreter.version.rpartition(".")[0]
            made = self._compilers.compile(interpreter, [modules[key] for key in keys])
            return {
                key: pack_pyc(pyc_path(key[0], python), data) if data else None
                for key, data in zip(keys, made, strict=True)
            }

        def start(new: list[Key]) -> list[Batch[Key, Packed | None]]:
            return self._submit(make, _batches(new, lambda key: modules[key].size, _SOURCE_BATCH))

        with self._lock:
            claims = self._bytecode.setdefault(interpreter, Claims())
        return claims.ask(modules, start)

    def leave(self) -> None:
        """Said by each user once, when nothing that it asked for is still to come: the last leaves no wheels behind."""
        with self._lock:
            self._users -= 1
            last = not self._users
        for unpacked in self._folder.glob("*/*") if last else ():
            self._pool.submit(shutil.rmtree, unpacked, ignore_errors=True)

    def stop(self) -> None:
        """Start nothing more that anyone would have waited for, and wait for what runs."""
        self._pool.shutdown(wait=True, cancel_futures=self._users > 0)
        self._compilers.close()

    def _submit(self, work: Callable[[list[K]], Mapping[K, V]], batches: Iterable[list[K]]) -> list[Batch[K, V]]:
        return [(batch, self._pool.submit(work, batch)) for batch in batches]


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path for each of ten thousand is slow
        return file.read()


def _batches(keys: Iterable[K], size: Callable[[K], int], limit: int) -> list[list[K]]:
    """The keys in their order, divided where the sizes of a batch reach the limit."""
    batches: list[list[K]] = [[]]
    filled = 0
    for key in keys:
        if filled >= limit:
            batches.append([])
            filled = 0
        batches[-1].append(key)
        filled += size(key)
    return [batch for batch in batches if batch]
