"""``layers reproduce``: a second build checks the first one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from builder.model.errors import BuildError, InputError
from publisher.cli.group import layers
from tests.fakes.wheels import make_wheel

MATRIX = """
account: "123456789012"
package: demo
python: ["3.12"]
architectures: [x86_64, aarch64]
regions: [us-east-1]
"""


@pytest.fixture
def run(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layer_matrix.yaml").write_text(MATRIX)
    make_wheel(index, "demo")

    def call(*arguments: str):  # type: ignore[no-untyped-def]
        return CliRunner().invoke(layers, arguments, catch_exceptions=True)

    assert call("build", "--version", "1.0", "--output", "first").exit_code == 0
    return call


def change_manifest(change: str, to: str) -> None:
    path = Path("first/manifest.json")
    text = path.read_text()
    assert change in text
    path.write_text(text.replace(change, to))


def test_a_second_build_gives_the_same_bytes_without_the_cache(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = run("reproduce", "first", "--json")
    assert done.exit_code == 0, done.output
    assert [row["same"] for row in json.loads(done.stdout)] == [True, True]
    # Other bytes in the cache and in the build's folder do not reach the second build.
    manifest = json.loads(Path("first/manifest.json").read_text())
    change_manifest(manifest["artifacts"][0]["sha256"], "0" * 64)
    done = run("reproduce", "first", "--arch", "x86_64", "--output", "again")
    assert isinstance(done.exception, BuildError)
    assert "layers inspect first/demo-py3_12-x86_64.zip again/demo-py3_12-x86_64.zip" in str(done.exception)
    assert Path("again/demo-py3_12-x86_64.zip").exists()


def test_the_second_build_uses_the_lock_of_the_first(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    make_wheel(tmp_path / "index", "demo", "1.1")
    assert run("reproduce", "first").exit_code == 0


def test_the_second_build_needs_the_same_interpreter(run, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    used = json.loads(Path("first/manifest.json").read_text())["artifacts"][0]["interpreter"]
    change_manifest(f'"interpreter": "{used}"', '"interpreter": "3.12.99"')
    done = run("reproduce", "first")
    assert isinstance(done.exception, BuildError)
    assert "CPython 3.12.99, which compiles bytecode, was not found" in str(done.exception)


def test_a_build_of_another_package_is_refused(run) -> None:  # type: ignore[no-untyped-def]

    change_manifest('"package": "demo"', '"package": "other"')
    done = run("reproduce", "first")
    assert isinstance(done.exception, InputError)
    assert "of other, but the matrix is for demo" in str(done.exception)
    assert isinstance(run("reproduce", "nowhere").exception, InputError)
