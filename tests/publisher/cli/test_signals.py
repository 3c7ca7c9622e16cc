"""Ctrl-C, SIGTERM and SIGHUP, sent to the real command while AWS, S3, SSM or a package index does not respond."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from publisher.ledger.folder import FolderLedger
from tests.conftest import Sandbox
from tests.fakes.aws_front import AwsRequest
from tests.fakes.command import Layers
from tests.fakes.running_command import Running, hanging, publish_of, running

STAGING = {"bucket": "stage-{account}-{region}", "home": "eu-west-1"}


def end_at_once(command: Running, number: signal.Signals) -> str:
    """Send the signal twice; it has 2 s for the second one. Returns what it printed on stderr."""
    command.send(number)
    time.sleep(0.5)
    assert command.process.poll() is None  # it waits for the response
    started = time.monotonic()
    command.send(number)
    assert command.process.wait(timeout=10) == 128 + number
    assert time.monotonic() - started < 2
    command.leaves_nothing()
    return command.process.communicate()[1]


def is_publish(request: AwsRequest) -> bool:
    return request.publishes


def is_revoke(request: AwsRequest) -> bool:
    return request.method == "DELETE" and "/policy/" in request.path


def is_grant(request: AwsRequest) -> bool:
    return request.method == "POST" and "/policy" in request.path


def is_list(request: AwsRequest) -> bool:
    return request.service == "lambda" and request.path.split("?")[0].endswith("/versions")


def is_parameter(request: AwsRequest) -> bool:
    return request.service == "ssm" and b'"Value"' in request.body


def is_parameter_read(request: AwsRequest) -> bool:
    return request.service == "ssm" and b'"Names"' in request.body


def is_upload(request: AwsRequest) -> bool:
    return request.service == "s3" and request.method == "PUT" and "/layers/" in request.path


def is_lease(request: AwsRequest) -> bool:
    return request.service == "s3" and "/leases/" in request.path


def is_identity(request: AwsRequest) -> bool:
    return request.service == "sts"


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)])
def test_the_second_signal_ends_a_publish_while_aws_hangs(
    sandbox: Sandbox, released: Layers, number: signal.Signals
) -> None:
    with hanging(sandbox, is_publish, released, *publish_of(released, "2.0")) as (_, command):
        err = end_at_once(command, number)
        assert "stopping: requests in flight are finished and recorded, no others are sent" in err
        assert f"stopped by {number.name}: AWS may still execute the requests in flight; run the same command" in err
    assert [release.version for release in FolderLedger(Path(released.ledger), released.matrix).releases()] == [
        "1.0", "2.0",
    ]  # fmt: skip
    assert released.publish("2.0").code == 0
    assert released("audit").code == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_the_first_signal_finishes_requests_in_flight_and_starts_none(
    sandbox: Sandbox, released: Layers, number: signal.Signals
) -> None:
    with hanging(sandbox, is_publish, released, *publish_of(released, "2.0")) as (hang, command):
        command.send(number)
        time.sleep(0.5)
        hang.released.set()
        _, err = command.process.communicate(timeout=60)
        assert command.process.returncode == 5, err
        command.leaves_nothing()
    assert f"stopped: interrupted by {number.name}" in err
    assert sum(map(is_publish, hang.requests)) == 1
    (release,) = [
        each for each in FolderLedger(Path(released.ledger), released.matrix).releases() if each.version == "2.0"
    ]
    assert [(cell.layer_version, cell.public) for cell in release.cells] == [(2, False)]


@pytest.mark.parametrize(
    ("is_change", "arguments"),
    [(is_grant, None), (is_revoke, ("yank", "--layer-version", "1", "--reason", "broken", "--yes"))],
    ids=["publish", "yank"],
)
def test_a_permission_that_was_changed_before_the_command_stopped_is_recorded(
    sandbox: Sandbox, released: Layers, is_change: Callable[[AwsRequest], bool], arguments: tuple[str, ...] | None
) -> None:
    with hanging(sandbox, is_change, released, *(arguments or publish_of(released, "2.0"))) as (hang, command):
        time.sleep(0.3)
        command.send(signal.SIGTERM)
        time.sleep(0.3)
        hang.released.set()
        assert command.process.wait(timeout=60) in (0, 5)
    release = FolderLedger(Path(released.ledger), released.matrix).releases()[-1]
    assert release.cells
    for cell in release.cells:
        client = sandbox.layers(cell.region)
        try:
            client.get_layer_version_policy(LayerName=cell.layer_name, VersionNumber=cell.layer_version)
            public = True
        except client.exceptions.ResourceNotFoundException:
            public = False
        assert cell.public == public, cell.arn


def stage(sandbox: Sandbox, released: Layers) -> None:
    released.keys["staging"] = STAGING
    for region in released.matrix.regions:
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        sandbox.client("s3", region).create_bucket(Bucket=f"stage-{sandbox.account}-{region}", **where)
    released("targets")  # writes the matrix


@pytest.mark.parametrize(
    "request_that_hangs",
    [is_upload, *(pytest.param(each, marks=pytest.mark.slow) for each in (is_lease, is_parameter, is_identity))],
)
def test_the_second_signal_ends_a_publish_while_another_service_hangs(
    sandbox: Sandbox, released: Layers, request_that_hangs: Callable[[AwsRequest], bool]
) -> None:
    stage(sandbox, released)
    with hanging(sandbox, request_that_hangs, released, *publish_of(released, "2.0")) as (_, command):
        if request_that_hangs is is_identity:  # nothing to finish yet: the first signal is enough
            command.send(signal.SIGTERM)
            assert command.process.wait(timeout=2) == 143
            command.leaves_nothing()
        else:
            end_at_once(command, signal.SIGTERM)
    released.keys.pop("staging")  # the lease of the run that was killed expires later
    assert released.publish("2.0").code == 0
    assert released("audit").code == 0


def test_the_first_signal_starts_no_other_upload(sandbox: Sandbox, released: Layers) -> None:
    stage(sandbox, released)
    with hanging(sandbox, is_upload, released, *publish_of(released, "2.0")) as (hang, command):
        command.send(signal.SIGTERM)
        time.sleep(0.5)
        hang.released.set()
        assert command.process.wait(timeout=60) == 5
    assert (sum(map(is_upload, hang.requests)), sum(map(is_publish, hang.requests))) == (1, 0)
    assert released.publish("2.0").code == 0  # the lease was returned


@pytest.mark.parametrize(
    ("arguments", "request_that_hangs", "number"),
    [
        (["yank", "--layer-version", "1", "--reason", "broken", "--yes"], is_revoke, signal.SIGHUP),
        (["sync"], is_list, signal.SIGINT),
        pytest.param(["audit"], is_list, signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(["audit", "--repair", "--yes"], is_parameter, signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_the_second_signal_ends_every_command(
    sandbox: Sandbox,
    released: Layers,
    arguments: list[str],
    request_that_hangs: Callable[[AwsRequest], bool],
    number: signal.Signals,
) -> None:
    sandbox.client("ssm").delete_parameter(Name="/demo/3.12/x86_64/latest")
    before = FolderLedger(Path(released.ledger), released.matrix).releases()
    with hanging(sandbox, request_that_hangs, released, *arguments) as (_, command):
        end_at_once(command, number)
    after = FolderLedger(Path(released.ledger), released.matrix).releases()
    assert [release.yanked is not None for release in after] == [arguments[0] == "yank"]
    assert before == after or arguments[0] == "yank"
    assert released(*arguments).code == (6 if arguments == ["audit"] else 0)  # without --repair the drift stays


def test_an_undo_that_was_stopped_before_the_parameters_is_completed_by_the_same_command(
    sandbox: Sandbox, released: Layers
) -> None:
    assert released("yank", "--layer-version", "1", "--reason", "broken", "--yes").code == 0
    undo = ("yank", "--layer-version", "1", "--undo", "--yes")
    with hanging(sandbox, is_parameter_read, released, *undo) as (hang, command):
        command.send(signal.SIGTERM)
        time.sleep(0.3)
        hang.released.set()
        _, err = command.process.communicate(timeout=60)
    assert command.process.returncode == 5, err
    assert "run the same command again" in err
    assert released(*undo).code == 0
    assert released("audit").code == 0
    assert released(*undo).code == 3  # nothing is left to undo


def test_a_sync_that_is_stopped_writes_nothing(sandbox: Sandbox, released: Layers) -> None:
    released.ledger = str(released.folder / "lost")
    with hanging(sandbox, is_list, released, "sync") as (hang, command):
        command.send(signal.SIGINT)
        time.sleep(0.3)
        hang.released.set()
        _, err = command.process.communicate(timeout=60)
    assert (command.process.returncode, Path(released.ledger).exists()) == (5, False)
    assert "stopped: interrupted by SIGINT" in err
    assert "nothing was written" in err


@pytest.mark.parametrize("command_name", ["publish", pytest.param("build", marks=pytest.mark.slow)])
def test_the_second_signal_ends_a_hanging_uv_too(sandbox: Sandbox, released: Layers, command_name: str) -> None:
    """The package index accepts connections and never responds, so uv waits."""
    with socket.create_server(("127.0.0.1", 0)) as index:
        address = f"http://127.0.0.1:{index.getsockname()[1]}/simple"
        arguments = ["--version", "3.0"]
        arguments += ["--yes"] if command_name == "publish" else ["--output", str(released.folder / "built")]
        with running(released, command_name, *arguments, UV_DEFAULT_INDEX=address, UV_HTTP_TIMEOUT="60") as command:
            index.settimeout(60)
            connection, _ = index.accept()
            time.sleep(0.5)
            with connection:
                end_at_once(command, signal.SIGTERM)
