"""Building: resolve → install → compile → compress → assemble → check → manifest.

All targets of a build go through each stage together, so that what they share is done once: a file that several zips
hold is hashed and compressed once, a module is compiled once for each Python. A zip takes its final name only when it
is whole and proved, and the manifest comes last.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from builder.archive import Entry, Stream, compress, write_zip
from builder.artifact import Artifact, Finding, Locked, Manifest, sha256_of, write_manifest
from builder.bytecode import Module, compile_all, pyc_path
from builder.cache import Cache, default_folder, key_of
from builder.errors import BuildError
from builder.inspection import ElfFacts, check_elf, elf_facts
from builder.install import Hashes, Installed, collect, install, sizes_by_package
from builder.interpreters import Interpreter, find, search
from builder.matrix import Matrix, Target
from builder.progress import Progress
from builder.resolve import Lock, resolve

#: Lambda's limits (developer guide, "Lambda quotas"), in bytes.
ZIPPED_LIMIT = 52_428_800
UNZIPPED_LIMIT = 262_144_000


def build(
    matrix: Matrix,
    version: str,
    targets: Sequence[Target],
    output: Path,
    progress: Progress,
    *,
    lock: Mapping[str, tuple[Locked, ...]] | None = None,
    exclude_newer: str | None = None,
) -> Manifest:
    """Build the targets' zips into ``output`` and write their manifest.

    ``lock`` gives locks by target id; what it lacks is resolved. InputError where there is no such version,
    BuildError where a zip cannot be made or is not right; then nothing stands under a final name.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".layers-build-", dir=output) as name:
            return _Build(matrix, version, tuple(targets), output, Path(name), progress).run(lock or {}, exclude_newer)
    except OSError as error:
        what = "the disk is full" if error.errno == errno.ENOSPC else f"{error.strerror or error}"
        raise BuildError(
            f"the build cannot write: {what}", where=str(error.filename or output), fix="make room, then build again"
        ) from None


