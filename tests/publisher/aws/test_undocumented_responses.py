"""Responses that Lambda does not document: of proxies, truncated, with any value in any field."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Callable
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.aws import responses
from publisher.aws.gateway import (
    GatewayError,
    Grant,
    Unavailable,
    Unreachable,
)
from publisher.aws.lambda_client import BotoLambda
from publisher.ledger.recorder import cell_record
from publisher.ledger.release import CellRecord
from tests.fakes.certificates import self_signed
from tests.fakes.serving import serving
from tests.publisher.aws.client_cases import ACCOUNT, REGION, canned, connect, publication
from tests.publisher.reconcile.plan_cases import small_matrix


def all_calls(lam: BotoLambda, folder: Path) -> list[Callable[[], object]]:
    return [
        lambda: lam.get("demo", 1),
        lambda: lam.grants("demo", 1),
        lambda: lam.latest(["demo"]),
        lambda: lam.versions("demo"),
        lambda: lam.publish(publication(folder)),
    ]


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (200, b"<html>sign in here</html>", {}),
        (200, b"[1, 2]", {}),
        (200, b'"text"', {}),
        (200, b'{"Version": 1}', {"Content-Length": "4000"}),
        (200, b"\xff\xfe\x00", {}),
        (502, b"<html>Bad Gateway</html>", {}),
        (503, b"", {}),
    ],
)
def test_a_response_of_a_proxy_is_unavailable(
    tmp_path: Path, status: int, body: bytes, headers: dict[str, str]
) -> None:
    with canned(status, body, headers) as address:
        lam = connect(address, tmp_path)
        calls = all_calls(lam, tmp_path)
        if b"{" in body or status != 200:
            calls = calls[:1] + calls[4:]
        for call in calls:
            with pytest.raises(Unavailable):
                call()


def listed_versions(*numbers: int, marker: str | None = None) -> bytes:
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:demo"
    created = "2026-11-23T12:00:00.000+0000"
    versions = [{"Version": n, "LayerVersionArn": f"{arn}:{n}", "CreatedDate": created} for n in numbers]
    return json.dumps({"LayerVersions": versions, "NextMarker": marker}).encode()


@pytest.mark.parametrize(
    "page",
    [
        listed_versions(2, 1, marker="more"),
        listed_versions(marker="more"),
        listed_versions(2, 2),
        listed_versions(1, 2),
    ],
    ids=["the same page again", "the same marker again", "a version twice", "another order"],
)
def test_a_list_of_versions_that_repeats_ends_with_an_error(tmp_path: Path, page: bytes) -> None:
    with canned(200, page, {"Content-Type": "application/json"}) as address, pytest.raises(Unavailable):
        connect(address, tmp_path).versions("demo")


def test_a_404_of_a_proxy_does_not_mean_that_a_version_is_missing(tmp_path: Path) -> None:
    """Only Lambda's ResourceNotFoundException says that a version does not exist."""
    with canned(404, b"<html>Not Found</html>") as address:
        lam = connect(address, tmp_path)
        with pytest.raises(GatewayError):
            lam.get("demo", 1)
        with pytest.raises(GatewayError):
            lam.grants("demo", 1)


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
GOOD: dict[str, Any] = {
    "Version": 1,
    "LayerVersionArn": "arn:aws:lambda:us-east-1:123456789012:layer:demo:1",
    "Description": "text",
    "CreatedDate": "2026-11-23T12:00:00.000+0000",
    "CompatibleRuntimes": ["python3.12"],
    "CompatibleArchitectures": ["arm64"],
    "Content": {"CodeSha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "CodeSize": 7, "Location": "http://x"},
}
SOURCE = responses.LayerSource("us-east-1", "demo", "123456789012", 1)


def test_a_valid_response_is_read() -> None:
    held = responses.published_version(SOURCE, GOOD)
    assert (held.sha256, held.size, held.runtimes) == (sha256(b"").hexdigest(), 7, ("python3.12",))


@given(st.dictionaries(st.sampled_from([*GOOD, "CodeSha256", "CodeSize", "Location"]), ANYTHING, max_size=3))
def test_any_field_value_is_read_or_unavailable(changes: dict[str, Any]) -> None:
    content = {key: value for key, value in changes.items() if key in GOOD["Content"]}
    data = {**GOOD, "Content": {**GOOD["Content"], **content}, **{k: v for k, v in changes.items() if k in GOOD}}
    try:
        held = responses.published_version(SOURCE, data)
    except Unavailable:
        return
    assert isinstance(held.description, str)
    assert isinstance(held.location, str)
    assert held.size >= 0
    CellRecord.model_validate_json(cell_record(small_matrix().cells[0], held, public=False).model_dump_json())
    assert all(isinstance(runtime, str) for runtime in (*held.runtimes, *held.architectures))


@given(ANYTHING, st.sampled_from(["Action", "Principal", "Effect", "Sid", "Condition"]))
def test_any_policy_is_read_or_unavailable(value: Any, key: str) -> None:
    statement = {"Sid": "s", "Effect": "Allow", "Action": "lambda:GetLayerVersion", "Principal": "*", key: value}
    for policy in (value, {"Statement": value}, {"Statement": [statement]}):
        try:
            found = responses.grants({"Policy": json.dumps(policy)})
        except Unavailable:
            continue
        assert all(isinstance(grant.principal, str) for grant in found)


@pytest.mark.parametrize(
    "action", ["lambda:GetLayerVersion", "lambda:*", "*", "lambda:Get*", ["lambda:getLayerVersion"]]
)
def test_every_action_that_allows_reading_is_a_grant(action: Any) -> None:
    statement = {"Sid": "s", "Effect": "Allow", "Action": action, "Principal": {"AWS": "*"}}
    assert responses.grants({"Policy": json.dumps({"Statement": [statement]})}) == (Grant("s", "*"),)


@pytest.mark.parametrize(
    "change",
    [{"Effect": "Deny"}, {"Action": "lambda:Other"}, {"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}],
)
def test_a_statement_that_does_not_allow_reading_is_not_a_grant(change: dict[str, Any]) -> None:
    statement = {"Sid": "s", "Effect": "Allow", "Action": "lambda:GetLayerVersion", "Principal": "*", **change}
    assert responses.grants({"Policy": json.dumps({"Statement": [statement]})}) == ()


def test_a_publish_whose_response_breaks_the_tls_connection_may_have_acted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            os.write(self.connection.fileno(), b"no record of TLS" * 20)

        def log_message(self, *_: object) -> None: ...

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate := self_signed(tmp_path))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server) as address, pytest.raises(Unavailable, match="SSLError") as raised:
        connect(address.replace("http:", "https:"), tmp_path).publish(publication(tmp_path))
    assert (len(received), isinstance(raised.value, Unreachable)) == (1, False)
