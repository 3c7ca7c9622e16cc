"""Measure import time by package: Python's ``-X importtime`` of a statement, grouped by distribution."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from builder.inspection.distributions import Distribution
from builder.model.cold_start import PackageImport
from builder.model.errors import BuildError
from builder.smoke.execution import Machine
from builder.smoke.function_process import BOOTSTRAP, FunctionCode, process_group

#: Package names for modules that no distribution has: Python's own, and the runtime's.
STANDARD_LIBRARY: Final = "Python's standard library"
RUNTIME: Final = "Lambda's runtime"
_RUNTIME_MODULES = frozenset({"awslambdaric", "boto3", "botocore", "dateutil", "jmespath", "s3transfer", "urllib3"})
#: ``import time:       123 |        456 |     package.module``: own and cumulative microseconds; indented by depth.
_LINE = re.compile(r"import time:\s*(\d+) \|\s*(\d+) \|( +)(\S+)")
#: Far above the output of real imports: 100 bytes for each module.
MAX_LOG_BYTES: Final = 8 << 20
_MARKER = "layers: the statement starts here"
_FIX: Final = "run `layers smoke` without --profile"


@dataclass
class ImportedModule:
    """An imported module and the modules that it imported."""

    name: str
    own: int  #: microseconds
    total: int
    children: list[ImportedModule] = field(default_factory=list)


def profile_imports(
    machine: Machine, code: FunctionCode, statement: str, distributions: Sequence[Distribution], folder: Path,
    limit: float,
) -> tuple[PackageImport, ...]:  # fmt: skip
    """Run a statement in a new process and return the import time of each package, the slowest first.

    Raises BuildError if the statement fails or takes longer than ``limit`` seconds.
    """
    log = folder / "imports.log"
    settings = code.settings(statement=statement)
    command = [*machine.command, "-I", "-S", "-B", "-X", "importtime", str(BOOTSTRAP), settings]
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with process_group(command, variables, folder, log) as process:
        try:
            code_of_exit = process.wait(limit)
        except subprocess.TimeoutExpired:
            raise BuildError(f"the import timed out after {limit:.0f} s", where=statement, fix=_FIX) from None
    with log.open("rb") as file:
        text = file.read(MAX_LOG_BYTES).decode("utf-8", "replace")
        is_too_long = bool(file.read(1))
    if code_of_exit:
        raise BuildError(f"the import failed: {text.strip()[-500:]}", where=statement, fix=_FIX)
    if is_too_long:
        raise BuildError(f"the import wrote more than {MAX_LOG_BYTES >> 20} MB of output", where=statement, fix=_FIX)
    return by_package(parse_import_times(text.partition(_MARKER)[2]), distributions)


def parse_import_times(text: str) -> list[ImportedModule]:
    """Parse the lines of ``-X importtime`` into a tree: return the top modules, each with those that it imported."""
    # Python writes the line of a module after those of the modules that it imported.
    waiting: list[tuple[int, ImportedModule]] = []
    for own_microseconds, total, indent, name in _LINE.findall(text):
        module = ImportedModule(name, int(own_microseconds), int(total))
        depth = len(indent)
        while waiting and waiting[-1][0] > depth:
            module.children.insert(0, waiting.pop()[1])
        waiting.append((depth, module))
    return [module for _, module in waiting]


def by_package(modules: Sequence[ImportedModule], distributions: Sequence[Distribution]) -> tuple[PackageImport, ...]:
    """Return the import time of each package, the slowest first."""
    owners = {name: each for each in distributions for name in (*each.modules, *each.import_names())}
    sums_by_package: dict[str, _Sums] = {}
    work: list[tuple[ImportedModule, tuple[str, ...]]] = [(module, ()) for module in reversed(modules)]
    while work:
        module, parents = work.pop()
        owner = _owner(module.name, owners) or (parents[-1] if parents else STANDARD_LIBRARY)
        sums = sums_by_package.setdefault(
            owner, _Sums(imported_by=next((p for p in reversed(parents) if p != owner), None))
        )
        sums.own += module.own
        sums.modules += 1
        if owner not in parents:
            sums.total += module.total
        path = parents if parents[-1:] == (owner,) else (*parents, owner)
        work += [(child, path) for child in reversed(module.children)]
    versions = {each.name: each.version for each in distributions}
    rows = [
        PackageImport(
            package=name,
            version=versions.get(name),
            own_ms=round(sums.own / 1000, 1),
            total_ms=round(sums.total / 1000, 1),
            modules=sums.modules,
            imported_by=sums.imported_by,
        )
        for name, sums in sums_by_package.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.total_ms, row.package)))


@dataclass
class _Sums:
    imported_by: str | None
    own: int = 0
    total: int = 0
    modules: int = 0


def _owner(module: str, owners: Mapping[str, Distribution]) -> str | None:
    """Return the distribution of a module: the one with the longest prefix of its name.

    None for a module that does not exist: Python also lists failed imports, whose time counts for the importer.
    """
    name = module
    while name:
        if name in owners:
            return owners[name].name
        name = name.rpartition(".")[0]
    top = module.partition(".")[0]
    if top in _RUNTIME_MODULES:
        return RUNTIME
    return STANDARD_LIBRARY if top in sys.stdlib_module_names else None
