"""Requests to an index: a page that may be cached is fetched once, cached wheels are not fetched."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from builder.model.errors import InputError
from builder.model.progress import Quiet
from builder.pipeline.build import build
from builder.resolve import uv
from builder.resolve.resolver import newest_resolvable, resolve
from tests.fakes.serving import serving
from tests.fakes.wheels import make_wheel, matrix_of


class Index:
    """An index on this machine whose pages may be cached for ten minutes, like PyPI's. Keeps the requested paths."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.seconds = 600
        index = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append(self.path)
                del self.headers["If-Modified-Since"]  # uv does not accept this server's 304 responses
                super().do_GET()

            def end_headers(self) -> None:
                self.send_header("Cache-Control", f"max-age={index.seconds}")
                super().end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple"

    def add(self, name: str, version: str = "1.0", requires: tuple[str, ...] = ()) -> None:
        wheel = make_wheel(self.folder, name, version, requires=requires)
        page = self.folder / "simple" / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        with page.open("a") as file:
            file.write(f'<a href="/{wheel.name}#sha256={digest}">{wheel.name}</a>\n')


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    folder = tmp_path / "index"
    folder.mkdir()
    served = Index(folder)
    for name in ("UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "PIP_INDEX_URL", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", served.url)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path / "cache"))
    with serving(served.server):
        yield served


def test_a_page_is_fetched_once_for_all_targets(index: Index, tmp_path: Path) -> None:
    index.add("demo", requires=("other",))
    index.add("other")
    matrix = matrix_of("demo", "3.11", "3.12", architectures=["x86_64", "aarch64"])
    build(matrix, "1.0", matrix.targets, tmp_path / "out", Quiet())
    assert sorted(path for path in index.asked if path.startswith("/simple/")) == ["/simple/demo/", "/simple/other/"]


def test_a_locked_build_needs_no_index(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index.seconds = 0
    index.add("demo")
    matrix = matrix_of("demo")
    first = build(matrix, "1.0", matrix.targets, tmp_path / "out", Quiet())
    index.server.shutdown()
    index.server.server_close()
    monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path / "other-cache"))
    given = {artifact.target: artifact.lock for artifact in first.artifacts}
    assert build(matrix, "1.0", matrix.targets, tmp_path / "again", Quiet(), lock=given) == first


def test_a_version_newer_than_the_cached_page_is_found(index: Index) -> None:
    index.add("demo")
    matrix = matrix_of("demo")
    assert newest_resolvable(matrix) == "1.0"
    index.add("demo", "1.1")
    assert [locked.version for locked in resolve(matrix, "1.1", matrix.targets[0])] == ["1.1"]
    with pytest.raises(InputError, match=r"no demo 1\.2"):
        resolve(matrix, "1.2", matrix.targets[0])


@pytest.mark.index
@pytest.mark.parametrize("setting", ["none", "UV_NO_CONFIG=1", "PIP_EXTRA_INDEX_URL=file://{}"])
def test_pypis_cached_pages_are_used_behind_any_proxy(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_INDEX_URL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
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
    assert answer.ok, answer.err
