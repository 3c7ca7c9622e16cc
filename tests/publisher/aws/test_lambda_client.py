"""The boto3 client over HTTP against the simulated AWS and moto: requests, responses and failures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from publisher.aws.gateway import (
    CredentialsRefused,
    GatewayError,
    Grant,
    ListedVersion,
    Refused,
    StatementExists,
    Throttled,
    Unavailable,
    Unreachable,
)
from publisher.aws.lambda_client import CONFIG, BotoLambda
from publisher.aws.publish_request import Bodies
from publisher.aws.rate_limit import TokenBucket
from publisher.aws.session import new_session
from scripts.simaws import At, Fault, Faults, SimulatedAws
from scripts.simaws.http_server import KEY, serve
from tests.conftest import Sandbox
from tests.fakes.simulated_runs import make_zip
from tests.publisher.aws.client_cases import ACCOUNT, IMPATIENT, REGION, connect, publication


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
