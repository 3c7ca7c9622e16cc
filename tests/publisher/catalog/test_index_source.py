"""Indexes of any origin: any file or web server gives an index or one error, in bounded time and memory."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.model.errors import FailureClass, InputError
from publisher.catalog import download, index_source
from publisher.catalog.arn import find
from publisher.catalog.index import make_index
from publisher.catalog.index_source import read_index
from publisher.catalog.lookup import Query, select
from publisher.followers.catalog_files import catalog_files
from publisher.http import http_get
from tests.conftest import THOROUGH
from tests.publisher.catalog.catalog_cases import catalog_matrix, history

MATRIX = catalog_matrix()
INDEX = make_index(MATRIX, history(MATRIX))
GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"


@contextmanager
def server(*pieces: bytes, pause: float = 0) -> Iterator[str]:
    """Serve these bytes to every client, with a pause after each piece."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                try:
                    for piece in pieces:
                        connection.sendall(piece)
                        time.sleep(pause)
                except OSError:
                    pass

    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/layers.json"
    finally:
        listening.close()


def problem(source: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read_index(source)
    return caught.value


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n{", "truncated (IncompleteRead)"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{", "IncompleteRead"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "truncated (IncompleteRead)"),
        (b"nonsense\r\n\r\n", "BadStatusLine"),
        (b"", "RemoteDisconnected"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP status 404 Not Found"),
        (b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", "invalid URL"),
        (b"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/x\r\nContent-Length: 0\r\n\r\n", "invalid URL"),
        (b"HTTP/1.1 302 Found\r\nLocation: /layers.json\r\nConnection: close\r\n\r\n", "redirect"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500 + b"\r\n", "headers"),
        (GZIP + b"no gzip", "invalid Content-Encoding"),
        (GZIP + gzip.compress(bytes(range(256)), mtime=0)[:-20], "not an index"),
        (GZIP.replace(b"gzip", b"br") + b"{}", "invalid Content-Encoding"),
        (GZIP + gzip.compress(b" " * (65 << 20), 1, mtime=0), "larger than 64 MB"),
    ],
)
def test_a_bad_response_is_one_error(response: bytes, message: str) -> None:
    with server(response) as address:
        assert message in str(problem(address))


def test_a_compressed_index_is_read() -> None:
    body = gzip.compress(INDEX.model_dump_json().encode())
    with server(GZIP + body) as address:
        assert read_index(address) == INDEX


@pytest.mark.parametrize("piece", [b"\r\n{", b"A: b\r\n"], ids=["body", "headers"])
def test_a_slow_drip_ends_at_the_total_time_limit(piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TOTAL_TIMEOUT_SECONDS", 0.3)
    with server(b"HTTP/1.1 200 OK\r\n", *[piece] * 50, pause=0.05) as address:
        error = problem(address)
    assert "longer than 0.3 s" in str(error)
    assert error.failure_class is FailureClass.TEMPORARY


def test_a_response_without_an_end_stops_at_the_size_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_get, "MAX_DOCUMENT_BYTES", 1 << 20)
    with server(b"HTTP/1.1 200 OK\r\n\r\n", *[b" " * 65536] * 100) as address:
        assert "larger than 1 MB" in str(problem(address))


@pytest.mark.parametrize(
    "address",
    ["http://", "http://[", "http://a b/", "https://127.0.0.1:99999/", "http://127.0.0.1:x/", "HTTP://127.0.0.1:9/"],
)
def test_an_unreachable_address_is_one_error(address: str) -> None:
    assert "cannot be downloaded" in str(problem(address))


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, "1" * 5000, "\ud800", "", "null", "[]"])
def test_a_file_that_is_not_an_index_is_one_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "layers.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert "not an index" in str(problem(str(path)))


def test_a_path_that_cannot_be_read_is_one_error(tmp_path: Path) -> None:
    for source in (str(tmp_path), str(tmp_path / "missing"), "a\0b", "x" * 5000):
        assert "the index cannot be read" in str(problem(source))


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just("0001-01-01T00:00:00+14:00"),
    st.just("9999-12-31T23:59:59-14:00"), st.just("2026-01-01T00:00:00"), st.just("1" * 5000), st.just("²"),
    st.just("3.²"), st.just(-1), st.just(10**30), st.just([]), st.just({}),
)  # fmt: skip


def _places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from _places(item, (*path, key))


