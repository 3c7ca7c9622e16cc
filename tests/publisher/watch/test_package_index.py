"""Pages of a package index; faulty and hostile indexes."""

from __future__ import annotations

import contextlib
import json
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.model.errors import InputError
from builder.model.matrix_keys import Releases
from publisher.watch.index_fetch import IndexPage
from publisher.watch.index_locations import IndexLocation, IndexLocations, IndexUnavailableError
from publisher.watch.index_pages import MAX_ITEMS, InvalidPageError, read_page
from publisher.watch.package_index import group, versions_on_index
from publisher.watch.policy import choose
from scripts.simaws import VirtualClock
from tests.conftest import THOROUGH
from tests.fakes.package_index import JSON, PackageIndex, send, versions
from tests.fakes.wheels import target_of

# Content of a page


@pytest.mark.parametrize("form", ["json", "html"])
def test_the_facts_of_each_version_are_read(form: str, index: PackageIndex) -> None:
    index.form = form
    index.add("Demo_Agents-1.0-py3-none-any.whl")
    index.add("demo_agents-1.0.tar.gz")
    index.add("demo_agents-1.1-py3-none-any.whl", yanked="bad & <broken>", requires_python=">=3.11,<4")
    index.add("demo_agents-1.2-cp312-cp312-manylinux_2_17_x86_64.whl", yanked=True)
    index.add("demo_agents-1.2-cp313-cp313-manylinux_2_17_x86_64.whl")
    index.add("demo_agents-2.0rc1-py3-none-any.whl", requires_python="nonsense")
    index.projects["demo-agents"] = [entry for entries in index.projects.values() for entry in entries]
    for stranger in ("other-9.0-py3-none-any.whl", "demo_agents-9.0.exe", "demo_agents-none.whl", "", "x"):
        index.projects["demo-agents"].append(index.add(stranger))
    found = versions("demo.AGENTS")
    assert list(found) == ["1.0", "1.1", "1.2", "2.0rc1"]
    assert [each.yanked for each in found.values()] == [None, "bad & <broken>", None, None]
    assert found["1.1"].files[0].requires_python == ">=3.11,<4"
    when = datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert {each.uploaded for each in found.values()} == ({when} if form == "json" else {None})
    py310, py312, py313 = target_of("3.10"), target_of("3.12"), target_of("3.13")
    assert found["1.2"].targets_without_wheel([py312, py313]) == (py312,)  # the one for 3.12 was yanked
    assert found["2.0rc1"].targets_without_wheel([py310]) == ()
    assert found["1.0"].targets_without_wheel([py310, py312]) == ()


def test_a_version_is_as_old_as_its_last_file(index: PackageIndex) -> None:
    index.add("demo-1.0-py3-none-any.whl", uploaded="2026-01-01T00:00:00Z")
    index.add("demo-1.0.tar.gz", uploaded="2026-01-03T01:00:00+01:00")
    index.add("demo-1.1-py3-none-any.whl", uploaded=None)
    index.add("demo-1.1.tar.gz")
    found = versions()
    assert found["1.0"].uploaded == datetime(2026, 1, 3, tzinfo=timezone.utc)
    assert found["1.1"].uploaded is None


def test_targets_without_a_usable_wheel_are_named(index: PackageIndex) -> None:
    index.add("demo-1.0-cp311-cp311-manylinux_2_28_x86_64.whl")  # newer than Amazon Linux 2
    index.add("demo-1.0-cp312-cp312-manylinux_2_28_x86_64.whl")
    index.add("demo-1.0-cp312-cp312-macosx_11_0_arm64.whl")
    index.add("demo-2.0-py3-none-any.whl", requires_python=">=3.12")
    index.add("demo-3.0.tar.gz")
    targets = [target_of("3.11"), target_of("3.12"), target_of("3.12", "aarch64")]
    missing = {name: [target.id for target in each.targets_without_wheel(targets)] for name, each in versions().items()}
    assert missing == {
        "1.0": ["py3.11-x86_64", "py3.12-aarch64"],
        "2.0": ["py3.11-x86_64"],
        "3.0": ["py3.11-x86_64", "py3.12-x86_64", "py3.12-aarch64"],
    }


@pytest.mark.parametrize("form", ["json", "html"])
def test_a_page_without_hashes_is_read(form: str, index: PackageIndex) -> None:
    index.form, index.hashes = form, False
    index.add("demo-1.0-py3-none-any.whl")
    assert list(versions()) == ["1.0"]


