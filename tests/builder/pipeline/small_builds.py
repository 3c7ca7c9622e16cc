"""Builds of a small package, for tests."""

from __future__ import annotations

import zipfile
from pathlib import Path

from builder.model.artifact import Manifest
from builder.model.matrix import Matrix
from builder.model.progress import Quiet
from builder.pipeline.build import build
from tests.fakes.wheels import matrix_of

FILES = {"demo/data.txt": "x" * 500, "demo/sub/__init__.py": "", "demo/old.py": "print 'two'\n"}


def made(output: Path, matrix: Matrix | None = None, version: str = "1.0") -> Manifest:
    matrix = matrix or matrix_of("demo")
    return build(matrix, version, matrix.targets, output, Quiet())


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
