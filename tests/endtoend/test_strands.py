"""strands-agents for all eight targets, from the index: built twice, inspected, smoke-tested and imported."""

from __future__ import annotations

import platform
import subprocess
import zipfile
from pathlib import Path

import pytest

from builder.bytecode.interpreters import search
from builder.cache.store import Cache, default_folder
from builder.inspection.inspector import inspect_zip
from builder.model.matrix_file import load_matrix
from builder.model.progress import Quiet
from builder.pipeline.build import build
from builder.resolve.resolver import newest_resolvable
from tests import REPOSITORY

pytestmark = [pytest.mark.index, pytest.mark.slow]


def test_every_target_is_reproducible_and_works(tmp_path: Path) -> None:
    matrix = load_matrix(REPOSITORY / "layer_matrix.yaml")
    version = newest_resolvable(matrix)
    manifest = build(matrix, version, matrix.targets, tmp_path / "one", Quiet())
    assert [a.target for a in manifest.artifacts] == [t.id for t in matrix.targets]
    packages = {a.target: {p.name for p in a.lock} for a in manifest.artifacts}
    assert "exceptiongroup" in packages["py3.10-x86_64"]
    assert "exceptiongroup" not in packages["py3.12-x86_64"]
    for target, artifact in zip(matrix.targets, manifest.artifacts, strict=True):
        assert [f for f in artifact.findings if f.level == "error"] == []
        _import(tmp_path, target.python, tmp_path / "one" / artifact.file, str(target.architecture))

    one = matrix.targets[-1]  # one of eight is enough for the inspection
    assert not inspect_zip(tmp_path / "one" / manifest.artifacts[-1].file, one).findings

    locks = {a.target: a.lock for a in manifest.artifacts}
    Cache(default_folder()).clean()
    some = matrix.select(("3.10",), ("x86_64",))
    again = build(matrix, version, some, tmp_path / "two", Quiet(), lock=locks)
    assert {a.target: a.sha256 for a in again.artifacts} == {t.id: manifest.artifact(t.id).sha256 for t in some}  # type: ignore[union-attr]


def _import(tmp_path: Path, python: str, path: Path, architecture: str) -> None:
    found = search(python)
    if found is None or architecture != platform.machine():
        return
    folder = tmp_path / f"opt-{python}"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    code = (
        "import sys, strands; from strands import Agent; "
        "late = [n for n, m in sys.modules.items() if (getattr(m, '__file__', None) or '').startswith(sys.path[1]) "
        "and m.__file__.endswith('.py') and not m.__cached__]; print(strands.__file__, late)"
    )
    environment = {"PYTHONPATH": str(folder / "python")}
    done = subprocess.run(
        [found.path, "-B", "-W", "ignore", "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(folder))
    assert done.stdout.rstrip().endswith("[]")