DOCUMENT = INDEX.model_dump(mode="json")
PLACES = list(_places(DOCUMENT))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200 if THOROUGH else 50)
@given(place=st.sampled_from(PLACES), value=VALUES)
def test_any_value_anywhere_is_an_index_or_one_error(
    place: tuple[str | int, ...], value: object, tmp_path: Path
) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path = tmp_path / "layers.json"
    path.write_text(json.dumps(document))
    try:
        index = read_index(str(path))
    except InputError:
        return
    with pytest.raises(InputError):
        find(index, "arn:aws:lambda:us-east-1:123456789012:layer:demo-agents-py3_12-aarch64:999999")


@given(st.text() | st.sampled_from(["²", "٣", "1" * 5000, "0", "-1", "1_0", "\x1b[0m", "1.0"]))
def test_any_number_in_an_arn_is_a_layer_version_or_one_error(number: str) -> None:
    arn = f"arn:aws:lambda:us-east-1:123456789012:layer:demo-agents-py3_12-aarch64:{number}"
    with suppress(InputError):
        assert find(INDEX, arn).arn == arn.strip()


def test_an_invalid_url_with_a_region_is_one_error() -> None:
    with pytest.raises(InputError, match="invalid URL"):
        read_index("http://[::1", ["us-east-1"])


def test_a_page_about_the_index_is_named_as_html(tmp_path: Path) -> None:
    file = tmp_path / "layers.json"
    file.write_text("\n<!doctype html><title>layers.json</title>")
    assert "it is HTML" in problem(str(file)).what


FILES = catalog_files(INDEX)


def test_the_file_of_a_region_is_an_index_of_this_region(tmp_path: Path) -> None:
    file = tmp_path / "us-east-1.json"
    file.write_text(FILES["regions/us-east-1.json"])
    index = read_index(str(file))
    assert select(index, Query()).rows == select(INDEX, Query(regions=("us-east-1",))).rows
    with pytest.raises(InputError, match=r"the layers are in us-east-1$"):
        select(index, Query(regions=("eu-west-1",)))


@pytest.mark.parametrize("regions", [("us-east-1", "eu-west-1"), ("eu-west-1", "us-east-1")])
def test_the_files_of_two_regions_may_be_of_different_moments(
    regions: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    older = catalog_files(make_index(MATRIX, history(MATRIX)[:-1]))
    files = {"us-east-1.json": older["regions/us-east-1.json"], "eu-west-1.json": FILES["regions/eu-west-1.json"]}
    monkeypatch.setattr(index_source, "download", lambda url, *_: files[url.rpartition("/")[2]].encode())
    index = read_index("https://layers.test/layers.json", regions)
    assert [release.layer_version for release in index.releases] == [4, 3, 2, 1]
    assert {layer.region for layer in index.releases[0].layers} == {"eu-west-1"}
    assert {layer.region for layer in index.releases[1].layers} == {"us-east-1", "eu-west-1"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("latest.json", "it has no account"),
        ("renovate/preset.json", "it has no schema_version"),
        ("constructs/terraform/layers.json", "it has no schema_version"),
        ("feed.xml", "it is HTML or XML"),
    ],
)
def test_another_file_of_the_catalog_is_refused_and_the_right_one_is_named(
    tmp_path: Path, name: str, reason: str
) -> None:
    file = tmp_path / "layers.json"
    file.write_text(FILES[name])
    error = problem(str(file))
    assert f"not an index: {reason}" in error.what
    assert "layers.json" in (error.fix or "")


@pytest.mark.parametrize("source", ["example.com/layers.json", "s3://bucket/layers.json", "."])
def test_a_source_that_is_no_file_and_no_url_says_what_is(source: str) -> None:
    assert "https://" in (problem(source).fix or "")


@pytest.mark.parametrize(
    ("response", "count"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 2),
        (b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n", 1),
        (b"", 1),
    ],
    ids=["404", "503", "no response"],
)
def test_the_whole_index_is_requested_only_if_the_file_of_the_region_is_missing(
    monkeypatch: pytest.MonkeyPatch, response: bytes, count: int
) -> None:
    requested: list[str] = []

    def counted(address: str, *more: Any) -> bytes:
        requested.append(address)
        return download.download(address, *more)

    monkeypatch.setattr(index_source, "download", counted)
    with server(response) as address, pytest.raises(InputError, match="cannot be downloaded"):
        read_index(address, ["us-east-1"])
    assert len(requested) == count
