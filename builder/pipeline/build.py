"""Build zips: resolve → unpack → compress and compile → assemble → check → manifest.

All targets are built in parallel; ``wheel_packing`` does work that they share only once. Zips get their final names
after all of them passed their checks, and the manifest is written last.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from builder.archive.packed import facts_of, write_zip_file
from builder.archive.zip_writer import COMPRESSOR
from builder.bytecode import compiler
from builder.bytecode.interpreters import Interpreter, find, search
from builder.cache.store import Cache, default_folder, key_of
from builder.inspection.file_checks import check_files
from builder.model.artifact import Artifact, Finding, Locked, Manifest, group_findings, write_manifest
from builder.model.errors import InputError, write_error
from builder.model.figures import counted, megabytes
from builder.model.matrix import Matrix
from builder.model.progress import Progress
from builder.model.target import Target
from builder.model.work_folder import work_folder
from builder.pipeline.lock_check import check_metadata
from builder.pipeline.preflight import refuse_content, refuse_over_budget, refuse_zip
from builder.pipeline.sbom import Component, make_sbom
from builder.pipeline.unchanged import find_output, store_output
from builder.pipeline.wheel_packing import WheelPacker, completed_future
from builder.resolve.lock_cache import LockCache
from builder.resolve.locks import Locks
from builder.resolve.resolver import Lock, LockInput
from builder.resolve.version_notes import Package, older_versions, yanked_findings
from builder.wheels import layer_files
from builder.wheels.layer_content import PackedWheel, merge
from builder.wheels.slim import slim, unknown_services

#: Part of the cache keys of zips. Increase it with every change of a zip, its SBOM or its checks that no other part of
#: the key reflects.
_FORMAT: Final = 9
#: How many targets are resolved in parallel.
_MAX_PARALLEL_RESOLUTIONS: Final = 4


def build(
    matrix: Matrix,
    version: str,
    targets: Sequence[Target],
    output: Path,
    progress: Progress,
    *,
    lock: Mapping[str, tuple[Locked, ...]] | None = None,
    lock_input: LockInput | None = None,
    exclude_newer: str | None = None,
    interpreters: Mapping[str, str | None] | None = None,
    cache: Cache | None = None,
    last_sizes: Mapping[str, tuple[int | None, int | None]] | None = None,
    title: str | None = None,
) -> Manifest:
    """Build the targets' zips into ``output`` and write their manifest.

    ``lock`` has locks by target id; the other targets are resolved. ``lock_input`` is what the given locks were
    resolved from just now, if they were: then findings name the versions that are older because a wheel is missing.
    ``interpreters`` has the exact CPython ("3.12.1") for each Python, or None for no bytecode; by
    default the matrix decides. ``cache`` replaces the user's cache. ``last_sizes`` are the zipped and unzipped sizes of
    the last release by target id, for the budget. ``title`` is what the progress names instead of package and version.
    Raises InputError if there is no such version, BuildError if a zip cannot be built or fails a check; then no file of
    the build has its final name.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        with work_folder(output, ".layers-build-") as folder:
            cache = cache or Cache(default_folder())
            locks = Locks(matrix, version, exclude_newer, lock or {}, LockCache(cache), lock_input)
            run = _BuildRun(matrix, version, folder, output, progress, locks, cache, interpreters)
            progress.begin(f"Building {title or f'{matrix.package} {version}'}", 2 * len(targets))
            artifacts = run.run(targets)
            if matrix.budget:
                refuse_over_budget(artifacts, matrix.budget, last_sizes or {})
            manifest = Manifest(package=matrix.package, version=version, artifacts=tuple(artifacts))
            run.rename_files(manifest)
        cache.prune()
        for note in locks.notes(artifacts):
            progress.note(note)
        for group in group_findings(manifest):
            progress.note(f"{group.finding.level}: {group.line(manifest)}")
    except OSError as error:
        raise write_error("the build cannot write a file", error, output) from None
    return manifest


