"""Builds from the real package index."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from builder.bytecode.interpreters import search
from builder.model.errors import BuildError, InputError, LayersError
from builder.model.matrix import Matrix
from builder.model.progress import Quiet
from builder.pipeline.build import build
from builder.resolve.resolver import newest_resolvable
from tests.fakes.wheels import matrix_of

pytestmark = pytest.mark.index


def made(matrix: Matrix, version: str, output: Path) -> list[Path]:
    manifest = build(matrix, version, matrix.targets, output, Quiet())
    return [output / artifact.file for artifact in manifest.artifacts]


@pytest.mark.parametrize(
    ("package", "version", "python", "error", "words"),
    [
        ("numpy", "2.4.0", "3.11", BuildError, ["numpy 2.4.0", "py3.11-x86_64", "glibc 2.26", "manylinux_2_26"]),
        ("pyspark", "3.5.0", "3.12", BuildError, ["pyspark 3.5.0", "no wheel"]),
        ("six", "99.0", "3.12", InputError, ["no six 99.0"]),
        ("six", "1.17", "3.12", InputError, ["--version 1.17.0"]),
        ("surely-no-such-package-of-ours", "1.0", "3.12", InputError, ["no package"]),
    ],
)
def test_an_impossible_build_names_the_reason(
    package: str, version: str, python: str, error: type[LayersError], words: list[str], tmp_path: Path
) -> None:
    with pytest.raises(error) as caught:
        made(matrix_of(package, python), version, tmp_path / "out")
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_an_unreachable_index_is_named_without_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(BuildError, match="package index cannot be reached") as caught:
        made(matrix_of("six"), "1.17.0", tmp_path / "out")
    assert "127.0.0.1" not in str(caught.value)


def test_each_target_gets_its_own_binaries(tmp_path: Path) -> None:
    matrix = matrix_of("pyyaml", "3.10", "3.12", architectures=["x86_64", "aarch64"])
    zips = dict(zip((t.id for t in matrix.targets), made(matrix, "6.0.2", tmp_path / "out"), strict=True))
    for target in matrix.targets:
        with zipfile.ZipFile(zips[target.id]) as archive:
            names = archive.namelist()
            archive.extractall(tmp_path / target.id)
        tag = f"cpython-{target.python.replace('.', '')}-{target.architecture}-linux-gnu.so"
        assert [name for name in names if name.endswith(".so")] == [f"python/yaml/_yaml.{tag}"]
    machine = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S607
    for python in matrix.python:
        found = search(python)
        folder = tmp_path / f"py{python}-{machine}" / "python"
        if found is None or not folder.exists():
            continue
        code = "import yaml; print(yaml.__with_libyaml__, yaml.__cached__, yaml.load('[1]', yaml.CSafeLoader))"
        done = subprocess.run(
            [found.path, "-B", "-c", code], env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[0] == "True"


def test_the_newest_version_is_found(tmp_path: Path) -> None:
    assert newest_resolvable(matrix_of("six")) >= "1.17.0"
