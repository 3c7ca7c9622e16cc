"""Respond for a canary function that this machine cannot run: with its layers' metadata, without an import."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from builder.inspection.file_checks import import_roots
from builder.model.target import Target


def metadata_response(package: str, layers: Sequence[Path], target: Target) -> dict[str, Any] | None:
    """Return the response of ``publisher/canary/function/canary.py`` without imports; None if no layer has it."""
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
    """Yield the versions of a package in a layer's import root, by its metadata."""
    with zipfile.ZipFile(layer) as archive:
        for path in archive.namelist():
            folder, _, file = path.removeprefix(root).partition("/")
            if path.startswith(root) and folder.endswith(".dist-info") and file == "METADATA":
                headers = HeaderParser().parsestr(archive.read(path).decode("utf-8", "replace"))
                if canonicalize_name(headers.get("Name", "")) == canonicalize_name(package):
                    yield headers.get("Version", "")