@dataclass
class _Build:
    matrix: Matrix
    version: str
    targets: tuple[Target, ...]
    output: Path
    work: Path
    progress: Progress
    cache: Cache = field(default_factory=lambda: Cache(default_folder()))
    hashes: Hashes = field(default_factory=Hashes)
    streams: dict[str, Stream] = field(default_factory=dict)
    elf: dict[str, ElfFacts | None] = field(default_factory=dict)

    def run(self, given: Mapping[str, Lock], exclude_newer: str | None) -> Manifest:
        interpreters = {python: self._interpreter(python) for python in dict.fromkeys(t.python for t in self.targets)}
        locks = self._lock(given, exclude_newer)
        keys = {target: self._key(target, locks[target.id], interpreters[target.python]) for target in self.targets}
        kept = {
            target: artifact
            for target in self.targets
            if (artifact := self.cache.take(keys[target], self.work / f"{target.layer_name}.zip"))
        }
        missing = [target for target in self.targets if target not in kept]
        made = self._make(missing, locks, interpreters) if missing else {}
        for target, artifact in made.items():
            self.cache.put(keys[target], self.work / artifact.file, artifact)
        return self._finish({**kept, **made})

    def _interpreter(self, python: str) -> Interpreter | None:
        if self.matrix.bytecode == "off":
            return None
        if self.matrix.bytecode == "required":
            return find(python)
        found = search(python)
        if found is None:
            self.progress.note(f"warning: no CPython {python} here; its layers go without bytecode and start slower")
        return found

    def _lock(self, given: Mapping[str, Lock], exclude_newer: str | None) -> dict[str, Lock]:
        open_targets = [target for target in self.targets if target.id not in given]
        if not open_targets:
            return dict(given)
        self.progress.begin(f"Resolving {self.matrix.package} {self.version}", 1)
        resolved = resolve(self.matrix, self.version, open_targets, exclude_newer)
        self.progress.step("resolved", f"{len({p for lock in resolved.values() for p in lock})} wheels")
        return {**given, **resolved}

    def _key(self, target: Target, lock: Lock, interpreter: Interpreter | None) -> str:
        return key_of(
            [target.id, target.layer_name, [p.model_dump() for p in lock], interpreter and interpreter.version]
        )

    def _make(
        self, targets: Sequence[Target], locks: Mapping[str, Lock], interpreters: Mapping[str, Interpreter | None]
    ) -> dict[Target, Artifact]:
        self.progress.begin("Installing wheels", len(targets))
        trees: dict[Target, tuple[tuple[Installed, ...], dict[str, bytes]]] = {}

        def unpack(target: Target) -> None:
            folder = self.work / "installed" / target.id
            folder.parent.mkdir(exist_ok=True)
            install(target, locks[target.id], folder)
            self.progress.step(target.id)

        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            list(pool.map(unpack, targets))
        for target in targets:
            trees[target] = collect(target, self.work / "installed" / target.id, self.hashes)

        compiled = self._compile(targets, trees, interpreters)
        self.progress.begin("Compressing and checking", len(targets))
        made = {}
        for target in targets:
            started = time.monotonic()
            files, records = trees[target]
            interpreter = interpreters[target.python]
            bytecode = compiled.get(interpreter, {}) if interpreter else {}
            made[target] = self._assemble(target, files, records, bytecode, locks[target.id], interpreter)
            self.progress.step(target.id, f"{made[target].size / 1048576:.1f} MB in {time.monotonic() - started:.1f} s")
        return made

    def _compile(
        self,
        targets: Sequence[Target],
        trees: Mapping[Target, tuple[tuple[Installed, ...], dict[str, bytes]]],
        interpreters: Mapping[str, Interpreter | None],
    ) -> dict[Interpreter, dict[tuple[str, str], Path]]:
        jobs: dict[Interpreter, list[Module]] = {}
        for target in targets:
            interpreter = interpreters[target.python]
            if interpreter is not None:
                modules = (Module(f.path, f.source, f.sha256) for f in trees[target][0] if f.path.endswith(".py"))
                jobs.setdefault(interpreter, []).extend(modules)
        if not jobs:
            return {}
        self.progress.begin("Compiling bytecode", 1)
        compiled = compile_all(jobs, self.work / "compiled")
        self.progress.step("compiled", f"{sum(map(len, compiled.values()))} modules")
        return compiled

    def _assemble(
        self,
        target: Target,
        files: Sequence[Installed],
        records: Mapping[str, bytes],
        bytecode: Mapping[tuple[str, str], Path],
        lock: Lock,
        interpreter: Interpreter | None,
    ) -> Artifact:
        entries = [Entry(f"python/{path}", compress(content)) for path, content in records.items()]
        findings: list[Finding] = []
        for file in files:
            entries.append(Entry(f"python/{file.path}", self._stream(file.source, file.sha256), file.executable))
            facts = self.elf[file.sha256]
            if facts is not None:
                findings += check_elf(f"python/{file.path}", facts, target)
            if pyc := bytecode.get((file.path, file.sha256)):
                digest = self.hashes.of(pyc)
                entries.append(Entry(f"python/{pyc_path(file.path, target.python)}", self._stream(pyc, digest)))
        path = self.work / f"{target.layer_name}.zip"
        with path.open("wb") as out:
            write_zip(out, entries)
        unzipped = sum(entry.stream.size for entry in entries)
        self._refuse(target, path.stat().st_size, unzipped, files, findings)
        return Artifact(
            target=target.id,
            python=target.python,
            architecture=target.architecture,
            layer_name=target.layer_name,
            file=path.name,
            sha256=sha256_of(path),
            size=path.stat().st_size,
            unzipped_size=unzipped,
            interpreter=interpreter.version if interpreter else None,
            lock=lock,
            findings=tuple(findings),
        )

    def _stream(self, source: Path, sha256: str) -> Stream:
        if sha256 not in self.streams:
            content = source.read_bytes()
            self.streams[sha256] = compress(content)
            self.elf[sha256] = elf_facts(content)
        return self.streams[sha256]

    def _refuse(
        self, target: Target, zipped: int, unzipped: int, files: Sequence[Installed], findings: Sequence[Finding]
    ) -> None:
        """Stop before anything is uploaded that Lambda would refuse or could not load."""
        errors = [finding for finding in findings if finding.level == "error"]
        if errors:
            rows = "\n".join(f"  {finding.path}: {finding.message}" for finding in errors[:10])
            raise BuildError(f"the zip would not run there:\n{rows}", where=target.id)
        biggest = ", ".join(f"{name} {size / 1048576:.0f} MB" for name, size in sizes_by_package(files)[:5])
        if unzipped > UNZIPPED_LIMIT:
            raise BuildError(
                f"unzipped it has {unzipped:,} bytes; Lambda takes {UNZIPPED_LIMIT:,} for a function with its layers",
                where=target.id,
                fix=f"leave something out; the biggest are {biggest}",
            )
        if zipped > ZIPPED_LIMIT and self.matrix.staging is None:
            raise BuildError(
                f"the zip has {zipped:,} bytes; Lambda takes {ZIPPED_LIMIT:,} in a request",
                where=target.id,
                fix=f"set `staging` in the matrix to go through a bucket, or leave something out: {biggest}",
            )

    def _finish(self, artifacts: Mapping[Target, Artifact]) -> Manifest:
        for target in self.targets:
            (self.work / artifacts[target].file).replace(self.output / artifacts[target].file)
        manifest = Manifest(
            package=self.matrix.package,
            version=self.version,
            artifacts=tuple(artifacts[target] for target in self.targets),
        )
        write_manifest(self.output, manifest)
        shutil.rmtree(self.work / "installed", ignore_errors=True)
        return manifest
