"""Pack the wheels of one build, each once for all targets, or take them from the cache.

The unit of the cache is the wheel: its packed files, and its bytecode for one interpreter. The CPU-bound work goes to a
pool of as many threads as there are cores, in batches: the compressor releases the GIL, and compilers are processes.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from builder.archive.packed import PACKED_FORMAT, PackedFile, PackedFiles, dump_files, load_files, pack
from builder.archive.zip_writer import COMPRESSOR
from builder.bytecode import compiler
from builder.bytecode.compiler import Compilers, Module
from builder.bytecode.interpreters import Interpreter
from builder.cache.store import Cache, Kind, key_of
from builder.inspection.file_facts import PycFacts
from builder.inspection.pyc import pyc_facts
from builder.metadata.module_names import pyc_path
from builder.model.artifact import Locked
from builder.model.target import Target
from builder.wheels import layer_files
from builder.wheels.layer_content import PackedWheel, record_of
from builder.wheels.unpack import UnpackedFile, UnpackedWheel, unpack

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: Bytes to compress, and bytes of source to compile, in one batch: large enough to outweigh the cost of a task, small
#: enough to divide the work evenly.
_CONTENT_BATCH_BYTES: Final = 4 << 20
_SOURCE_BATCH_BYTES: Final = 1 << 18
#: The fewest wheels that one run of uv unpacks, because each run takes time to start.
_WHEELS_PER_UNPACK: Final = 16


@dataclass(frozen=True)
class _Part:
    """A unit of the cache: a wheel's files, or its bytecode for an interpreter."""

    locked: Locked
    interpreter: Interpreter | None = None  #: None: the wheel's files

    @property
    def kind(self) -> Kind:
        return "bytecode" if self.interpreter else "wheels"

    @property
    def key(self) -> str:
        formats = (PACKED_FORMAT, layer_files.RULES, COMPRESSOR)
        if self.interpreter is None:
            return key_of(self.locked.sha256, formats)
        made_by = (compiler.FORMAT, self.interpreter.version, self.interpreter.magic)
        return key_of(self.locked.sha256, formats, made_by)


class _ModuleKey(NamedTuple):
    """Everything that the bytecode of a module depends on."""

    interpreter: Interpreter
    path: str
    sha256: str


