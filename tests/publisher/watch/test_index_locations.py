"""Where packages come from: uv's and pip's settings, folders, credentials, proxies and certificates."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.model.errors import InputError
from publisher.watch.index_locations import IndexLocation, IndexUnavailableError, index_locations
from publisher.watch.package_index import UnknownPackageError
from tests.fakes.certificates import self_signed
from tests.fakes.package_index import JSON, PackageIndex, running_index, send, use_index, versions
from tests.fakes.wheels import make_wheel


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
