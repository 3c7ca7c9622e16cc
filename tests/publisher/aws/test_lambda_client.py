"""The boto3 client over HTTP against the simulated AWS and moto: requests, responses and failures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from publisher.aws import responses
from publisher.aws.gateway import (
    CredentialsRefused,
    GatewayError,
    Grant,
    ListedVersion,
    Publication,
    Refused,
    StatementExists,
    Throttled,
    Unavailable,
    Unreachable,
    Zip,
)
from publisher.aws.lambda_client import CONFIG, BotoLambda
from publisher.aws.publish_request import Bodies
from publisher.aws.rate_limit import TokenBucket
from publisher.aws.session import new_session
from publisher.ledger.recorder import cell_record
from publisher.ledger.release import CellRecord
from scripts.simaws import At, Fault, Faults, SimulatedAws
from scripts.simaws.server import KEY, SECRET, serve
from tests.conftest import Sandbox
from tests.fakes.serving import serving
from tests.fakes.simulated_runs import make_zip
from tests.publisher.reconcile.plan_cases import small_matrix

REGION = "us-east-1"
ACCOUNT = "856699698935"
#: For a server that never responds. Any other one may take long on a loaded machine.
IMPATIENT = CONFIG.merge(Config(read_timeout=1))


def connect(address: str, folder: Path, region: str = REGION, config: Config = CONFIG) -> BotoLambda:
    session = new_session(KEY, SECRET)
    client = session.client("lambda", region_name=region, endpoint_url=address, config=config)
    return BotoLambda(region, client, TokenBucket(15), Bodies(folder))


def publication(folder: Path, text: str = "it", name: str = "demo-py3_12-x86_64", **changes: Any) -> Publication:
    data = make_zip(text)
    path = folder / f"{sha256(data).hexdigest()}.zip"
    path.write_bytes(data)
    made = Publication(
        layer_name=name,
        description='Käse “und” \\ "quotes"\n',
        license="Apache-2.0",
        runtimes=("python3.12",),
        architectures=("x86_64",),
        zip=Zip(path, sha256(data).hexdigest(), len(data)),
    )
    return replace(made, **changes)


@pytest.fixture
def aws() -> SimulatedAws:
    return SimulatedAws(ACCOUNT, [REGION], quota=1000)


@pytest.fixture
def address(aws: SimulatedAws) -> Iterator[str]:
    with serve(aws) as address:
        yield address


@pytest.fixture
def lam(address: str, tmp_path: Path) -> BotoLambda:
    return connect(address, tmp_path)


# -- requests and responses --------------------------------------------------------------------------------------------


def test_publish_sends_every_field(aws: SimulatedAws, lam: BotoLambda, tmp_path: Path) -> None:
    wanted = publication(tmp_path)
    held = lam.publish(wanted)
    there = aws.versions(REGION, wanted.layer_name)[1]
    assert (there.description, there.license) == (wanted.description, wanted.license)
    assert (there.runtimes, there.architectures) == (wanted.runtimes, wanted.architectures)
    assert (there.sha256, there.size) == (wanted.zip.sha256, wanted.zip.size)
    assert (held.number, held.arn, held.sha256, held.size) == (1, there.arn, there.sha256, there.size)
    assert held.created == "2026-11-23T12:00:00.000+0000"


def test_versions_policies_and_contents_are_read_back(lam: BotoLambda, tmp_path: Path) -> None:
    wanted = publication(tmp_path)
    name = wanted.layer_name
    lam.publish(wanted)
    held = lam.get(name, 1)
    assert held is not None
    assert held.sha256 == wanted.zip.sha256
    assert lam.get(name, 2) is None
    assert lam.get("other", 1) is None
    assert lam.grants(name, 1) == ()
    grants = (Grant("public", "*"), Grant("one", "123456789012"), Grant("organization", "*", "o-abcdefghij"))
    for grant in grants:
        lam.grant(name, 1, grant)
    assert lam.grants(name, 1) == grants
    with pytest.raises(StatementExists):
        lam.grant(name, 1, grants[0])
    lam.revoke(name, 1, "public")
    lam.revoke(name, 1, "public")
    assert lam.grants(name, 1) == grants[1:]
    lam.download(held, tmp_path / "copy.zip")
    assert sha256((tmp_path / "copy.zip").read_bytes()).hexdigest() == wanted.zip.sha256
    assert not list(tmp_path.glob(".download*"))


def test_versions_policies_and_contents_are_read_back_from_moto(sandbox: Sandbox, tmp_path: Path) -> None:
    lam, wanted = connect(sandbox.address, tmp_path), publication(tmp_path)
    name = wanted.layer_name
    held = lam.publish(wanted)
    assert (held.number, held.sha256, held.description) == (1, wanted.zip.sha256, wanted.description)
    assert lam.get(name, 1) is not None
    assert lam.get(name, 2) is None
    assert lam.get("other", 1) is None
    assert lam.grants(name, 1) == ()
    lam.grant(name, 1, Grant("public", "*"))
    assert lam.grants(name, 1) == (Grant("public", "*"),)
    assert {n: v.number for n, v in lam.latest([name, "other"]).items()} == {name: 1}
    there = lam.get(name, 1)
    assert there is not None
    lam.download(there, tmp_path / "copy.zip")


def numbers(versions: tuple[ListedVersion, ...]) -> list[int]:
    return [version.number for version in versions]


def test_history_reads_no_more_pages_than_needed(aws: SimulatedAws, lam: BotoLambda) -> None:
    content = aws.contents.add(make_zip("x"))
    for _ in range(120):
        aws.regions[REGION].publish("demo", content)
    assert numbers(lam.versions("demo")) == list(range(120, 0, -1))
    assert aws.counts()["ListLayerVersions"] == 3
    assert numbers(lam.versions("demo", above=117)) == [120, 119, 118]
    assert aws.counts()["ListLayerVersions"] == 4
    assert lam.versions("other") == ()


def test_the_latest_versions_need_few_requests_in_an_account_with_many_layers(
    aws: SimulatedAws, lam: BotoLambda
) -> None:
    content = aws.contents.add(make_zip("x"))
    mine = [f"zz-py3_{minor}" for minor in range(10, 14)]
    for name in mine:
        aws.regions[REGION].publish(name, content)
    assert set(lam.latest(mine)) == set(mine)
    assert len(aws.log) == 1
    assert set(lam.latest([*mine, "zz-py3"])) == set(mine)
    assert len(aws.log) == 2
    for index in range(400):
        aws.regions[REGION].publish(f"another-{index}", content)
    before = len(aws.log)
    assert set(lam.latest(mine)) == set(mine)
    assert len(aws.log) - before <= 6


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.THROTTLE, Throttled),
        (Fault.ERROR_BEFORE, Unavailable),
        (Fault.ERROR_AFTER, Unavailable),
        (Fault.RESET_BEFORE, Unavailable),
        (Fault.RESET_AFTER, Unavailable),
        (Fault.SILENCE_AFTER, Unavailable),
        (Fault.GARBAGE, Unavailable),
        (Fault.EXPIRED, CredentialsRefused),
    ],
)
def test_each_failure_has_its_class_and_is_not_retried_by_boto3(
    aws: SimulatedAws, address: str, tmp_path: Path, fault: Fault, kind: type[GatewayError]
) -> None:
    wanted = publication(tmp_path)
    lam = connect(address, tmp_path, config=IMPATIENT if fault is Fault.SILENCE_AFTER else CONFIG)
    aws.set_faults(Faults((At(fault),)))
    with pytest.raises(GatewayError) as error:
        lam.publish(wanted)
    assert type(error.value) is kind
    assert len(aws.log) == 1
    assert len(aws.versions(REGION, wanted.layer_name)) == int(fault.acts)
    assert "Traceback" not in error.value.message
    if fault in (Fault.THROTTLE, Fault.ERROR_BEFORE, Fault.EXPIRED):
        assert error.value.request_id


def test_a_refused_connection_and_an_unknown_host_are_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        connect("http://127.0.0.1:9", tmp_path).latest(["demo"])
    with pytest.raises(Unreachable):
        connect("http://no.such.host.invalid", tmp_path).latest(["demo"])


def test_a_request_that_lambda_refuses_has_its_error_code(lam: BotoLambda, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="ValidationException"):
        lam.publish(publication(tmp_path, runtimes=("python9.9",)))
    with pytest.raises(Refused, match="ResourceNotFoundException"):
        lam.grant("demo", 1, Grant("public", "*"))


def test_wrong_credentials_are_refused(aws: SimulatedAws, tmp_path: Path) -> None:
    with serve(aws, credentials={}) as address:
        session = new_session(KEY, "wrong")
        client = session.client("lambda", region_name=REGION, endpoint_url=address, config=CONFIG)
        with pytest.raises(CredentialsRefused):
            BotoLambda(REGION, client, TokenBucket(15), Bodies(tmp_path)).latest(["demo"])


def test_a_failed_download_leaves_no_file(lam: BotoLambda, tmp_path: Path) -> None:
    wanted = publication(tmp_path)
    lam.publish(wanted)
    held = lam.get(wanted.layer_name, 1)
    assert held is not None
    with pytest.raises(Unavailable, match="has sha256"):
        lam.download(replace(held, sha256="0" * 64), tmp_path / "copy.zip")
    with pytest.raises(Refused):
        lam.download(replace(held, location=held.location.partition("?")[0]), tmp_path / "copy.zip")
    with pytest.raises(Refused):
        lam.download(replace(held, location=""), tmp_path / "copy.zip")
    assert not (tmp_path / "copy.zip").exists()
    assert not list(tmp_path.glob(".download*"))


# -- undocumented responses --------------------------------------------------------------------------------------------


@contextmanager
def canned(status: int, body: bytes, headers: dict[str, str] | None = None) -> Iterator[str]:
    """Serve the same response to every request."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PUT = do_HEAD = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as address:
        yield address


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
