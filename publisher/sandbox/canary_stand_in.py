"""What a canary function would say that this machine cannot run: read from its layers, and nothing imported."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from builder.inspection.file_checks import import_roots
from builder.model.target import Target


def read_answer(package: str, layers: Sequence[Path], target: Target) -> dict[str, Any] | None:
    """The answer of ``publisher/canary/function/canary.py``, without imports; None where no layer has the package."""
    for root in import_roots(target.python):
        for layer in layers:
            for version in _versions(layer, root, package):
                return {
                    "version": version,
                    "metadata_from": f"/opt/{root.rstrip('/')}",
                    "loaded_from": {},
                    "import_seconds": 0.0,
                    "python": target.runtime.full_version,
                    "machine": target.architecture.value,
                }
    return None


def _versions(layer: Path, root: str, package: str) -> Iterator[str]:
    """The versions of a package in a layer's import root, by its metadata."""
    with zipfile.ZipFile(layer) as archive:
        for path in archive.namelist():
            folder, _, file = path.removeprefix(root).partition("/")
            if path.startswith(root) and folder.endswith(".dist-info") and file == "METADATA":
                headers = HeaderParser().parsestr(archive.read(path).decode("utf-8", "replace"))
                if canonicalize_name(headers.get("Name", "")) == canonicalize_name(package):
                    yield headers.get("Version", "")
