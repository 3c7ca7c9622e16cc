"""``layers promote`` from a staging account into another account and partition: two embedded AWS, two profiles."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import yaml

from publisher.aws.resource_names import canary_role
from publisher.sandbox.account import make_roles
from tests.conftest import ACCOUNT, Sandbox
from tests.fakes.aws_front import AwsRequest, front
from tests.fakes.command import PROGRAM, SMALL, Ended, Layers
from tests.fakes.functions import HERE, PYTHON, publish_real, runs_functions

SOURCE_ACCOUNT = "111122223333"


@pytest.fixture(scope="module")
def source_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the staging account's AWS, a process of its own: moto has one account in a process."""
    matrix = tmp_path_factory.mktemp("source") / "matrix.yaml"
    matrix.write_text(yaml.safe_dump({**SMALL, "account": SOURCE_ACCOUNT}))
    command = [*PROGRAM, "--matrix", str(matrix), "sandbox"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = iter(process.stdout)
        yield next(line.partition("=")[2].strip() for line in lines if line.startswith("export AWS_ENDPOINT_URL="))
        process.terminate()


class Accounts:
    """The staging account, the account that its releases go to, and a profile for each."""

    def __init__(self, folder: Path, source: str, production: str, regions: list[str]) -> None:
        self.source = source
        self._config = folder / "config"
        self.use(production)
        (folder / "staging").mkdir()
        self.staging = Layers(folder / "staging", {**SMALL, "account": SOURCE_ACCOUNT})
        (folder / "production").mkdir()
        self.production = Layers(folder / "production", {**SMALL, "account": ACCOUNT, "regions": regions})

    def use(self, production: str) -> None:
        """Set the addresses of both profiles."""
        profile = "[profile {}]\nendpoint_url = {}\naws_access_key_id = k\naws_secret_access_key = s\n"
        self._config.write_text(profile.format("staging", self.source) + profile.format("production", production))

    def in_staging(self, *arguments: str) -> Ended:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_PROFILE", "staging")
            return self.staging(*arguments)

    def publish(self, *versions: str) -> None:
        for version in versions:
            artifacts = self.staging.artifacts(version)
            assert self.in_staging("publish", "--version", version, "--artifacts", artifacts, "--yes").code == 0

    def promote(self, *options: str) -> Ended:
        matrix = str(self.staging.folder / "matrix.yaml")
        return self.production("promote", "--from", matrix, "--from-profile", "staging", *options)

    def bytes_of(self, layers: Layers) -> set[tuple[str, int, str]]:
        rows = layers("describe", "--region", "all", "--json").json
        return {(row["architecture"], row["layer_version"], row["sha256"]) for row in rows}


@pytest.fixture(
    params=[
        ["us-gov-west-1", "us-gov-east-1"],
        *(pytest.param(regions, marks=pytest.mark.slow) for regions in (["cn-north-1"], ["us-east-1", "eu-west-1"])),
    ],
    ids="-".join,
)
def accounts(
    request: pytest.FixtureRequest, sandbox: Sandbox, source_aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Accounts:
    urlopen(Request(f"{source_aws}/moto-api/reset", method="POST")).close()
    made = Accounts(tmp_path, source_aws, sandbox.address, request.param)
    for key in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(key)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "production")
    return made


def test_a_release_of_another_account_comes_with_its_bytes_and_number(accounts: Accounts) -> None:
    accounts.publish("1.0", "2.0")
    planned = accounts.promote("--dry-run")
    assert (planned.code, "demo 2.0 at layer version 2" in planned.out) == (0, True)
    assert accounts.production("audit").code == 0  # nothing was published
    assert accounts.promote("--yes").code == 0
    assert accounts.bytes_of(accounts.production) == accounts.bytes_of(accounts.staging)
    assert accounts.production("audit").code == 0
    assert accounts.in_staging("audit").code == 0


govcloud = pytest.mark.parametrize("accounts", [["us-gov-west-1"]], indirect=True)


@govcloud
def test_a_source_ledger_in_s3_is_read_with_the_source_s_profile(accounts: Accounts) -> None:
    import boto3

    session = boto3.session.Session(profile_name="staging", region_name="us-east-1")
    session.client("s3").create_bucket(Bucket="staging-ledger")
    accounts.staging.ledger = "s3://staging-ledger/demo"
    accounts.publish("1.0")
    ended = accounts.promote("--from-ledger", accounts.staging.ledger, "--yes")
    assert ended.code == 0, ended.err
    held = accounts.bytes_of(accounts.production)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_PROFILE", "staging")
        assert held == accounts.bytes_of(accounts.staging)


@govcloud
def test_a_number_that_another_release_has_is_a_conflict_and_nothing_is_published(accounts: Accounts) -> None:
    accounts.publish("1.0")
    production = accounts.production
    own = production.artifacts("0.9")
    assert production("publish", "--version", "0.9", "--artifacts", own, "--yes").code == 0
    before = accounts.bytes_of(production)
    ended = accounts.promote("--yes")
    assert (ended.code, "layer version 1 is 1.0 in the source, 0.9 in this account" in ended.err) == (3, True)
    assert "a number above 1" in ended.err
    assert accounts.bytes_of(production) == before
    assert production("audit").code == 0


@govcloud
def test_a_region_of_the_source_that_lost_the_version_is_passed_over(accounts: Accounts) -> None:
    import boto3

    accounts.publish("1.0")
    for region in ("eu-west-1", "us-east-1"):
        client = boto3.session.Session(profile_name="staging", region_name=region).client("lambda")
        client.delete_layer_version(LayerName="demo-py3_12-x86_64", VersionNumber=1)
        ended = accounts.promote("--dry-run")
        assert ended.code == (0 if region == "eu-west-1" else 5)
    assert "the zip cannot be downloaded from any region of the source" in ended.err
    assert "us-east-1 (no such layer version)" in ended.err


@govcloud
def test_credentials_of_a_third_account_are_refused_before_anything_is_published(accounts: Accounts) -> None:
    accounts.publish("1.0")
    accounts.production.keys["account"] = "999988887777"
    ended = accounts.promote("--yes")
    assert (ended.code, f"the credentials belong to account {ACCOUNT}" in ended.err) == (3, True)


@govcloud
def test_a_promotion_that_was_killed_is_completed_by_the_same_command(accounts: Accounts, sandbox: Sandbox) -> None:
    accounts.publish("1.0", "2.0")
    production = accounts.production
    production("targets")  # writes the matrix
    reached, released = threading.Event(), threading.Event()
    published = []

    def hang(request: AwsRequest) -> None:
        published.extend([request] if request.publishes else [])
        if len(published) == 3:
            reached.set()
            released.wait(30)

    with front(sandbox.address, hang) as address:
        accounts.use(address)
        options = ["--matrix", str(production.folder / "matrix.yaml"), "--ledger", production.ledger, "promote"]
        source = ["--from", str(accounts.staging.folder / "matrix.yaml"), "--from-profile", "staging", "--yes"]
        killed = subprocess.Popen([*PROGRAM, *options, *source], env=dict(os.environ))
        assert reached.wait(60)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        released.set()
    accounts.use(sandbox.address)
    assert accounts.promote("--yes").code == 0
    assert accounts.bytes_of(production) == accounts.bytes_of(accounts.staging)
    assert production("audit").code == 0


@pytest.mark.slow  # tests/publisher/canary has the same trial in one account
@govcloud
@runs_functions
@pytest.mark.index
def test_the_canary_tries_the_source_s_layers_in_the_source_s_account(accounts: Accounts) -> None:
    for layers in (accounts.staging, accounts.production):
        layers.keys |= {"python": [PYTHON], "architectures": [HERE]}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_PROFILE")  # the session of make_roles may have read its config file in another test
        make_roles(accounts.source, {"us-east-1": [canary_role(accounts.staging.matrix)]})
        patch.setenv("AWS_PROFILE", "staging")
        assert publish_real(accounts.staging, "1.0").code == 0
    ended = accounts.promote("--canary-region", "us-east-1", "--yes")
    assert ended.code == 0, ended.err
    assert "proven" in ended.err
    assert accounts.bytes_of(accounts.production) == accounts.bytes_of(accounts.staging)
