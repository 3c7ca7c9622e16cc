"""Reading a package index over HTTP and from folders; faulty and hostile indexes."""

from __future__ import annotations

import contextlib
import json
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.model.errors import InputError
from builder.model.matrix_keys import Releases
from publisher.watch.index_fetch import IndexPage
from publisher.watch.index_locations import IndexLocation, IndexLocations, IndexUnavailableError, index_locations
from publisher.watch.index_pages import InvalidPageError, read_page
from publisher.watch.package_index import AvailableVersion, SimpleIndex, UnknownPackageError, group
from publisher.watch.policy import choose
from scripts.simaws import VirtualClock
from tests.conftest import THOROUGH
from tests.fakes.package_index import JSON, PackageIndex, running_index, send, use_index
from tests.fakes.wheels import make_wheel, target_of


def versions(package: str = "demo") -> dict[str, AvailableVersion]:
    return {each.name: each for each in SimpleIndex().versions(package)}


# Locations of indexes


def test_indexes_are_those_of_uvs_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_index(monkeypatch, "https://user:secret@one.example/simple", tmp_path)
    monkeypatch.setenv("UV_INDEX", "corp=https://two.example/simple https://three.example/s")
    monkeypatch.setenv("UV_INDEX_CORP_USERNAME", "me")
    monkeypatch.setenv("UV_INDEX_CORP_PASSWORD", "pass")
    monkeypatch.setenv("UV_FIND_LINKS", f"{tmp_path},/")
    found = index_locations()
    assert found.indexes == (
        IndexLocation("https://two.example/simple", credentials=("me", "pass")),
        IndexLocation("https://three.example/s"),
        IndexLocation("https://user:secret@one.example/simple"),
    )
    assert found.links == (IndexLocation(str(tmp_path)), IndexLocation("/"))
    assert not found.merged
    assert [place.shown for place in found.indexes] == ["two.example", "three.example", "one.example"]


def test_indexes_are_those_of_uvs_configuration_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_index(monkeypatch, "", tmp_path)
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("UV_INDEX_OUR_OWN_PASSWORD", "token")
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "uv.toml").write_text(
        'index-strategy = "unsafe-best-match"\n'
        '[[index]]\nname = "our-own"\nurl = "https://own.example/simple"\ndefault = true\n'
        '[[index]]\nname = "not-this"\nurl = "https://not.example/simple"\nexplicit = true\n'
        '[pip]\nextra-index-url = ["https://more.example/simple"]\n'
    )
    found = index_locations()
    assert found.indexes == (
        IndexLocation("https://more.example/simple"),
        IndexLocation("https://own.example/simple", credentials=("", "token")),
    )
    assert found.merged
    monkeypatch.setenv("UV_NO_INDEX", "1")
    assert index_locations().indexes == ()
    (tmp_path / "uv" / "uv.toml").write_text("index-strategy = 3\n")
    with pytest.raises(InputError, match="uv cannot use its settings"):
        index_locations()


