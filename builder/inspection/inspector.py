"""Inspect a zip: its facts, packages and findings in one value."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from builder.inspection.distributions import Distribution, distributions
from builder.inspection.file_checks import (
    ROOT_OF_ONE_PYTHON,
    check_files,
    check_zipped_size,
    other_roots,
    unzipped_size,
)
from builder.inspection.file_facts import FileFacts
from builder.inspection.package_checks import check_packages
from builder.inspection.pyc import count_modules, python_of
from builder.inspection.zip_reader import read_zip
from builder.model.artifact import Finding
from builder.model.file_access import sha256_of
from builder.model.findings import dotted, finding, limit_findings
from builder.model.runtimes import RUNTIMES, UNZIPPED_LIMIT_BYTES, ZIPPED_LIMIT_BYTES, Architecture
from builder.model.target import Target, python_order


@dataclass(frozen=True)
class Inspection:
    """The content and the problems of a zip."""

    path: Path
    sha256: str
    size: int
    unzipped_size: int
    python: str | None  #: None if the zip does not tell
    architecture: str | None  #: None if it has no binary
    packages: tuple[Distribution, ...]
    glibc: tuple[int, ...] | None  #: the newest version that a binary needs, e.g. (2, 17)
    modules: int
    compiled: int  #: number of modules with bytecode that this Python accepts
    files: tuple[FileFacts, ...]
    findings: tuple[Finding, ...]
    exclude: tuple[str, ...] = ()  #: packages that the build left out although others require them
    override: tuple[str, ...] = ()  #: requirements that replaced what the packages require, in the build

    @property
    def slim_services(self) -> tuple[str, ...] | None:
        """The services whose botocore data a slim layer has; None if the layer is not slim."""
        if not any(re.search(r"/botocore-[^/]+\.dist-info/SLIM\.txt$", file.path) for file in self.files):
            return None
        matches = (re.search(r"/botocore/data/([^/]+)/.", file.path) for file in self.files)
        return tuple(sorted({match[1] for match in matches if match}))

    @property
    def errors(self) -> int:
        """The number of findings that are errors."""
        return sum(each.level == "error" for each in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Return the JSON of ``layers inspect --json``."""
        return {
            "zip": str(self.path),
            "sha256": self.sha256,
            "python": self.python,
            "architecture": self.architecture,
            "size": self.size,
            "size_limit": ZIPPED_LIMIT_BYTES,
            "unzipped_size": self.unzipped_size,
            "unzipped_limit": UNZIPPED_LIMIT_BYTES,
            "files": sum(not file.is_folder for file in self.files),
            "errors": self.errors,
            "glibc": self.glibc and dotted(self.glibc),
            "bytecode": {"modules": self.modules, "compiled": self.compiled},
            "slim_services": self.slim_services,
            "exclude": self.exclude,
            "override": self.override,
            "packages": [
                {"name": each.name, "version": each.version, "size": each.size, "modules": each.modules}
                for each in self.packages
            ],
            "binaries": [_binary(file) for file in self.files if file.elf],
            "findings": [each.model_dump(mode="json") for each in self.findings],
        }


def _binary(file: FileFacts) -> dict[str, Any]:
    elf = file.elf
    assert elf is not None  # noqa: S101 - only called so
    families = sorted({need.family for need in elf.needs})
    return {
        "path": file.path,
        "architecture": elf.machine,
        "needs": {family: dotted(elf.highest(family) or ()) for family in families},
        "libraries": list(elf.needed),
    }


def inspect_zip(path: Path, target: Target | None = None, *, staged: bool = False) -> Inspection:
    """Read and check any zip. ``target``: the one that it should be for; None: guess it from the content.

    Raises InputError if it is not a zip, or is too large to be a layer; all other problems become findings.
    """
    contents = read_zip(path)
    files = contents.files
    packages = distributions(contents.texts, files)
    python, architecture = _guess(files, packages)
    if target is not None:
        python, architecture = target.python, target.architecture
    checked = Target(python or max(RUNTIMES, key=python_order), architecture or Architecture.X86_64, path.stem)
    if others := other_roots((file.path for file in files), checked.python):
        packages = tuple(package for package in packages if package.root not in others)
        files = [file for file in files if not file.path.startswith(tuple(others))]
    size = path.stat().st_size
    findings = [*contents.findings, *check_zipped_size(size, staged=staged), *check_files(contents.files, checked)]
    findings += limit_findings(check_packages(packages, files, checked if python else None))
    if not python:
        checked_for = f"checked for the newest, {checked.python} (use --python for another)"
        findings.append(finding("warning", "target-unknown", f"the zip does not tell its Python: {checked_for}"))
    modules, compiled = count_modules(files, checked.python)
    return Inspection(
        path=path,
        sha256=sha256_of(path),
        size=size,
        unzipped_size=unzipped_size(contents.files),
        python=python,
        architecture=architecture and str(architecture),
        packages=packages,
        glibc=max((v for f in files if f.elf and (v := f.elf.highest("GLIBC"))), default=None),
        modules=modules,
        compiled=compiled,
        files=tuple(contents.files),
        findings=_sort(findings),
    )


def with_findings(inspection: Inspection, more: Sequence[Finding]) -> Inspection:
    """Return the inspection with further findings."""
    return replace(inspection, findings=_sort([*inspection.findings, *more]))


def _sort(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort errors first, then by code and path."""
    return tuple(sorted(findings, key=lambda each: (each.level, each.code, each.path or "")))


def _guess(files: Sequence[FileFacts], packages: Sequence[Distribution]) -> tuple[str | None, Architecture | None]:
    """Return the Python and the architecture that most files and wheels of a zip are for."""
    pythons = Counter(_pythons(files, packages))
    machines = Counter(file.elf.machine for file in files if file.elf)
    python = max(pythons, key=lambda each: (pythons[each], python_order(each)), default=None)
    architectures = [architecture for architecture in Architecture if machines[str(architecture)]]
    return python, max(architectures, key=lambda each: machines[str(each)], default=None)


def _pythons(files: Iterable[FileFacts], packages: Iterable[Distribution]) -> Iterable[str]:
    """Yield the Python of each file or wheel that is for one Python only."""
    for file in files:
        tagged = re.search(r"\.cpython-(\d)(\d+)-[^/]*\.so$", file.path)
        match = tagged or ROOT_OF_ONE_PYTHON.match(file.path)
        python = f"{match[1]}.{match[2]}" if match else python_of(file.path)
        if python in RUNTIMES:
            yield python
    for distribution in packages:
        for tag in distribution.tags:
            if (match := re.match(r"cp(\d)(\d+)-cp\1\2-", tag)) and f"{match[1]}.{match[2]}" in RUNTIMES:
                yield f"{match[1]}.{match[2]}"
                break
