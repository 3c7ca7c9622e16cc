"""Objects in S3: staged zips, the lease of a run, and a ledger that several runners share."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import EndpointConnectionError

from builder.model.errors import IncompleteError, InputError
from builder.model.file_access import MAX_FACTS_BYTES
from builder.model.matrix import Matrix
from builder.model.stop import Stop
from publisher.aws.lease import lease
from publisher.ledger.release import Release
from publisher.ledger.s3 import BucketLedger
from tests.conftest import Sandbox
from tests.fakes.aws_front import AwsRequest, Refusal, front
from tests.fakes.command import SMALL, Layers
from tests.publisher.ledger.conftest import make_bucket
from tests.publisher.reconcile.plan_cases import release

STAGED: dict[str, Any] = {**SMALL, "staging": {"bucket": "stage-{account}-{region}", "home": "eu-west-1"}}


@pytest.fixture
def staged(sandbox: Sandbox, tmp_path: Path) -> Layers:
    layers = Layers(tmp_path, dict(STAGED))
    for region in layers.matrix.regions:
        make_bucket(sandbox, region, f"stage-{sandbox.account}-{region}")
    return layers


def test_each_zip_is_uploaded_once_per_region_and_lambda_gets_the_same_bytes(sandbox: Sandbox, staged: Layers) -> None:
    published = staged.publish("1.0", "--json")
    assert published.code == 0
    folder = Path(staged.artifacts("1.0"))
    for target in staged.matrix.targets:
        digest = hashlib.sha256((folder / f"{target.layer_name}.zip").read_bytes()).hexdigest()
        assert {c["sha256"] for c in published.json["cells"] if c["layer_name"] == target.layer_name} == {digest}
        for region in staged.matrix.regions:
            bucket = f"stage-{sandbox.account}-{region}"
            stored = sandbox.client("s3", region).get_object(Bucket=bucket, Key=f"layers/{digest}.zip")
            assert hashlib.sha256(stored["Body"].read()).hexdigest() == digest
    assert staged("audit").code == 0


def test_a_missing_bucket_is_named_and_nothing_is_published(sandbox: Sandbox, staged: Layers) -> None:
    bucket = f"stage-{sandbox.account}-us-east-1"
    sandbox.client("s3", "us-east-1").delete_bucket(Bucket=bucket)
    ended = staged.publish("1.0", "--json")
    assert ended.code == 5
    outcomes = {(cell["region"], cell["outcome"]) for cell in ended.json["cells"]}
    assert outcomes == {("eu-west-1", "published"), ("us-east-1", "failed")}
    assert all(bucket in cell["error"] for cell in ended.json["cells"] if cell["region"] == "us-east-1")
    assert sandbox.layers("us-east-1").list_layers()["Layers"] == []


def test_a_held_lease_stops_a_second_publisher(staged: Layers) -> None:
    with lease(staged.matrix):
        refused = staged.publish("1.0")
        assert refused.code == 5
        assert "another command is changing these layers" in refused.err
    assert staged.publish("1.0").code == 0


@pytest.mark.parametrize("arguments", [("sync",), ("audit", "--repair", "--yes")])
def test_every_command_that_writes_takes_the_lock(sandbox: Sandbox, staged: Layers, arguments: tuple[str, ...]) -> None:
    staged.keys["parameters"] = {"prefix": "/demo"}
    assert staged.publish("1.0").code == 0
    sandbox.client("ssm").delete_parameter(Name="/demo/3.12/x86_64/1")
    with lease(staged.matrix):
        refused = staged(*arguments)
        assert (refused.code, "another command is changing these layers" in refused.err) == (5, True)
    assert staged(*arguments).code == 0


def test_a_yank_waits_for_the_lock(staged: Layers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publisher.aws.lease.POLL_SECONDS", 0.1)
    assert staged.publish("1.0").code == 0
    publishing, ended = threading.Event(), threading.Event()

    def publish() -> None:
        with lease(staged.matrix):
            publishing.set()
            ended.wait(1.5)

    other = threading.Thread(target=publish)
    other.start()
    assert publishing.wait(30)
    yanked = staged("yank", "--layer-version", "1", "--reason", "broken", "--yes")
    assert (yanked.code, other.is_alive()) == (0, False)


@pytest.mark.parametrize("allowed", [True, False])
def test_an_upload_that_is_not_allowed_is_a_permanent_failure(
    sandbox: Sandbox, staged: Layers, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    def refuse(request: AwsRequest) -> Refusal | None:
        denied = request.service == "s3" and request.method == "PUT" and "/layers/" in request.path and not allowed
        return Refusal(403, "AccessDenied", "not authorized to perform: s3:PutObject") if denied else None

    with front(sandbox.address, refuse) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        ended = staged.publish("1.0", "--json")
    assert ended.code == (0 if allowed else 5)
    assert allowed or {cell["failure"] for cell in ended.json["cells"]} == {"permanent"}
    assert allowed or "AccessDenied" in ended.json["cells"][0]["error"]


@pytest.mark.parametrize(("code", "exit_code"), [("SlowDown", 5), ("AccessDenied", 3)])
def test_a_ledger_in_s3_that_fails_for_a_while_is_no_permanent_failure(
    sandbox: Sandbox, shared: Layers, monkeypatch: pytest.MonkeyPatch, code: str, exit_code: int
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    status = 503 if code == "SlowDown" else 403
    with front(sandbox.address, lambda r: Refusal(status, code, "no") if r.service == "s3" else None) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        ended = shared("describe", "--region", "us-east-1")
    assert (ended.code, code in ended.err, "run the same command again" in ended.err) == (
        exit_code, True, exit_code == 5,
    )  # fmt: skip


@pytest.mark.parametrize(("status", "code", "exit_code"), [(503, "SlowDown", 5), (403, "AccessDenied", 3)])
def test_a_lease_that_cannot_be_taken_now_is_no_permanent_failure(
    sandbox: Sandbox, staged: Layers, monkeypatch: pytest.MonkeyPatch, status: int, code: str, exit_code: int
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    refusal = Refusal(status, code, "no")
    with front(sandbox.address, lambda r: refusal if "/leases/" in r.path else None) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        ended = staged.publish("1.0")
    assert (ended.code, code in ended.err) == (exit_code, True)
    assert ("run the same command again" in ended.err) is (exit_code == 5)


def test_a_lease_that_cannot_be_renewed_stops_the_command(staged: Layers) -> None:
    stop = Stop()
    with lease(staged.matrix, stop, duration_seconds=0.3, renewal_seconds=0.1), pytest.MonkeyPatch.context() as patch:
        patch.setattr("publisher.aws.lease._Lease._read", Mock(side_effect=EndpointConnectionError(endpoint_url="s3")))
        assert stop.wait(30)
    assert "the lease has expired" in str(stop.reason)


def test_an_expired_lease_is_taken_over(sandbox: Sandbox, staged: Layers) -> None:
    past = datetime.now(timezone.utc) - timedelta(minutes=1)
    write_lease(sandbox, {"owner": "a run that died", "until": past.isoformat()})
    with lease(staged.matrix):
        assert owner_of_lease(sandbox) not in (None, "a run that died")


@pytest.mark.parametrize(
    "body",
    [
        {"owner": "a run", "until": "2020-01-01T00:00:00"},
        {"owner": "a run", "until": "0001-01-01T00:00:00"},
        {"owner": "a run", "until": 5},
        {"owner": "a run"},
        [],
        "x" * 10_000,
    ],
)
def test_a_lease_with_an_invalid_date_is_taken_over(sandbox: Sandbox, staged: Layers, body: object) -> None:
    write_lease(sandbox, body)
    with lease(staged.matrix):
        assert owner_of_lease(sandbox) != "a run"


@pytest.mark.parametrize("until", ["9999-12-31T23:59:59", "9999-12-31T23:59:59-14:00"])
def test_a_lease_with_a_date_too_far_ahead_is_taken_over(sandbox: Sandbox, staged: Layers, until: str) -> None:
    write_lease(sandbox, {"owner": "a run", "until": until})
    with pytest.raises(IncompleteError, match="another command is changing these layers"), lease(staged.matrix):
        pass
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("publisher.aws.lease.LEASE_SECONDS", -10.0)  # as if the run had ended long ago
        with lease(staged.matrix, duration_seconds=600.0):
            pass


def owner_of_lease(sandbox: Sandbox) -> Any:
    held = sandbox.client("s3", "eu-west-1").get_object(
        Bucket=f"stage-{sandbox.account}-eu-west-1", Key="leases/demo.json"
    )
    return json.loads(held["Body"].read())["owner"]


def write_lease(sandbox: Sandbox, body: object) -> None:
    sandbox.client("s3", "eu-west-1").put_object(
        Bucket=f"stage-{sandbox.account}-eu-west-1", Key="leases/demo.json", Body=json.dumps(body).encode()
    )


def test_a_lease_is_renewed_while_it_is_held(staged: Layers) -> None:
    with lease(staged.matrix, duration_seconds=2.0, renewal_seconds=0.1):
        threading.Event().wait(3.0)
        with pytest.raises(IncompleteError), lease(staged.matrix):
            pass


def test_without_staging_there_is_no_lease() -> None:
    with lease(Matrix.model_validate(SMALL)):
        pass


def test_a_lease_needs_its_bucket(sandbox: Sandbox) -> None:
    with pytest.raises(InputError, match="lease cannot be taken"), lease(Matrix.model_validate(STAGED)):
        pass


def test_separate_runners_share_the_ledger_in_s3(shared: Layers, tmp_path: Path) -> None:
    assert shared.publish("1.0").code == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = Layers(elsewhere, ledger="s3://ledgers/demo")
    assert other("audit").code == 0
    assert {row["version"] for row in other("describe", "--region", "all", "--json").json} == {"1.0"}
    assert other.publish("2.0", "--json").json["layer_version"] == 2
    assert len(BucketLedger(shared.ledger, shared.matrix).releases()) == 2


def test_concurrent_writers_to_s3_lose_no_cell(shared: Layers) -> None:
    matrix = shared.matrix
    empty = release(matrix, 1, "1.0", ())
    whole = release(matrix, 1, "1.0", matrix.cells)

    def write(part: int) -> None:
        ledger = BucketLedger(shared.ledger, matrix)
        for record in whole.cells[part::2]:

            def add(before: Release | None, record: Any = record) -> Release:
                return (before or empty).with_cells(record)

            ledger.update(1, add)

    threads = [threading.Thread(target=write, args=(part,)) for part in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(BucketLedger(shared.ledger, matrix).releases()[0].cells) == set(whole.cells)


def test_buckets_with_object_lock_are_written_if_boto3_sends_no_checksums_of_its_own(
    sandbox: Sandbox, shared: Layers, staged: Layers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(request: AwsRequest) -> Refusal | None:
        copies = any(name.lower() == "x-amz-copy-source" for name in request.headers)
        if (request.service, request.method) != ("s3", "PUT") or copies:
            return None
        if any(name.lower().startswith("x-amz-checksum-") for name in request.headers):
            return None
        return Refusal(400, "InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required")

    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    with front(sandbox.address, refuse) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        ended = Layers(staged.folder, STAGED, ledger=shared.ledger).publish("1.0")
    assert ended.code == 0, ended.err


def test_a_missing_ledger_bucket_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    ended = Layers(tmp_path, ledger="s3://nowhere/demo").publish("1.0")
    assert ended.code == 3
    assert "s3://nowhere/demo" in ended.err


@pytest.mark.parametrize(("body", "problem"), [(b"{", "damaged"), (b" " * (MAX_FACTS_BYTES + 1), "larger than 4 MB")])
def test_a_damaged_or_too_large_record_in_s3_is_named(
    sandbox: Sandbox, shared: Layers, body: bytes, problem: str
) -> None:
    sandbox.client("s3", "us-east-1").put_object(Bucket="ledgers", Key="demo/0001.json", Body=body)
    ended = shared("describe", "--region", "us-east-1")
    assert ended.code == 3
    assert "s3://ledgers/demo/0001.json" in ended.err
    assert problem in ended.err
