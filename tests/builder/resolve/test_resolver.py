"""Requests to an index: a page that may be cached is fetched once, cached wheels are not fetched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.model.errors import InputError
from builder.model.progress import Quiet
from builder.pipeline.build import build
from builder.resolve import uv
from builder.resolve.resolver import newest_resolvable, resolve
from tests.fakes.package_index import PackageIndex, running_index, use_index
from tests.fakes.wheels import empty_uv_cache, make_wheel, matrix_of


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    """Return an index whose pages may be cached for ten minutes, like PyPI's."""
    monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path / "cache"))
    with running_index() as served:
        served.kept = "max-age=600"
        use_index(monkeypatch, f"{served.address}/simple", tmp_path)
        yield served


def test_a_page_is_fetched_once_for_all_targets(index: PackageIndex, tmp_path: Path) -> None:
    index.add_wheel(make_wheel(tmp_path, "demo", requires=("other",)))
    index.add_wheel(make_wheel(tmp_path, "other"))
    matrix = matrix_of("demo", "3.11", "3.12", architectures=["x86_64", "aarch64"])
    build(matrix, "1.0", matrix.targets, tmp_path / "out", Quiet())
    assert sorted(path for path, _ in index.asked if path.startswith("/simple/")) == ["/simple/demo/", "/simple/other/"]


def test_a_locked_build_needs_no_index(index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index.kept = "max-age=0"
    index.add_wheel(make_wheel(tmp_path, "demo"))
    matrix = matrix_of("demo")
    first = build(matrix, "1.0", matrix.targets, tmp_path / "out", Quiet())
    index.asked.clear()
    monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path / "other-cache"))
    given = {artifact.target: artifact.lock for artifact in first.artifacts}
    assert build(matrix, "1.0", matrix.targets, tmp_path / "again", Quiet(), lock=given) == first
    assert index.asked == []


def test_a_version_newer_than_the_cached_page_is_found(index: PackageIndex, tmp_path: Path) -> None:
    index.add_wheel(make_wheel(tmp_path, "demo"))
    matrix = matrix_of("demo")
    assert newest_resolvable(matrix) == "1.0"
    index.add_wheel(make_wheel(tmp_path, "demo", "1.1"))
    assert [locked.version for locked in resolve(matrix, "1.1", matrix.targets[0])] == ["1.1"]
    with pytest.raises(InputError, match=r"no demo 1\.2"):
        resolve(matrix, "1.2", matrix.targets[0])


def test_a_version_is_not_its_local_versions(index: PackageIndex, tmp_path: Path) -> None:
    matrix = matrix_of("demo")
    for each in ("1.0+cpu", "1.0+cpu.2"):
        index.add_wheel(make_wheel(tmp_path, "demo", each))
        with pytest.raises(InputError, match=r"no demo 1\.0"):
            resolve(matrix, "1.0", matrix.targets[0])
    index.add_wheel(make_wheel(tmp_path, "demo", "1.0"))
    for each in ("1.0", "1.0+cpu", "1.0+cpu.2"):
        (locked,) = resolve(matrix, each, matrix.targets[0])
        assert locked.version == each
        build(matrix, each, matrix.targets, tmp_path / each, Quiet())


@pytest.mark.index
@pytest.mark.parametrize("setting", ["none", "UV_NO_CONFIG=1", "PIP_EXTRA_INDEX_URL=file://{}"])
def test_pypis_cached_pages_are_used_behind_any_proxy(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_INDEX_URL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    empty_uv_cache(monkeypatch, tmp_path / "uv")
    name, _, value = setting.format(tmp_path).partition("=")
    monkeypatch.setenv(name, value)
    matrix = matrix_of("httpx")
    lock = resolve(matrix, "0.28.1", matrix.targets[0])
    for name in ("ALL_PROXY", "HTTPS_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert resolve(matrix, "0.28.1", matrix.targets[0]) == lock


def test_settings_files_in_parent_folders_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text("this is no toml")
    (tmp_path / "pyproject.toml").write_text("neither is this")
    folder = tmp_path / "run"
    folder.mkdir()
    answer = uv.run(["pip", "compile", "--offline", "--no-python-downloads", "-"], folder, stdin="\n")
    assert answer.returncode == 0, answer.stderr
