"""Failures of uv with an index of its own on this machine."""

from __future__ import annotations

import hashlib
import re
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.model.errors import BuildError, FailureClass, InputError, LayersError
from builder.model.progress import Quiet
from builder.pipeline.build import build
from builder.resolve import uv
from builder.resolve.download_failures import shown_url
from builder.resolve.resolver import newest_resolvable
from tests.fakes.package_index import JSON, PackageIndex, running_index, send, use_index
from tests.fakes.wheels import make_wheel, matrix_of


def build_error(folder: Path, patch: pytest.MonkeyPatch, break_index: Callable[[PackageIndex], None]) -> LayersError:
    """Return the error of a build of demo 1.0 from an index after ``break_index``."""
    patch.setenv("LAYERS_CACHE_DIR", str(folder / "cache"))
    with running_index() as index:
        use_index(patch, f"{index.address}/simple", folder)
        index.add_wheel(make_wheel(folder, "demo"))
        break_index(index)
        matrix = matrix_of("demo", bytecode="off")
        with pytest.raises(LayersError) as caught:
            build(matrix, "1.0", matrix.targets, folder / "out", Quiet())
    return caught.value


def error_of(folder: Path, patch: pytest.MonkeyPatch, path: str, status: int) -> LayersError:
    """Return the error of a build while the index responds so to requests of ``path``."""

    def break_index(index: PackageIndex) -> None:
        index.fault = lambda handler: path in handler.path and send(handler, status)

    return build_error(folder, patch, break_index)


