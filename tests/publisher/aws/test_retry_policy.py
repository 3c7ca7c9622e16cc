"""Retries: calls that may be repeated are, a publish only if AWS certainly did nothing."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from publisher.aws.gateway import (
    CredentialsRefused,
    Grant,
    Publication,
    StatementExists,
    Throttled,
    Unavailable,
    Unreachable,
    Zip,
)
from publisher.aws.rate_limit import TokenBucket
from publisher.aws.retry_policy import MAX_ATTEMPTS, MAX_THROTTLED_SECONDS, RetryingLambda
from scripts.simaws import At, Fault, Faults, SimLambda, SimulatedAws
from tests.fakes.simulated_runs import make_zip

REGION = "us-east-1"
GRANT = Grant("public", "*")


@pytest.fixture
def aws() -> SimulatedAws:
    return SimulatedAws("123456789012", [REGION])


@pytest.fixture
def patient(aws: SimulatedAws) -> RetryingLambda:
    return RetryingLambda(SimLambda(aws, REGION, TokenBucket(10, aws.clock)), aws.clock)


@pytest.fixture
def wanted(tmp_path: Path) -> Publication:
    data = make_zip("x")
    (tmp_path / "a.zip").write_bytes(data)
    zip_ = Zip(tmp_path / "a.zip", sha256(data).hexdigest(), len(data))
    return Publication("demo", "", "MIT", ("python3.12",), ("arm64",), zip_)


def sent(aws: SimulatedAws) -> int:
    return aws.counts()["PublishLayerVersion"]


@pytest.mark.parametrize("fault", [Fault.THROTTLE, Fault.NO_CONNECTION])
def test_a_publish_that_certainly_did_nothing_is_retried(
    aws: SimulatedAws, patient: RetryingLambda, wanted: Publication, fault: Fault
) -> None:
    aws.set_faults(Faults((At(fault, times=3),)))
    assert patient.publish(wanted).number == 1
    assert sent(aws) == 4


@pytest.mark.parametrize("fault", [f for f in Fault if f not in (Fault.THROTTLE, Fault.NO_CONNECTION)])
def test_a_publish_that_may_have_acted_is_sent_once(
    aws: SimulatedAws, patient: RetryingLambda, wanted: Publication, fault: Fault
) -> None:
    aws.set_faults(Faults((At(fault),)))
    with pytest.raises(CredentialsRefused if fault is Fault.EXPIRED else Unavailable):
        patient.publish(wanted)
    assert sent(aws) == 1


@pytest.mark.parametrize("fault", [f for f in Fault if f is not Fault.EXPIRED])
def test_reads_and_grants_are_retried(
    aws: SimulatedAws, patient: RetryingLambda, wanted: Publication, fault: Fault
) -> None:
    patient.publish(wanted)
    for operation in ("GetLayerVersion", "GetLayerVersionPolicy", "ListLayers", "AddLayerVersionPermission"):
        aws.set_faults(Faults((At(fault, operation=operation, times=2),)))
        match operation:
            case "GetLayerVersion":
                assert patient.get("demo", 1) is not None
            case "GetLayerVersionPolicy":
                assert patient.grants("demo", 1) == ()
            case "ListLayers":
                assert patient.latest(["demo"])["demo"].number == 1
            case _:
                patient.grant("demo", 1, GRANT)
    assert patient.grants("demo", 1) == (GRANT,)


def test_an_existing_grant_is_an_error(aws: SimulatedAws, patient: RetryingLambda, wanted: Publication) -> None:
    patient.publish(wanted)
    patient.grant("demo", 1, GRANT)
    with pytest.raises(StatementExists):
        patient.grant("demo", 1, GRANT)


def test_retries_of_an_unreachable_region_end(aws: SimulatedAws, patient: RetryingLambda) -> None:
    aws.set_faults(Faults((At(Fault.NO_CONNECTION, times=None),)))
    with pytest.raises(Unreachable):
        patient.latest(["demo"])
    assert len(aws.log) == MAX_ATTEMPTS
    assert aws.clock.monotonic() < 60


def test_throttling_is_retried_with_a_limit(aws: SimulatedAws, patient: RetryingLambda) -> None:
    aws.set_faults(Faults((At(Fault.THROTTLE, times=20),)))
    assert patient.latest(["demo"]) == {}
    aws.set_faults(Faults((At(Fault.THROTTLE, times=None),)))
    began = aws.clock.monotonic()
    with pytest.raises(Throttled):
        patient.latest(["demo"])
    assert MAX_THROTTLED_SECONDS <= aws.clock.monotonic() - began < MAX_THROTTLED_SECONDS + 20


def test_expired_credentials_are_not_retried(aws: SimulatedAws, patient: RetryingLambda) -> None:
    aws.set_faults(Faults((At(Fault.EXPIRED, times=None),)))
    with pytest.raises(CredentialsRefused):
        patient.latest(["demo"])
    assert len(aws.log) == 1
