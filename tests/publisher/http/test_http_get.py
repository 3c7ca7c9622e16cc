"""Documents over HTTP: credentials, proxies and certificates as the builder's uv has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.model.errors import FailureClass, InputError
from publisher.catalog.download import download
from tests.fakes.certificates import self_signed
from tests.fakes.package_index import PackageIndex, running_index, send


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    with running_index() as running:
        yield running


def test_credentials_of_an_address_are_sent_and_not_shown(index: PackageIndex) -> None:
    index.fault = lambda handler: send(handler, 500)
    address = index.address.replace("//", "//me:p%40ss@")
    with pytest.raises(InputError, match="HTTP status 500") as caught:
        download(f"{address}/layers.json", "the index")
    assert "ss@" not in str(caught.value)
    assert index.asked[-1][1]["authorization"].startswith("Basic ")


def test_a_certificate_that_uv_trusts_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path)
    with running_index(certificate) as server:
        server.fault = lambda handler: send(handler, 200, b"{}")
        with pytest.raises(InputError, match="certificate verification failed") as caught:
            download(server.address, "the index")
        assert caught.value.failure_class is FailureClass.TEMPORARY
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert download(server.address, "the index") == b"{}"


def test_a_proxy_of_pips_settings_is_used(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    index.fault = lambda handler: send(handler, 200, handler.path.encode())
    monkeypatch.setenv("PIP_PROXY", index.address)
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.example/simple")
    assert download("http://layers.example/layers.json", "the index") == b"http://layers.example/layers.json"
