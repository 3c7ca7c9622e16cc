"""Objects in S3: staged zips, the lease of a run, and a ledger that several runners share."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from builder.model.errors import IncompleteError, InputError
from builder.model.matrix import Matrix
from publisher.aws.lease import lease
from publisher.ledger.release import Release
from publisher.ledger.s3 import BucketLedger
from tests.conftest import Sandbox
from tests.fakes.command import SMALL, Layers
from tests.publisher.reconcile.plan_cases import release

STAGED: dict[str, Any] = {**SMALL, "staging": {"bucket": "stage-{account}-{region}", "home": "eu-west-1"}}


@pytest.fixture
def staged(sandbox: Sandbox, tmp_path: Path) -> Layers:
    layers = Layers(tmp_path, dict(STAGED))
    for region in layers.matrix.regions:
        make_bucket(sandbox, region, f"stage-{sandbox.account}-{region}")
    return layers


def make_bucket(sandbox: Sandbox, region: str, name: str) -> None:
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    sandbox.client("s3", region).create_bucket(Bucket=name, **where)


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
        assert "another run is publishing" in refused.err
    assert staged.publish("1.0").code == 0


def test_an_expired_lease_is_taken_over(sandbox: Sandbox, staged: Layers) -> None:
    past = datetime.now(timezone.utc) - timedelta(minutes=1)
    sandbox.client("s3", "eu-west-1").put_object(
        Bucket=f"stage-{sandbox.account}-eu-west-1",
        Key="leases/demo.json",
        Body=json.dumps({"owner": "a run that died", "until": past.isoformat()}).encode(),
    )
    with lease(staged.matrix):
        pass


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
        pass


@pytest.mark.parametrize("until", ["9999-12-31T23:59:59", "9999-12-31T23:59:59-14:00"])
def test_a_lease_with_a_date_too_far_ahead_is_taken_over(sandbox: Sandbox, staged: Layers, until: str) -> None:
    write_lease(sandbox, {"owner": "a run", "until": until})
    with pytest.raises(IncompleteError, match="another run is publishing"), lease(staged.matrix):
        pass
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("publisher.aws.lease.LEASE_SECONDS", -10.0)  # as if the run had ended long ago
        with lease(staged.matrix, holds=600.0):
            pass


def write_lease(sandbox: Sandbox, body: object) -> None:
    sandbox.client("s3", "eu-west-1").put_object(
        Bucket=f"stage-{sandbox.account}-eu-west-1", Key="leases/demo.json", Body=json.dumps(body).encode()
    )


def test_a_lease_is_renewed_while_it_is_held(staged: Layers) -> None:
    with lease(staged.matrix, holds=2.0, renewed=0.1):
        threading.Event().wait(3.0)
        with pytest.raises(IncompleteError), lease(staged.matrix):
            pass


def test_without_staging_there_is_no_lease() -> None:
    with lease(Matrix.model_validate(SMALL)):
        pass


def test_a_lease_needs_its_bucket(sandbox: Sandbox) -> None:
    with pytest.raises(InputError, match="lease cannot be taken"), lease(Matrix.model_validate(STAGED)):
        pass


@pytest.fixture
def shared(sandbox: Sandbox, tmp_path: Path) -> Layers:
    make_bucket(sandbox, "us-east-1", "ledgers")
    return Layers(tmp_path, ledger="s3://ledgers/demo")


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


def test_a_missing_ledger_bucket_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    ended = Layers(tmp_path, ledger="s3://nowhere/demo").publish("1.0")
    assert ended.code == 3
    assert "s3://nowhere/demo" in ended.err


def test_a_damaged_record_in_s3_is_named(sandbox: Sandbox, shared: Layers) -> None:
    sandbox.client("s3", "us-east-1").put_object(Bucket="ledgers", Key="demo/0001.json", Body=b"{")
    ended = shared("describe", "--region", "us-east-1")
    assert ended.code == 3
    assert "s3://ledgers/demo/0001.json" in ended.err
