"""Fixtures for every test: AWS cannot be reached, the user's settings are removed, the cache is separate."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
from hypothesis import HealthCheck, settings

from builder.model.stop import StoppableClock
from publisher.aws.session import new_session
from publisher.sandbox.server import environment, running
from tests.fakes.wheels import only_index

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

#: ``scripts/test --thorough``: more examples of every property.
THOROUGH = bool(os.environ.get("LAYERS_THOROUGH"))
# jsonschema imports it if it is there, which takes 2 s. No schema here has the formats that it checks.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
# A busy machine must not fail a test.
settings.register_profile(
    "layers", max_examples=200 if THOROUGH else 20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("layers")

ACCOUNT = "856699698935"
#: The discard port: a request of a test without the sandbox is refused at once.
NOWHERE = "http://127.0.0.1:9"
#: Variables of a user's shell or a workflow that must not reach a test.
OWN = (
    "AWS_",
    "LAYERS_",
    "UV_OFFLINE",
    "PIP_FIND_LINKS",
    "PIP_EXTRA_INDEX_URL",
    "PIP_CONSTRAINT",
    "PIP_NO_INDEX",
    "GITHUB_",
)


def pytest_collection_finish() -> None:
    """Search for garbage less often, and not among the modules: it took a quarter of the processor time."""
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)


@pytest.fixture(scope="session", autouse=True)
def _no_real_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Remove credentials, set an endpoint that refuses connections, and use an empty cache. uv's cache is kept."""
    with pytest.MonkeyPatch.context() as patch:
        for key in [key for key in os.environ if key.startswith(OWN)]:
            patch.delenv(key)
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        for key, value in environment(NOWHERE, "us-east-1", os.environ).items():
            patch.setenv(key, value)
        for key in ("NO_PROXY", "no_proxy"):  # servers of this machine are not behind a proxy
            patch.setenv(key, ",".join(filter(None, (os.environ.get(key), "127.0.0.1"))))
        patch.setenv("LAYERS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _short_waits() -> Iterator[None]:
    """Commands in this process wait a twentieth of the time between retries; their clock advances by the whole time."""
    wait, monotonic, skipped = StoppableClock.sleep, StoppableClock.monotonic, [0.0]

    def sleep(clock: StoppableClock, seconds: float) -> None:
        skipped[0] += seconds * 0.95
        wait(clock, seconds * 0.05)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StoppableClock, "sleep", sleep)
        patch.setattr(StoppableClock, "monotonic", lambda clock: monotonic(clock) + skipped[0])
        yield


@pytest.fixture(scope="session", autouse=True)
def _quick_clients() -> Iterator[None]:
    """Clients of boto3 share one class for each service, and have no handlers for documentation."""
    from botocore import client, handlers

    creator_class: Any = client.ClientCreator
    classes: dict[str, type] = {}
    create = creator_class._create_client_class

    def create_once(creator: Any, name: str, model: Any) -> type:
        return classes.get(name) or classes.setdefault(name, create(creator, name, model))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(creator_class, "_create_client_class", create_once)
        needed = [each for each in handlers.BUILTIN_HANDLERS if not each[0].startswith("docs.")]
        patch.setattr(handlers, "BUILTIN_HANDLERS", needed)
        yield


@dataclass(frozen=True)
class Sandbox:
    """A running embedded AWS."""

    address: str
    account: str = ACCOUNT

    def client(self, service: str = "lambda", region: str = "us-east-1") -> Any:
        """Return a boto3 client that does not retry."""
        return _client(self.address, service, region)

    def layers(self, region: str = "us-east-1") -> LambdaClient:
        client: LambdaClient = self.client("lambda", region)
        return client

    def environment(self, region: str = "us-east-1") -> Mapping[str, str]:
        """Return the variables with which a process uses it."""
        return environment(self.address, region, os.environ)


@cache
def _client(address: str, service: str, region: str) -> Any:
    from botocore.config import Config

    session: Any = new_session("sandbox", "sandbox")
    once = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    return session.client(service, region_name=region, endpoint_url=address, config=once)


@pytest.fixture(scope="session")
def _server(_no_real_aws: None) -> Iterator[str]:
    with running(ACCOUNT) as address:
        yield address


@pytest.fixture
def sandbox(_server: str, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """Return an empty embedded AWS, which every command of the test uses."""
    urlopen(Request(f"{_server}/moto-api/reset", method="POST")).close()
    for key, value in environment(_server, "us-east-1", os.environ).items():
        monkeypatch.setenv(key, value)
    return Sandbox(_server)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder of wheels that is uv's only index. The cache is empty, too."""
    folder = tmp_path / "index"
    folder.mkdir()
    only_index(monkeypatch, folder)
    monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path / "cache"))
    return folder