@dataclass
class _BuildRun:
    matrix: Matrix
    version: str
    work: Path  #: the folder of files that do not have their final names yet
    output: Path
    progress: Progress
    locks: Locks
    cache: Cache
    exact: Mapping[str, str | None] | None
    keys: dict[str, str] = field(default_factory=dict)  #: of the cached facts of each target's zip, by target id
    newest: Future[Sequence[Package]] | None = None  #: the newest versions of the packages in all locks

    def run(self, targets: Sequence[Target]) -> list[Artifact]:
        """Build and return the artifact of each target. Its files are in ``work``, or unchanged in ``output``."""
        pythons = tuple(dict.fromkeys(target.python for target in targets))
        with (
            ThreadPoolExecutor(max_workers=_MAX_PARALLEL_RESOLUTIONS) as resolving,
            ThreadPoolExecutor(max_workers=1 + len(pythons) + 5 * len(targets)) as threads,
        ):
            self.threads = threads
            (self.work / "wheels").mkdir()
            packer = WheelPacker(self.work / "wheels", self.cache, threads)
            try:
                self.interpreters = {python: threads.submit(self._interpreter, python) for python in pythons}
                locks = self.locks.begin(resolving, targets)
                unchanged = [threads.submit(self._find_unchanged, target, locks[target]) for target in targets]
                # Work starts target by target, so that the first zip is assembled while the next target's modules are
                # compiled.
                zips = [
                    self._begin_zip(packer, target, locks[target].result(), before.result(), locks)
                    for target, before in zip(targets, unchanged, strict=True)
                ]
                packer.release()
                for finished in wait(zips, return_when=FIRST_EXCEPTION).done:  # raises the first error at once
                    finished.result()
                return [future.result() for future in zips]
            finally:
                for pool in (resolving, threads):
                    pool.shutdown(wait=False, cancel_futures=True)
                packer.close()

    def rename_files(self, manifest: Manifest) -> None:
        """Rename the files to their final names."""
        for artifact in manifest.artifacts:
            if (self.work / artifact.file).exists():  # otherwise it is unchanged
                for name in filter(None, (artifact.file, artifact.sbom)):
                    (self.work / name).replace(self.output / name)
                store_output(self.cache, self.keys[artifact.target], artifact, self.output)
        write_manifest(self.output, manifest)

    def _interpreter(self, python: str) -> Interpreter | None:
        if self.exact is not None:
            exact = self.exact[python]
            return find(python, exact) if exact else None
        if self.matrix.bytecode == "off":
            return None
        if self.matrix.bytecode == "required":
            return find(python)
        interpreter = search(python)
        if interpreter is None:
            self.progress.note(
                f"warning: there is no CPython {python} here: its layers have no bytecode and start slower"
            )
        return interpreter

    def _find_unchanged(self, target: Target, lock: Future[Lock]) -> Artifact | None:
        """Return the artifact if ``output`` has the same zip from an earlier build."""
        self.progress.step(target.id, counted(len(lock.result()), "package"))
        self.keys[target.id] = self._key(target, lock.result())
        return find_output(self.cache, self.keys[target.id], self.output)

    def _key(self, target: Target, lock: Lock) -> str:
        interpreter = self.interpreters[target.python].result()
        return key_of(
            _FORMAT, layer_files.RULES, compiler.FORMAT, COMPRESSOR, self.matrix.package, self.version, target.id,
            target.layer_name, target.runtime.manylinux, self.matrix.staging is None,
            [(each.model_dump(), each.yanked) for each in lock], self.matrix.slim and self.matrix.slim.services,
            self.matrix.exclude, self.matrix.override, interpreter and [interpreter.version, interpreter.magic],
        )  # fmt: skip

    def _begin_zip(
        self,
        packer: WheelPacker,
        target: Target,
        lock: Lock,
        unchanged: Artifact | None,
        locks: Mapping[Target, Future[Lock]],
    ) -> Future[Artifact]:
        if unchanged is not None:
            self.progress.step(target.id, f"{megabytes(unchanged.size)}, unchanged")
            return completed_future(unchanged)
        started = time.monotonic()
        wheels = packer.begin(target, lock, self.interpreters[target.python].result())
        if self.newest is None:  # once for all zips that are not unchanged
            self.newest = self.threads.submit(self.locks.newest_packages, locks)
        return self.threads.submit(self._assemble, target, lock, wheels, self.newest, started)

    def _assemble(
        self,
        target: Target,
        lock: Lock,
        packed: Callable[[], list[PackedWheel]],
        newest: Future[Sequence[Package]],
        started: float,
    ) -> Artifact:
        """Check the target's zip and SBOM and write them below ``work``."""
        interpreter, whole = self.interpreters[target.python].result(), packed()
        differing = check_metadata(whole, target, self.locks.input_of(target))
        wheels, services = self._slim(target, whole)
        content = merge(wheels, target.python)
        files = content.files
        older = self.threads.submit(self._older_versions, target, lock, newest, wheels)  # while the zip is written
        found = check_files(facts_of(files), target)
        if self.matrix.bytecode == "off":  # as the user asked for
            found = tuple(each for each in found if each.code != "pyc-none")
        findings = (*content.findings, *differing, *yanked_findings(lock), *found)
        refuse_content(target, files, wheels, findings)
        size, sha256 = write_zip_file(self.work / f"{target.layer_name}.zip", files)
        refuse_zip(target, size, wheels, staged=self.matrix.staging is not None)
        sbom = self._sbom(target, wheels, services)
        (self.work / f"{target.layer_name}.cdx.json").write_bytes(sbom)
        artifact = Artifact(
            target=target.id,
            **target.fields,
            file=f"{target.layer_name}.zip",
            sha256=sha256,
            size=size,
            unzipped_size=sum(file.stream.size for file in files.values()),
            interpreter=interpreter.version if interpreter else None,
            lock=lock,
            sbom=f"{target.layer_name}.cdx.json",
            sbom_sha256=hashlib.sha256(sbom).hexdigest(),
            findings=(*findings, *older.result()),
            exclude=self.matrix.exclude,
            override=self.matrix.override,
        )
        self.progress.step(target.id, f"{megabytes(size)} in {time.monotonic() - started:.1f} s")
        return artifact

    def _older_versions(
        self, target: Target, lock: Lock, newest: Future[Sequence[Package]], wheels: Sequence[PackedWheel]
    ) -> list[Finding]:
        inputs, packages = self.locks.input_of(target), newest.result()
        if inputs is None or not packages:
            return []
        requires = {wheel.locked.name: wheel.requires for wheel in wheels}
        return older_versions(inputs, target, lock, requires, packages)

    def _slim(self, target: Target, wheels: list[PackedWheel]) -> tuple[list[PackedWheel], tuple[str, ...]]:
        """Return the wheels, and the services whose botocore data stays if the matrix sets ``slim``."""
        if self.matrix.slim is None:
            return wheels, ()
        if unknown := unknown_services(wheels, self.matrix.slim.services):
            raise InputError(
                f"botocore has no service {', '.join(unknown)}",
                where=f"slim.services, {target.id}",
                fix="use the names that boto3.client() accepts, like bedrock-runtime",
            )
        wheels, services = slim(wheels, self.matrix.slim.services)
        if not services:
            self.progress.note(f"warning: {target.id}: `slim` has no effect, because the layer has no botocore")
        return wheels, services

    def _sbom(self, target: Target, wheels: Sequence[PackedWheel], services: tuple[str, ...]) -> bytes:
        components = [
            Component(wheel.locked, wheel.metadata, services if wheel.locked.name == "botocore" else ())
            for wheel in wheels
        ]
        return make_sbom(
            target, self.matrix.package, self.version, components, self.matrix.exclude, self.matrix.override
        )