@pytest.mark.parametrize("form", ["json", "html"])
def test_a_page_of_thousands_of_files_is_read_quickly(form: str, index: PackageIndex) -> None:
    index.form = form
    files = 20_000 if THOROUGH else 5_000
    for number in range(files):
        index.add(f"demo-{number // 10}.{number % 10}-cp312-cp312-manylinux_2_17_x86_64.whl")
    started = time.process_time()
    assert len(versions_on_index("demo")) == files
    assert time.process_time() - started < files / 2000  # 20,000 take about 0.6 s, and as much for the server


# Faulty and hostile indexes


def close_early(handler: BaseHTTPRequestHandler) -> bool:
    handler.send_response(200)
    handler.send_header("Content-Type", JSON)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"files": [{"filename": "demo-1.0')
    return True


def never_respond(_handler: BaseHTTPRequestHandler) -> bool:
    time.sleep(2)
    return True


def trickle(handler: BaseHTTPRequestHandler) -> bool:
    handler.send_response(200)
    handler.send_header("Content-Type", JSON)
    handler.end_headers()
    try:
        for _ in range(60):
            handler.wfile.write(b" ")
            time.sleep(0.1)
    except OSError:  # the client closed the connection
        pass
    return True


def trickle_headers(handler: BaseHTTPRequestHandler) -> bool:
    """Send a header byte by byte, so that no single read times out."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    with contextlib.suppress(OSError):
        for _ in range(100):
            handler.wfile.write(b"x")
            time.sleep(0.1)
    return True


def broken_chunk(handler: BaseHTTPRequestHandler) -> bool:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n{")
    return True


def damaged_gzip(handler: BaseHTTPRequestHandler) -> bool:
    return send(handler, 200, b"no gzip", JSON, Content_Encoding="gzip")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda handler: send(handler, 500), "responds with status 500"),
        (lambda handler: send(handler, 429, Retry_After="3600"), "responds with status 429"),
        (close_early, r"was truncated \(IncompleteRead\)"),
        (never_respond, "read timed out after 1 s"),
        (trickle_headers, "too slow: no complete response within 2 s"),
        (broken_chunk, r"was truncated \("),
        (trickle, "too slow: no complete response within 2 s"),
        (damaged_gzip, "invalid Content-Encoding"),
    ],
)
def test_a_temporary_failure_of_an_index_is_unavailable(
    fault: object, words: str, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
    monkeypatch.setattr("publisher.watch.index_fetch.TOTAL_TIMEOUT_FACTOR", 2)
    index.fault = fault  # type: ignore[assignment]
    with pytest.raises(IndexUnavailableError, match=words) as caught:
        versions()
    assert "127.0.0.1" in str(caught.value)
    assert caught.value.exit_code == 3


def page(body: bytes, kind: str = JSON, status: int = 200, **headers: str) -> object:
    return lambda handler: send(handler, status, body, kind, **headers)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (page(b'{"files": [{"filename": "demo-1.0'), "has an invalid page of demo: Invalid JSON"),
        (page(b"{}"), "files: Field required"),
        (page(b'{"files": [{"filename": 3}]}'), "files.0.filename"),
        (page(b'{"files": [{"filename": "demo-1.0.tar.gz", "upload-time": "yesterday"}]}'), "files.0.upload-time"),
        (
            page(b'{"files": [{"filename": "demo-1.0.tar.gz", "upload-time": "9999-12-31T23:59:59-14:00"}]}'),
            "year 9999",
        ),
        (page(b'{"meta": {"api-version": "2.0"}, "files": []}'), "version 2.0 of the Simple API"),
        (page(b'<meta name="pypi:repository-version" content="2.0">', "text/html"), "version 2.0 of the Simple API"),
        (page(b"<![x[", "text/html"), "invalid HTML|lists no file"),
        (page(b"\x00\xff\x00garbage", "application/octet-stream"), "Content-Type is application/octet-stream"),
        (page(b"", ""), "Content-Type is missing"),
        (page(b"<html>Please <a href='/login'>log in</a>", "text/html"), "lists no file of demo"),
        (page(b'<a href="http://[">x</a>', "text/html"), "lists no file of demo"),
        (page(b'{"files": []}'), "lists no file of demo"),
        (page(b"", status=403), "refuses the request with status 403"),
        (page(b"", status=418), "responds with status 418"),
        (page(b"", status=302), "responds with status 302"),
        (page(b"", status=302, Location="/simple/demo/"), "too many redirects"),
        (page(b"", status=302, Location="file:///etc/passwd"), "invalid URL|cannot be reached"),
    ],
)
def test_an_invalid_index_is_named(fault: object, words: str, index: PackageIndex) -> None:
    index.fault = fault  # type: ignore[assignment]
    with pytest.raises(InputError, match=words) as caught:
        versions()
    assert caught.value.exit_code == 3


ODD = st.one_of(
    st.binary(max_size=200),
    st.text("<![->a href='=/x\"", max_size=60).map(str.encode),
    st.fixed_dictionaries(
        {},
        optional={
            "files": st.lists(
                st.dictionaries(
                    st.sampled_from(["filename", "yanked", "upload-time", "requires-python"]),
                    st.none() | st.booleans() | st.text(max_size=20) | st.integers() | st.datetimes().map(str)
                    | st.sampled_from(["demo-1.0-py3-none-any.whl", f"demo-{'9' * 5000}-x.whl", "demo-.whl"]),
                ),
                max_size=4,
            ),
            "meta": st.none() | st.dictionaries(st.just("api-version"), st.text(max_size=4)),
        },
    ).map(lambda page: json.dumps(page).encode()),
)  # fmt: skip


@given(ODD, st.sampled_from([JSON, "text/html", "application/octet-stream", ""]))
def test_any_page_is_read_or_refused(body: bytes, kind: str) -> None:
    """The content is read or refused, and each version that was read can be checked."""
    try:
        files = read_page(IndexPage(body, kind))
    except InvalidPageError:
        return
    choose(
        Releases(minimum_age=timedelta(days=366)), group("demo", files), (), [target_of()], datetime.now(timezone.utc)
    )


def test_json_and_html_are_recognized_by_their_content(index: PackageIndex) -> None:
    for body in (b' {"files": [{"filename": "demo-1.0.tar.gz"}]}', b'<a href="demo-1.0.tar.gz">'):
        index.fault = page(body, "application/octet-stream")  # type: ignore[assignment]
        assert list(versions()) == ["1.0"]


@pytest.mark.parametrize("address", ["http://[::1", "http://exa mple/simple", "http://a..b/simple", "http://:80/"])
def test_an_invalid_url_is_not_retried(address: str) -> None:
    clock = VirtualClock()
    locations = IndexLocations((IndexLocation(address),))
    with pytest.raises(InputError, match="package index") as caught:
        versions_on_index("demo", locations, clock)
    assert caught.value.exit_code == 3
    assert isinstance(caught.value, IndexUnavailableError) is (clock.monotonic() > 0)


def test_deep_nesting_is_an_invalid_page(index: PackageIndex) -> None:
    index.fault = page(b'{"files": ' + b"[" * 200_000 + b"]" * 200_000 + b"}")  # type: ignore[assignment]
    with pytest.raises(InputError, match="invalid page of demo"):
        versions()


def test_a_refused_connection_is_unavailable(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    with pytest.raises(IndexUnavailableError, match="connection refused"):
        versions()


def test_a_single_failure_is_retried(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hurried:
        def __init__(self) -> None:
            self.slept: list[float] = []

        def monotonic(self) -> float:
            return 0.0

        def sleep(self, seconds: float) -> None:
            self.slept.append(seconds)

    monkeypatch.setenv("UV_HTTP_RETRIES", "3")
    index.add("demo-1.0-py3-none-any.whl")
    index.fault = lambda handler: index.page_requests() < 3 and send(handler, 503)
    clock = Hurried()
    assert [each.name for each in versions_on_index("demo", clock=clock)] == ["1.0"]
    assert len(clock.slept) == 2
    index.asked.clear()
    index.fault = lambda handler: send(handler, 503)
    with pytest.raises(IndexUnavailableError):
        versions_on_index("demo", IndexLocations((IndexLocation(f"{index.address}/simple"),)), clock)
    assert index.page_requests() == 4


@pytest.mark.index
def test_pypi_is_read() -> None:
    found = versions("strands_agents")
    assert found["1.40.0"].uploaded is not None
    assert found["1.40.0"].targets_without_wheel([target_of("3.10"), target_of("3.13", "aarch64")]) == ()
    assert list(found)[-1] >= "1.62.0"


@pytest.mark.parametrize(
    ("start", "item", "kind"), [(b'{"files":[', b'{"filename":""},', JSON), (b"", b"<a href=a>", "text/html")]
)
def test_a_page_with_more_files_than_any_project_has_is_refused_before_it_is_parsed(
    start: bytes, item: bytes, kind: str
) -> None:
    started = time.process_time()
    with pytest.raises(InvalidPageError, match="more than 500,000 tags or values"):
        read_page(IndexPage(start + item * (MAX_ITEMS + 1), kind))
    assert time.process_time() - started < 2


def test_a_page_with_very_many_invalid_files_is_one_error() -> None:
    with pytest.raises(InvalidPageError, match=r"files\.0\.filename"):
        read_page(IndexPage(b'{"files":[' + b"{}," * 100_000 + b"{}]}", JSON))


def test_html_that_python_cannot_parse_is_an_invalid_page() -> None:
    with pytest.raises(InvalidPageError, match="invalid HTML"):
        read_page(IndexPage(b'<a href="&#' + b"1" * 5000 + b';">', "text/html"))
