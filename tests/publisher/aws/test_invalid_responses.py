"""Invalid responses of S3, Signer, SSM, SNS and STS, such as a proxy's, are one error and never a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from builder.model.clock import SYSTEM_CLOCK
from builder.model.errors import LayersError
from builder.model.matrix import Matrix
from publisher.announce.topic import announce
from publisher.aws.gateway import GatewayError, Zip
from publisher.aws.identity import check_account
from publisher.aws.lease import lease
from publisher.aws.session import new_session
from publisher.aws.signing import Signer
from publisher.aws.staging import StagingBuckets
from publisher.ledger.folder import FolderLedger
from publisher.ledger.s3 import BucketLedger
from publisher.parameters.parameter_client import connect
from scripts.simaws.http_server import environment
from tests.publisher.aws.client_cases import canned
from tests.publisher.reconcile.plan_cases import release, small_matrix

TOPIC = "arn:aws:sns:us-east-1:123456789012:releases"
MATRIX = small_matrix(
    staging={"bucket": "stage-{account}-{region}", "home": "us-east-1"},
    signing={"profile": "demo_profile"},
    announce={"topic": TOPIC},
)
BODIES = {
    "HTML": b"<html><p>sign in here</p></html>",
    "a list": b"[]",
    "fields of another type": b'{"Parameters": [5], "jobId": 5, "status": [], "Account": {}}',
    "JSON that is nested too deeply": b'{"a":' * 20_000,
    "XML with other fields": b"<A><Contents><Size>x</Size><LastModified>x</LastModified></Contents></A>",
    "nothing": b"",
}


def _zip(folder: Path) -> Zip:
    path = folder / "demo.zip"
    path.write_bytes(b"zip")
    return Zip(path, "0" * 64, 3)


def _announce(matrix: Matrix, folder: Path) -> None:
    complete = release(matrix, 1, "1.0", matrix.cells)
    ledger = FolderLedger(folder / "ledger", matrix)
    ledger.update(1, lambda _: complete.model_copy(update={"completed": complete.begun}))
    announce(matrix, ledger, 1)


def _lease(matrix: Matrix) -> None:
    with lease(matrix):
        pass


CALLS: dict[str, Callable[[Path], object]] = {
    "ledger": lambda _: BucketLedger("s3://ledger/demo", MATRIX).releases(),
    "record": lambda _: BucketLedger("s3://ledger/demo", MATRIX).update(1, lambda _: release(MATRIX, 1, "1.0", ())),
    "lease": lambda _: _lease(MATRIX),
    "staging": lambda folder: _stage(folder),
    "signing": lambda folder: Signer(MATRIX, new_session(), SYSTEM_CLOCK).sign(_zip(folder), folder),
    "parameters": lambda _: connect(["us-east-1"])["us-east-1"].read(["/demo"]),
    "announcement": lambda folder: _announce(MATRIX, folder),
    "identity": lambda _: check_account(MATRIX),
}


def _stage(folder: Path) -> None:
    assert MATRIX.staging is not None
    StagingBuckets(MATRIX, MATRIX.staging, new_session()).stage(_zip(folder), "us-east-1")


@pytest.mark.parametrize(("status", "body"), [*((200, body) for body in BODIES), (404, "HTML")])
@pytest.mark.parametrize("call", CALLS)
def test_an_invalid_response_is_an_error_of_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: str, status: int, body: str
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with canned(status, BODIES[body]) as address:
        for key, value in environment(address).items():
            monkeypatch.setenv(key, value)
        with pytest.raises((LayersError, GatewayError)) as raised:
            CALLS[call](tmp_path)
    assert str(raised.value)