def test_the_first_index_with_the_package_is_used(
    index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add("demo-1.0-py3-none-any.whl")
    index.add("other-2.0-py3-none-any.whl")
    with running_index() as first:
        first.add("demo-0.9-py3-none-any.whl")
        monkeypatch.setenv("UV_INDEX", f"{first.address}/simple")
        make_wheel(tmp_path, "demo", "0.8")
        monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
        assert list(versions()) == ["0.8", "0.9"]
        assert list(versions("other")) == ["2.0"]
        monkeypatch.setenv("UV_INDEX_STRATEGY", "unsafe-best-match")
        assert list(versions()) == ["0.8", "0.9", "1.0"]


def test_a_find_links_page_is_read(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    index.add("demo-1.0-py3-none-any.whl")
    links = b'<a href="files/demo-1.1-py3-none-any.whl">x</a> <a href="other-9.0.tar.gz">y</a>'
    index.fault = lambda handler: handler.path == "/links" and send(handler, 200, links, "text/html")
    monkeypatch.setenv("UV_FIND_LINKS", f"{index.address}/links")
    assert list(versions()) == ["1.0", "1.1"]
    index.fault = lambda handler: handler.path == "/links" and send(handler, 500)
    with pytest.raises(IndexUnavailableError, match="cannot be reached"):
        versions()


def test_an_index_in_a_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "with space" / "demo"
    page.mkdir(parents=True)
    (page / "index.html").write_text('<a href="demo-1.0-py3-none-any.whl#sha256=0">demo</a>')
    use_index(monkeypatch, page.parent.as_uri(), tmp_path)
    assert list(versions()) == ["1.0"]
    with pytest.raises(UnknownPackageError, match="no package 'other'"):
        versions("other")


def test_credentials_are_sent_to_the_index_only(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    index.account = "me:p@ss"
    index.add("demo-1.0-py3-none-any.whl")
    with pytest.raises(InputError, match="refuses the request with status 401") as caught:
        versions()
    assert "UV_INDEX_<NAME>_USERNAME" in str(caught.value)
    with_secret = index.address.replace("//", "//me:p%40ss@")
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{with_secret}/simple")
    assert list(versions()) == ["1.0"]
    with running_index() as elsewhere:
        elsewhere.add("demo-1.0-py3-none-any.whl")
        place = f"{elsewhere.address.replace('127.0.0.1', 'localhost')}/simple/demo/"
        index.fault = lambda handler: send(handler, 302, Location=place)
        assert list(versions()) == ["1.0"]
        assert [headers.get("Authorization") for _, headers in elsewhere.asked] == [None]
    index.fault = lambda handler: send(handler, 500)
    with pytest.raises(IndexUnavailableError) as caught:
        versions()
    assert "p%40ss" not in str(caught.value)
    assert "p@ss" not in str(caught.value)


def test_credentials_of_netrc_are_used(index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index.account = "me:secret"
    index.add("demo-1.0-py3-none-any.whl")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert list(versions()) == ["1.0"]


@pytest.mark.parametrize(
    ("index_variable", "proxy_variable"), [("UV_DEFAULT_INDEX", "http_proxy"), ("PIP_INDEX_URL", "PIP_PROXY")]
)
def test_a_proxy_is_used(
    index_variable: str, proxy_variable: str, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.projects["demo"] = []
    index.fault = lambda handler: send(
        handler, 200, b'{"files": [{"filename": "demo-1.0.tar.gz"}]}' if "index.example" in handler.path else b"", JSON
    )
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.setenv(index_variable, "http://index.example/simple")
    monkeypatch.setenv(proxy_variable, index.address)
    assert list(versions()) == ["1.0"]


def self_signed(folder: Path) -> Path:
    """Write a self-signed certificate of 127.0.0.1 with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "index of a test")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form, bare = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = folder / "certificate.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, form, bare))
    return path


def test_an_untrusted_certificate_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path)
    with running_index(certificate) as index:
        use_index(monkeypatch, f"{index.address}/simple", tmp_path)
        index.add("demo-1.0-py3-none-any.whl")
        with pytest.raises(IndexUnavailableError, match="certificate verification failed"):
            versions()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert list(versions()) == ["1.0"]
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{index.address.replace('127.0.0.1', 'localhost')}/simple")
        with pytest.raises(IndexUnavailableError, match="certificate verification failed"):
            versions()


@pytest.mark.parametrize("setting", ["PIP_CERT", "PIP_TRUSTED_HOST", "UV_INSECURE_HOST"])
def test_certificates_that_pip_or_uv_trusts_are_trusted(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    with running_index(certificate) as index:
        use_index(monkeypatch, "", tmp_path)
        monkeypatch.delenv("UV_DEFAULT_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", f"{index.address}/simple")
        monkeypatch.setenv(setting, str(certificate) if setting == "PIP_CERT" else "127.0.0.1")
        index.add("demo-1.0-py3-none-any.whl")
        assert list(versions()) == ["1.0"]


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
    client = SimpleIndex()
    started = time.process_time()
    assert len(client.versions("demo")) == files
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
        (close_early, r"was truncated \(ProtocolError\)"),
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
        SimpleIndex(locations, clock).versions("demo")
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
    assert [each.name for each in SimpleIndex(clock=clock).versions("demo")] == ["1.0"]
    assert len(clock.slept) == 2
    index.asked.clear()
    index.fault = lambda handler: send(handler, 503)
    with pytest.raises(IndexUnavailableError):
        SimpleIndex(IndexLocations((IndexLocation(f"{index.address}/simple"),)), clock).versions("demo")
    assert index.page_requests() == 4


@pytest.mark.index
def test_pypi_is_read() -> None:
    found = versions("strands_agents")
    assert found["1.40.0"].uploaded is not None
    assert found["1.40.0"].targets_without_wheel([target_of("3.10"), target_of("3.13", "aarch64")]) == ()
    assert list(found)[-1] >= "1.62.0"
