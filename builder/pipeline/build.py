"""Building: resolve → unpack → compile → compress → assemble → check → manifest.

Each target passes through these stages on its own, all targets side by side. ``shared_work`` computes what they share
once. A zip gets its final name only after every zip passed its checks; the manifest is written last.
"""

from __future__ import annotations

import errno
import gc
import hashlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from builder.archive.assemble import facts_of, pack, write
from builder.archive.zip_writer import COMPRESSOR
from builder.bytecode import compiler
from builder.bytecode.compiler import pyc_path
from builder.bytecode.interpreters import Interpreter, find, search
from builder.cache.zip_cache import Cache, default_folder, key_of
from builder.inspection import check_files
from builder.model.artifact import Artifact, Locked, Manifest, write_manifest
from builder.model.errors import BuildError
from builder.model.matrix import Matrix
from builder.model.progress import Progress
from builder.model.target import Target
from builder.pipeline.preflight import refuse
from builder.pipeline.shared_work import Bytecode, Contents, Workshop
from builder.resolve.locks import Locks
from builder.resolve.resolver import Lock
from builder.wheels import layer_files
from builder.wheels.unpack import Tree, Wheel, merge

#: Part of every cache key: changed with anything else that changes a zip, its SBOM or what is checked.
_FORMAT = 3
#: The parser of licence expressions gives other answers when two threads use it at once.
_SBOM: Final = threading.Lock()


@contextmanager
def _no_collecting() -> Iterator[None]:
    """What a build makes, it keeps to its end: looking for garbage among it, again and again, finds none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_no_collecting()
def build(
    matrix: Matrix,
    version: str,
    targets: Sequence[Target],
    output: Path,
    progress: Progress,
    *,
    lock: Mapping[str, tuple[Locked, ...]] | None = None,
    exclude_newer: str | None = None,
    interpreters: Mapping[str, str | None] | None = None,
    cache: Cache | None = None,
) -> Manifest:
    """Build the targets' zips into ``output`` and write their manifest.

    ``lock`` gives locks by target id; what it lacks is resolved. ``interpreters`` gives for each Python the exact
    CPython that compiles ("3.12.1"), or None for no bytecode; without it the matrix says. ``cache`` stands in for the
    user's. InputError where there is no such version, BuildError where a zip cannot be made or is not right; then
    nothing stands under a final name.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".layers-build-", dir=output) as folder:
            work = Path(folder).absolute()  # uv runs elsewhere
            kept = cache or Cache(default_folder())
            locks = Locks(matrix, version, exclude_newer, lock or {}, kept)
            one = _Build(matrix, version, work, output, progress, locks, kept, interpreters)
            return _finish(one, targets, one.run(targets))
    except OSError as error:
        what = "the disk is full" if error.errno == errno.ENOSPC else f"{error.strerror or error}"
        raise BuildError(
            f"the build cannot write: {what}", where=str(error.filename or output), fix="make room, then build again"
        ) from None


def _finish(one: _Build, targets: Sequence[Target], artifacts: Mapping[Target, Artifact]) -> Manifest:
    for artifact in artifacts.values():
        for name in filter(None, (artifact.file, artifact.sbom)):
            if (one.work / name).exists():  # else it was there already
                (one.work / name).replace(one.output / name)
    manifest = Manifest(
        package=one.matrix.package, version=one.version, artifacts=tuple(artifacts[target] for target in targets)
    )
    write_manifest(one.output, manifest)
    return manifest


@dataclass(frozen=True)
class _Job:
    """A target's zip that has to be made, and what of."""

    target: Target
    lock: Lock
    started: float
    wheels: Sequence[Wheel]
    tree: Tree
    contents: Contents