@pytest.mark.parametrize("path", ["/simple/", "/files/"])
@pytest.mark.parametrize("status", [401, 403])
def test_an_index_that_refuses_access_is_not_an_unknown_package(
    path: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = str(error_of(tmp_path, monkeypatch, path, status))
    assert f"refused access: {status}" in error
    assert "credentials" in error
    assert "127.0.0.1" not in error


@pytest.mark.parametrize(
    ("path", "status", "text", "kind"),
    [
        ("/files/", 404, "responds 404 Not Found for demo-1.0-py3-none-any.whl", FailureClass.PERMANENT),
        ("/files/", 429, "responds 429 Too Many Requests for demo-1.0-py3-none-any.whl", FailureClass.TEMPORARY),
        ("/simple/", 429, "responds 429 Too Many Requests for demo", FailureClass.TEMPORARY),
        ("/simple/", 503, "responds 503 Service Unavailable for demo", FailureClass.TEMPORARY),
    ],
)
def test_an_http_status_of_the_index_is_named_and_classified(
    path: str, status: int, text: str, kind: FailureClass, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = error_of(tmp_path, monkeypatch, path, status)
    assert text in str(error)
    assert "cannot be reached" not in str(error)
    assert error.failure_class is kind


@pytest.mark.parametrize("path", ["/simple/", "/files/"])
@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://user:secret@host/x", "data:text/html,x", "http://[::1"]
)
def test_a_redirect_to_an_address_that_is_not_http_is_permanent(
    location: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def redirect(index: PackageIndex) -> None:
        index.fault = lambda handler: path in handler.path and send(handler, 302, Location=location)

    error = build_error(tmp_path, monkeypatch, redirect)
    assert "redirects to an invalid address, or not to http or https" in str(error)
    assert "secret" not in str(error)
    assert error.failure_class is FailureClass.PERMANENT


def test_an_index_with_another_scheme_is_named_without_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(index: PackageIndex) -> None:
        monkeypatch.setenv("UV_DEFAULT_INDEX", "ftp://user:secret@host/simple")

    error = str(build_error(tmp_path, monkeypatch, rename))
    assert "the index ftp://host/simple is neither a URL (http, https, file) nor a folder" in error
    assert "secret" not in error


def test_a_proxy_that_refuses_the_connection_is_named_without_its_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def use_proxy(index: PackageIndex) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://user:secret@127.0.0.1:9")
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")

    error = str(build_error(tmp_path, monkeypatch, use_proxy))
    assert "Connection refused" in error
    assert "the proxy (HTTP_PROXY)" in error
    assert "secret" not in error


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"<html><h1>Log in</h1></html>", "text/html", "the package index has no demo 1.0"),
        (b"Log in", "text/plain", "something else than an index page: Unsupported `Content-Type`"),
        (b'{"files": [', JSON, "something else than an index page: Received some unexpected JSON"),
    ],
)
def test_a_response_that_is_no_index_page_is_named(
    body: bytes, kind: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log_in(index: PackageIndex) -> None:
        index.fault = lambda handler: send(handler, 200, body, kind)

    error = str(build_error(tmp_path, monkeypatch, log_in))
    assert text in error


def test_an_index_without_a_package_is_not_a_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_index() as index:
        use_index(monkeypatch, f"{index.address}/simple", tmp_path)
        index.projects["demo"] = []
        matrix = matrix_of("demo")
        with pytest.raises(InputError, match=r"lists no files of 'demo'\n.*UV_DEFAULT_INDEX"):
            newest_resolvable(matrix)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_a_wheel_that_differs_from_the_hash_of_the_index_is_refused_with_both_hashes(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes: list[str] = []

    def break_index(index: PackageIndex) -> None:
        index.algorithm = algorithm
        (entry,) = index.projects["demo"]
        other = make_wheel(tmp_path, "demo", files={"demo/more.py": ""}).read_bytes()
        hashes.extend(hashlib.new(algorithm, each).hexdigest() for each in (entry.content or b"", other))
        monkeypatch.setattr(index, "file", lambda _: other)

    error = str(build_error(tmp_path, monkeypatch, break_index))
    assert "hash mismatch" in error
    assert all(f"{algorithm}:{each}" in error for each in hashes)


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_an_index_without_sha256_is_used(algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path / "cache"))
    wheel = make_wheel(tmp_path, "demo")
    with running_index() as index:
        use_index(monkeypatch, f"{index.address}/simple", tmp_path)
        index.algorithm = algorithm
        index.add_wheel(wheel)
        matrix = matrix_of("demo", bytecode="off")
        manifest = build(matrix, "1.0", matrix.targets, tmp_path / "out", Quiet())
    assert manifest.artifacts[0].lock[0].sha256 == hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.mark.parametrize("path", ["/simple/", "/files/"])
def test_a_truncated_response_is_named_without_the_machines_paths(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(index: PackageIndex) -> None:
        body = {"/simple/": index.page("demo")[0], "/files/": index.projects["demo"][0].content or b""}[path]
        index.fault = lambda handler: (
            path in handler.path
            and send(handler, 200, body[: len(body) // 2], JSON, **{"Content-Length": str(len(body))})
        )

    error = build_error(tmp_path, monkeypatch, cut)
    assert "a response of the package index was truncated" in str(error)
    assert not re.search(r"Using CPython|127\.0\.0\.1", str(error))
    assert error.failure_class is FailureClass.TEMPORARY


@pytest.mark.parametrize(("path", "status"), [("/simple/", 410), ("/files/", 404)])
def test_the_fix_of_a_missing_file_is_not_that_of_a_missing_page(
    path: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = str(error_of(tmp_path, monkeypatch, path, status))
    assert ("check the URL of the index" in error) == (path == "/simple/")
    assert ("no longer has this file" in error) == (path == "/files/")


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("UV_INDEX_STRATEGY", "bogus", "UV_INDEX_STRATEGY: invalid value 'bogus'"),
        ("UV_CONCURRENT_DOWNLOADS", "0", "UV_CONCURRENT_DOWNLOADS: invalid value '0'"),
        ("UV_NO_INDEX", "1", "no index may be used (UV_NO_INDEX, or pip's no-index)"),
    ],
)
def test_a_variable_that_makes_uv_fail_is_named(
    variable: str, value: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)

    def set_variable(_: PackageIndex) -> None:
        monkeypatch.setenv(variable, value)

    error = build_error(tmp_path, monkeypatch, set_variable)
    assert words in str(error)
    assert "check which index" not in str(error)


@pytest.mark.parametrize("by_file", [True, False])
def test_an_offline_uv_is_named(by_file: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if by_file:
        (tmp_path / "no-config" / "uv").mkdir(parents=True)
        (tmp_path / "no-config" / "uv" / "uv.toml").write_text("offline = true\n")
    else:
        monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "40")  # uv would wrap its message
    error = str(build_error(tmp_path, monkeypatch, lambda _: None))
    assert "uv is offline, and its cache does not have 'demo'" in error
    assert "UV_OFFLINE" in error


def test_an_index_is_shown_without_credentials() -> None:
    assert shown_url("https://me@corp.example:p@ss@host/simple?token=1") == "https://host/simple"


def test_a_file_size_limit_that_ends_uv_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "uv"
    command.write_text(f"#!/bin/sh\nkill -{int(signal.SIGXFSZ)} $$\n")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr("uv.find_uv_bin", lambda: str(command))
    with pytest.raises(BuildError, match=r"SIGXFSZ \(File size limit exceeded") as caught:
        uv.run(["pip", "compile", "-"], tmp_path, stdin="")
    assert "ulimit -f" in str(caught.value)


@pytest.mark.parametrize("tag", ["py3-none-any", "cp312-cp312-win_amd64", None])
def test_the_error_for_a_pinned_package_names_who_requires_it(tag: str | None, index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", requires=("middle",))
    make_wheel(index, "middle", requires=("leaf==9.0",))
    if tag:
        make_wheel(index, "leaf", "1.0" if tag == "py3-none-any" else "9.0", tag=tag)
    matrix = matrix_of("demo", bytecode="off", requirements=["leaf"] if tag == "py3-none-any" else [])
    with pytest.raises(LayersError, match=r"middle requires leaf==9\.0"):
        build(matrix, "1.0", matrix.targets, tmp_path / "out", Quiet())


def test_a_cache_of_uv_that_cannot_be_written_is_named(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, "demo")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "file" / "cache"))
    matrix = matrix_of("demo", bytecode="off")
    with pytest.raises(BuildError, match="uv cannot write a file: Failed to initialize cache") as caught:
        build(matrix, "1.0", matrix.targets, tmp_path / "out", Quiet())
    assert "UV_CACHE_DIR" in str(caught.value)


def test_a_requirement_of_a_wheel_that_is_a_url_is_named_with_the_way_out(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", requires=("dep",))
    make_wheel(index, "dep", requires=("Leaf[a] @ git+https://git.example/leaf.git ; python_version > '3'",))
    make_wheel(index, "leaf")
    matrix = matrix_of("demo", bytecode="off")
    with pytest.raises(
        BuildError, match=r"dep 1\.0 requires leaf from a URL that is not used: git\+https://git\.example"
    ) as caught:
        build(matrix, "1.0", matrix.targets, tmp_path / "out", Quiet())
    assert "override (leaf>=0 " in str(caught.value)
    matrix = matrix_of("demo", bytecode="off", override=["leaf>=0"])
    assert len(build(matrix, "1.0", matrix.targets, tmp_path / "out", Quiet()).artifacts[0].lock) == 3


@pytest.mark.parametrize("broken", ["wheel", "find-links", "requirement"])
def test_what_uv_cannot_read_is_named_without_blame_for_the_index(
    broken: str, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {"wheel": "No such file", "find-links": "valid UTF-8", "requirement": "a===b"}[broken]
    if broken == "wheel":
        (index / "demo-1.0-py3-none-any.whl").symlink_to("nowhere")
    else:
        wheel = make_wheel(index, "demo")
    if broken == "find-links":
        monkeypatch.setenv("UV_FIND_LINKS", str(wheel))
    requirements = ["a===b"] if broken == "requirement" else []
    with pytest.raises(BuildError, match=words) as caught:
        newest_resolvable(matrix_of("demo", requirements=requirements))
    assert caught.value.fix == "correct what the message names"
