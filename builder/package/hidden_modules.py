"""Find modules of the app that hide others: Lambda puts the function's own folder first on ``sys.path``."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from builder.archive.zip_writer import read_checksums
from builder.inspection.file_checks import import_roots
from builder.metadata.module_names import HIDEABLE_MODULES, top_level_module
from builder.model.figures import first_names
from builder.model.target import Target

_MAX_NAMED = 5


def hidden_modules(files: Mapping[str, Path], dependencies: Path | None, target: Target) -> Iterator[str]:
    """Yield a warning if the app hides modules of the standard library, and one if it hides other packages.

    ``files``: the app's, by their path in ``app.zip``. An equal copy hides nothing: a project that is its own
    dependency is in both zips.
    """
    modules = {name: path for path in files if (name := top_level_module(path))}
    if hiding := [path for name, path in modules.items() if name in HIDEABLE_MODULES]:
        names = first_names(hiding, _MAX_NAMED)
        yield f"warning: {names} of the app hides a module of Python's standard library: rename it"
    installed = _checksums(dependencies, target) if dependencies else {}
    copies = {name: path for name, path in modules.items() if name in installed}
    if hiding := [path for name, path in copies.items() if zlib.crc32(files[path].read_bytes()) != installed[name]]:
        names = first_names(hiding, _MAX_NAMED)
        yield (
            f"warning: {names} of the app hides a module of the same name in dependencies.zip: rename it, or leave it "
            "out with a .lambdaignore"
        )


def _checksums(dependencies: Path, target: Target) -> dict[str, int]:
    """Return the CRC-32 of the file of each top-level module of a layer's zip."""
    checksums: dict[str, int] = {}
    roots = import_roots(target.python)
    for path, crc in read_checksums(dependencies):
        root = next((root for root in roots if path.startswith(root)), "")
        below = path[len(root) :]
        if root and below.count("/") < 2 and (name := top_level_module(below)):
            checksums.setdefault(name, crc)
    return checksums