@dataclass
class _Build:
    matrix: Matrix
    version: str
    work: Path
    output: Path
    progress: Progress
    locks: Locks
    cache: Cache
    exact: Mapping[str, str | None] | None

    def run(self, targets: Sequence[Target]) -> dict[Target, Artifact]:
        """The artifact of each target; its files lie in ``work``."""
        self.progress.begin(f"Building {self.matrix.package} {self.version}", 2 * len(targets))
        (self.work / "wheels").mkdir()
        self.shop = Workshop(self.work / "wheels", len(targets))
        pythons = tuple(dict.fromkeys(target.python for target in targets))
        with ThreadPoolExecutor(max_workers=len(pythons) + 3 * len(targets)) as threads:
            try:
                self.interpreters = {python: threads.submit(self._interpreter, python) for python in pythons}
                self.answers = {target: threads.submit(self._answer, target) for target in targets}
                prepared = [threads.submit(self._prepare, target) for target in targets]
                # Compiled one after the other, they are done so too: the last has little left to do when the work ends.
                made = [threads.submit(self._compile(future.result())) for future in prepared]
                _raise_first([*self.answers.values(), *made])
                return {target: future.result() for target, future in zip(targets, made, strict=True)}
            finally:
                self.shop.stop()
                threads.shutdown(wait=True, cancel_futures=True)

    def _interpreter(self, python: str) -> Interpreter | None:
        if self.exact is not None:
            exact = self.exact[python]
            return find(python, exact) if exact else None
        if self.matrix.bytecode == "off":
            return None
        if self.matrix.bytecode == "required":
            return find(python)
        found = search(python)
        if found is None:
            self.progress.note(f"warning: no CPython {python} here; its layers go without bytecode and start slower")
        return found

    def _answer(self, target: Target) -> Lock:
        lock = self.locks.of(target)
        self.progress.step(target.id, f"{len(lock)} packages")
        return lock

    def _prepare(self, target: Target) -> _Job | Artifact:
        """What has to be made of which wheels, already begun with; or the artifact, where it was made before."""
        return self._take(target, self.answers[target].result())

    def _take(self, target: Target, lock: Lock) -> _Job | Artifact:
        artifact = self.cache.take(self._key(target, lock), self.work, self.output)
        if artifact is None:
            return self._job(target, lock)
        self.shop.leave()
        self.progress.step(target.id, f"{artifact.size / 1048576:.1f} MB, as built before")
        return artifact

    def _job(self, target: Target, lock: Lock) -> _Job:
        wheels = self.shop.wheels(target, lock)
        tree = merge(wheels)
        return _Job(target, lock, time.monotonic(), wheels, tree, self.shop.contents(tree.files))

    def _key(self, target: Target, lock: Lock) -> str:
        interpreter = self.interpreters[target.python].result()
        return key_of(
            _FORMAT, layer_files.RULES, compiler.FORMAT, COMPRESSOR, self.matrix.package, self.version, target.id,
            target.layer_name, target.runtime.manylinux, self.matrix.staging is None, [p.model_dump() for p in lock],
            interpreter and [interpreter.version, interpreter.magic],
        )  # fmt: skip

    def _compile(self, job: _Job | Artifact) -> Callable[[], Artifact]:
        """Begin with the target's bytecode; what is given back waits for everything and makes the artifact."""
        if isinstance(job, Artifact):
            return lambda: job
        interpreter = self.interpreters[job.target.python].result()
        modules = [file for file in job.tree.files if layer_files.is_importable(file.path)]
        code = self.shop.bytecode(interpreter, modules) if interpreter else dict
        return lambda: self._complete(job, interpreter, code)

    def _complete(self, job: _Job, interpreter: Interpreter | None, code: Bytecode) -> Artifact:
        lock = job.lock
        target, tree = job.target, job.tree
        packed = job.contents()
        files = {f"python/{path}": (pack(content), False) for path, content in tree.records.items()}
        files.update((f"python/{file.path}", (packed[file.sha256], file.executable)) for file in tree.files)
        sbom = f"{target.layer_name}.cdx.json"
        (self.work / sbom).write_bytes(data := self._sbom(target, job.wheels))
        for (path, _), compiled in code().items():
            if compiled is not None:
                files[f"python/{pyc_path(path, target.python)}"] = (compiled, False)
        self.shop.leave()
        findings = (*tree.findings, *check_files(facts_of(files), target))
        name = f"{target.layer_name}.zip"
        size, sha256 = write(self.work / name, files)
        unzipped = sum(each.stream.size for each, _ in files.values())
        refuse(target, size, unzipped, job.wheels, findings, staged=self.matrix.staging is not None)
        artifact = Artifact(
            target=target.id,
            python=target.python,
            architecture=target.architecture,
            layer_name=target.layer_name,
            file=name,
            sha256=sha256,
            size=size,
            unzipped_size=unzipped,
            interpreter=interpreter.version if interpreter else None,
            lock=lock,
            sbom=sbom,
            sbom_sha256=hashlib.sha256(data).hexdigest(),
            findings=findings,
        )
        self.cache.put(self._key(target, lock), self.work, artifact)
        self.progress.step(target.id, f"{size / 1048576:.1f} MB in {time.monotonic() - job.started:.1f} s")
        return artifact

    def _sbom(self, target: Target, wheels: Sequence[Wheel]) -> bytes:
        from builder.pipeline.sbom import Component, make_sbom

        components = [
            Component(w.locked.name, w.locked.version, w.locked.filename, w.locked.sha256, w.metadata) for w in wheels
        ]
        with _SBOM:
            return make_sbom(target, self.matrix.package, self.version, components)


def _raise_first(futures: Iterable[Future[Any]]) -> None:
    """Wait for all; where one fails, raise that at once: the others are of no use then."""
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    for future in done:
        future.result()