class WheelPacker:
    """Packs wheels. Its methods are called from one thread."""

    def __init__(self, folder: Path, cache: Cache, threads: Executor) -> None:
        """``folder`` is for unpacked wheels. ``threads`` is a pool for tasks that mostly wait."""
        self._folder = folder
        self._cache = cache
        self._threads = threads
        self._cores = os.cpu_count() or 1
        self._workers = ThreadPoolExecutor(max_workers=self._cores)
        self._compilers = Compilers(self._cores)
        self._folder_numbers = itertools.count()
        self._unpacked: dict[Locked, UnpackedWheel] = {}
        self._parts: dict[_Part, Future[Mapping[_Part, PackedFiles]]] = {}
        self._contents: dict[str, Future[Mapping[str, PackedFile]]] = {}
        self._modules: dict[_ModuleKey, Future[Mapping[_ModuleKey, PackedFile | None]]] = {}

    def begin(
        self, target: Target, lock: Sequence[Locked], interpreter: Interpreter | None
    ) -> Callable[[], list[PackedWheel]]:
        """Start to pack the lock's wheels, with bytecode by the interpreter. The returned function waits for them."""
        files = {locked: _Part(locked) for locked in lock}
        bytecode = {locked: _Part(locked, interpreter) for locked in lock} if interpreter else {}
        new = [part for part in (*files.values(), *bytecode.values()) if part not in self._parts]
        loaded = dict(zip(new, self._threads.map(self._load, new), strict=True))
        self._parts.update((part, completed_future({part: each})) for part, each in loaded.items() if each is not None)
        if missing := [part for part, each in loaded.items() if each is None]:
            self._parts.update(dict.fromkeys(missing, self._pack(missing, target)))
        results = {part: self._parts[part] for part in (*files.values(), *bytecode.values())}

        def collect() -> list[PackedWheel]:
            packed = {part: result.result()[part] for part, result in results.items()}
            return [
                PackedWheel(locked, packed[files[locked]], packed[bytecode[locked]] if interpreter else {})
                for locked in lock
            ]

        return collect

    def release(self) -> None:
        """Drop results that later calls of ``begin`` would share, so that a finished target frees its memory."""
        packing = set(self._parts.values())

        def delete_unpacked() -> None:
            wait(packing)
            shutil.rmtree(self._folder, ignore_errors=True)

        self._threads.submit(delete_unpacked)
        self._parts.clear()
        self._contents.clear()
        self._modules.clear()

    def close(self) -> None:
        """Cancel pending work and wait for running work."""
        self._workers.shutdown(wait=True, cancel_futures=True)
        self._compilers.close()

    def _load(self, part: _Part) -> PackedFiles | None:
        content = self._cache.read(part.kind, part.key)
        try:
            return None if content is None else load_files(content)
        except ValueError:  # written by another version of the program with the same format number
            return None

    def _pack(self, parts: Sequence[_Part], target: Target) -> Future[Mapping[_Part, PackedFiles]]:
        """Unpack the parts' wheels and start to pack them. A thread waits for the results and caches them."""
        self._unpack(
            [locked for locked in dict.fromkeys(p.locked for p in parts) if locked not in self._unpacked], target
        )
        packing = {
            part: self._begin_bytecode(wheel, part.interpreter) if part.interpreter else self._begin_files(wheel)
            for part in parts
            for wheel in [self._unpacked[part.locked]]
        }

        def finish() -> Mapping[_Part, PackedFiles]:
            packed = {part: collect() for part, collect in packing.items()}
            for part, files in packed.items():
                self._cache.write(part.kind, part.key, dump_files(files))
            return packed

        return self._threads.submit(finish)

    def _unpack(self, wheels: Sequence[Locked], target: Target) -> None:
        """Unpack the wheels in several parallel runs of uv."""
        runs = min(self._cores, -(-len(wheels) // _WHEELS_PER_UNPACK))
        folders = [self._folder / str(next(self._folder_numbers)) for _ in range(runs)]
        for unpacked in self._threads.map(lambda run: unpack(wheels[run::runs], target, folders[run]), range(runs)):
            self._unpacked.update(unpacked)

    def _begin_files(self, wheel: UnpackedWheel) -> Callable[[], PackedFiles]:
        sources = {file.sha256: file for file in wheel.files}

        def pack_batch(batch: Sequence[str]) -> Mapping[str, PackedFile]:
            return {sha256: pack(_read(sources[sha256].source), sha256) for sha256 in batch}

        collect = self._share(self._contents, sources, _CONTENT_BATCH_BYTES, pack_batch)

        def files() -> PackedFiles:
            packed = collect()
            contents = {
                file.path: packed[file.sha256]._replace(
                    executable=file.executable, is_unrecorded=file.is_unrecorded, pyc=_pyc_facts(file)
                )
                for file in wheel.files
            }
            return {**contents, f"{wheel.dist_info}/RECORD": pack(record_of(wheel.dist_info, contents))}

        return files

    def _begin_bytecode(self, wheel: UnpackedWheel, interpreter: Interpreter) -> Callable[[], PackedFiles]:
        python = interpreter.version.rpartition(".")[0]
        modules = {
            _ModuleKey(interpreter, file.path, file.sha256): file
            for file in wheel.files
            if layer_files.is_importable(file.path)
        }

        def compile_batch(batch: Sequence[_ModuleKey]) -> Mapping[_ModuleKey, PackedFile | None]:
            compiled = self._compilers.compile(interpreter, [Module(key.path, modules[key].source) for key in batch])
            return {
                key: pack(data, path=pyc_path(key.path, python)) if data else None
                for key, data in zip(batch, compiled, strict=True)
            }

        collect = self._share(self._modules, modules, _SOURCE_BATCH_BYTES, compile_batch)
        return lambda: {key.path: file for key, file in collect().items() if file}

    def _share(
        self,
        shared: dict[K, Future[Mapping[K, V]]],
        items: Mapping[K, UnpackedFile],
        batch_bytes: int,
        work: Callable[[Sequence[K]], Mapping[K, V]],
    ) -> Callable[[], dict[K, V]]:
        """Start the work on items that no other wheel has started. The returned function waits for all items."""
        for batch in _batches((key for key in items if key not in shared), items, batch_bytes):
            shared.update(dict.fromkeys(batch, self._workers.submit(work, batch)))
        results = {key: shared[key] for key in items}
        return lambda: {key: result.result()[key] for key, result in results.items()}


def completed_future(result: V) -> Future[V]:
    """Return a completed future with the result."""
    future: Future[V] = Future()
    future.set_result(result)
    return future


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - creating ten thousand Path objects is slow
        return file.read()


def _pyc_facts(file: UnpackedFile) -> PycFacts | None:
    """Return the facts of a ``.pyc`` file of a wheel. They depend on its path, so files with one content differ."""
    return pyc_facts(f"python/{file.path}", _read(file.source)) if file.path.endswith(".pyc") else None


def _batches(keys: Iterable[K], files: Mapping[K, UnpackedFile], limit: int) -> Iterator[list[K]]:
    """Yield the keys in order, in batches of at least ``limit`` bytes of files."""
    batch: list[K] = []
    size = 0
    for key in keys:
        batch.append(key)
        size += files[key].size
        if size >= limit:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
