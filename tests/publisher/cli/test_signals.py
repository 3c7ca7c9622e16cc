"""Ctrl-C, SIGTERM and SIGHUP, sent to the real command while AWS, S3, SSM or a package index does not respond."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from publisher.ledger.folder import FolderLedger
from tests import REPOSITORY
from tests.conftest import Sandbox
from tests.fakes.aws_front import AwsRequest, front
from tests.fakes.command import Layers

#: Tests that run in the background ignore Ctrl-C, and would pass that on.
START = """import signal
for number in (signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.default_int_handler)
from publisher.cli import main; main()"""
STAGING = {"bucket": "stage-{account}-{region}", "home": "eu-west-1"}


@dataclass
class Hanging:
    """Requests that match have no response until ``released``."""

    matches: Callable[[AwsRequest], bool]
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    requests: list[AwsRequest] = field(default_factory=list)

    def __call__(self, request: AwsRequest) -> None:
        self.requests.append(request)
        if self.matches(request):
            self.reached.set()
            self.released.wait(60)


@dataclass
class Running:
    """A running command in its own session, with a folder for its temporary files."""

    process: subprocess.Popen[str]
    temporary: Path

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def leaves_nothing(self) -> None:
        """Its temporary files are removed, and its child processes have ended."""
        assert list(self.temporary.iterdir()) == []
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:  # a killed process is there until its parent has read its exit status
            try:
                os.killpg(self.process.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.02)
        raise AssertionError("a child process is still there")


@contextmanager
def running(layers: Layers, *arguments: str, **environment: str) -> Iterator[Running]:
    """Start ``layers`` with this matrix and ledger."""
    temporary = layers.folder / "temporary"
    temporary.mkdir(exist_ok=True)
    command = [
        sys.executable, "-c", START, "--matrix", str(layers.folder / "matrix.yaml"), "--ledger", layers.ledger,
    ]  # fmt: skip
    process = subprocess.Popen(
        [*command, *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(temporary), **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield Running(process, temporary)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def hanging(
    sandbox: Sandbox, matches: Callable[[AwsRequest], bool], layers: Layers, *arguments: str
) -> Iterator[tuple[Hanging, Running]]:
    """Start ``layers`` and wait until AWS does not respond to a request that matches."""
    hang = Hanging(matches)
    with front(sandbox.address, hang) as address:
        try:
            with running(layers, *arguments, AWS_ENDPOINT_URL=address) as command:
                assert hang.reached.wait(60)
                yield hang, command
        finally:
            hang.released.set()


def publish_of(layers: Layers, version: str) -> list[str]:
    return ["publish", "--version", version, "--artifacts", layers.artifacts(version), "--yes", "--json"]


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


@pytest.fixture
def layers(sandbox: Sandbox, tmp_path: Path) -> Layers:
    """Release 1.0 is public everywhere."""
    made = Layers(tmp_path)
    made.keys["parameters"] = {"prefix": "/demo"}
    assert made.publish("1.0").code == 0
    return made


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
    sandbox: Sandbox, layers: Layers, number: signal.Signals
) -> None:
    with hanging(sandbox, is_publish, layers, *publish_of(layers, "2.0")) as (_, command):
        err = end_at_once(command, number)
        assert "stopping: requests in flight are finished and recorded, no others are sent" in err
        assert f"stopped by {number.name}: AWS may still execute the requests in flight; run the same command" in err
    assert [release.version for release in FolderLedger(Path(layers.ledger), layers.matrix).releases()] == [
        "1.0", "2.0",
    ]  # fmt: skip
    assert layers.publish("2.0").code == 0
    assert layers("audit").code == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_the_first_signal_finishes_requests_in_flight_and_starts_none(
    sandbox: Sandbox, layers: Layers, number: signal.Signals
) -> None:
    with hanging(sandbox, is_publish, layers, *publish_of(layers, "2.0")) as (hang, command):
        command.send(number)
        time.sleep(0.5)
        hang.released.set()
        _, err = command.process.communicate(timeout=60)
        assert command.process.returncode == 5, err
        command.leaves_nothing()
    assert f"stopped: interrupted by {number.name}" in err
    assert sum(map(is_publish, hang.requests)) == 1
    (release,) = [each for each in FolderLedger(Path(layers.ledger), layers.matrix).releases() if each.version == "2.0"]
    assert [(cell.layer_version, cell.public) for cell in release.cells] == [(2, False)]


@pytest.mark.parametrize(
    ("is_change", "arguments"),
    [(is_grant, None), (is_revoke, ("yank", "--layer-version", "1", "--reason", "broken", "--yes"))],
    ids=["publish", "yank"],
)
def test_a_permission_that_was_changed_before_the_command_stopped_is_recorded(
    sandbox: Sandbox, layers: Layers, is_change: Callable[[AwsRequest], bool], arguments: tuple[str, ...] | None
) -> None:
    with hanging(sandbox, is_change, layers, *(arguments or publish_of(layers, "2.0"))) as (hang, command):
        time.sleep(0.3)
        command.send(signal.SIGTERM)
        time.sleep(0.3)
        hang.released.set()
        assert command.process.wait(timeout=60) in (0, 5)
    release = FolderLedger(Path(layers.ledger), layers.matrix).releases()[-1]
    assert release.cells
    for cell in release.cells:
        client = sandbox.layers(cell.region)
        try:
            client.get_layer_version_policy(LayerName=cell.layer_name, VersionNumber=cell.layer_version)
            public = True
        except client.exceptions.ResourceNotFoundException:
            public = False
        assert cell.public == public, cell.arn


def stage(sandbox: Sandbox, layers: Layers) -> None:
    layers.keys["staging"] = STAGING
    for region in layers.matrix.regions:
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        sandbox.client("s3", region).create_bucket(Bucket=f"stage-{sandbox.account}-{region}", **where)
    layers("targets")  # writes the matrix


@pytest.mark.parametrize(
    "request_that_hangs",
    [is_upload, *(pytest.param(each, marks=pytest.mark.slow) for each in (is_lease, is_parameter, is_identity))],
)
def test_the_second_signal_ends_a_publish_while_another_service_hangs(
    sandbox: Sandbox, layers: Layers, request_that_hangs: Callable[[AwsRequest], bool]
) -> None:
    stage(sandbox, layers)
    with hanging(sandbox, request_that_hangs, layers, *publish_of(layers, "2.0")) as (_, command):
        if request_that_hangs is is_identity:  # nothing to finish yet: the first signal is enough
            command.send(signal.SIGTERM)
            assert command.process.wait(timeout=2) == 143
            command.leaves_nothing()
        else:
            end_at_once(command, signal.SIGTERM)
    layers.keys.pop("staging")  # the lease of the run that was killed expires later
    assert layers.publish("2.0").code == 0
    assert layers("audit").code == 0


def test_the_first_signal_starts_no_other_upload(sandbox: Sandbox, layers: Layers) -> None:
    stage(sandbox, layers)
    with hanging(sandbox, is_upload, layers, *publish_of(layers, "2.0")) as (hang, command):
        command.send(signal.SIGTERM)
        time.sleep(0.5)
        hang.released.set()
        assert command.process.wait(timeout=60) == 5
    assert (sum(map(is_upload, hang.requests)), sum(map(is_publish, hang.requests))) == (1, 0)
    assert layers.publish("2.0").code == 0  # the lease was returned


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
    layers: Layers,
    arguments: list[str],
    request_that_hangs: Callable[[AwsRequest], bool],
    number: signal.Signals,
) -> None:
    sandbox.client("ssm").delete_parameter(Name="/demo/3.12/x86_64/latest")
    before = FolderLedger(Path(layers.ledger), layers.matrix).releases()
    with hanging(sandbox, request_that_hangs, layers, *arguments) as (_, command):
        end_at_once(command, number)
    after = FolderLedger(Path(layers.ledger), layers.matrix).releases()
    assert [release.yanked is not None for release in after] == [arguments[0] == "yank"]
    assert before == after or arguments[0] == "yank"
    assert layers(*arguments).code == (6 if arguments == ["audit"] else 0)  # without --repair the drift stays


def test_an_undo_that_was_stopped_before_the_parameters_is_completed_by_the_same_command(
    sandbox: Sandbox, layers: Layers
) -> None:
    assert layers("yank", "--layer-version", "1", "--reason", "broken", "--yes").code == 0
    undo = ("yank", "--layer-version", "1", "--undo", "--yes")
    with hanging(sandbox, is_parameter_read, layers, *undo) as (hang, command):
        command.send(signal.SIGTERM)
        time.sleep(0.3)
        hang.released.set()
        _, err = command.process.communicate(timeout=60)
    assert command.process.returncode == 5, err
    assert "run the same command again" in err
    assert layers(*undo).code == 0
    assert layers("audit").code == 0
    assert layers(*undo).code == 3  # nothing is left to undo


def test_a_sync_that_is_stopped_writes_nothing(sandbox: Sandbox, layers: Layers) -> None:
    layers.ledger = str(layers.folder / "lost")
    with hanging(sandbox, is_list, layers, "sync") as (hang, command):
        command.send(signal.SIGINT)
        time.sleep(0.3)
        hang.released.set()
        _, err = command.process.communicate(timeout=60)
    assert (command.process.returncode, Path(layers.ledger).exists()) == (5, False)
    assert "stopped: interrupted by SIGINT" in err
    assert "nothing was written" in err


@pytest.mark.parametrize("command_name", ["publish", pytest.param("build", marks=pytest.mark.slow)])
def test_the_second_signal_ends_a_hanging_uv_too(sandbox: Sandbox, layers: Layers, command_name: str) -> None:
    """The package index accepts connections and never responds, so uv waits."""
    with socket.create_server(("127.0.0.1", 0)) as index:
        address = f"http://127.0.0.1:{index.getsockname()[1]}/simple"
        arguments = ["--version", "3.0"]
        arguments += ["--yes"] if command_name == "publish" else ["--output", str(layers.folder / "built")]
        with running(layers, command_name, *arguments, UV_DEFAULT_INDEX=address, UV_HTTP_TIMEOUT="60") as command:
            index.settimeout(60)
            connection, _ = index.accept()
            time.sleep(0.5)
            with connection:
                end_at_once(command, signal.SIGTERM)
