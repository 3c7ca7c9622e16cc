"""Fixtures of the tests of the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Sandbox
from tests.fakes.command import Layers


def make_bucket(sandbox: Sandbox, region: str, name: str) -> None:
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    sandbox.client("s3", region).create_bucket(Bucket=name, **where)


@pytest.fixture
def shared(sandbox: Sandbox, tmp_path: Path) -> Layers:
    """Return ``layers`` with a ledger in S3."""
    make_bucket(sandbox, "us-east-1", "ledgers")
    return Layers(tmp_path, ledger="s3://ledgers/demo")
