"""The handlers of the examples in Lambda's runtime client, on layers that `layers` built.

The zips, the runtime client, the agent and the MCP server are real. Stand-ins on this machine: Bedrock and the weather
service.
"""

from __future__ import annotations

import base64
import contextlib
import json
import platform
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.model.runtimes import Architecture
from builder.model.target import Target
from builder.smoke.execution import Unproven, machine_for
from builder.smoke.loopback_server import LoopbackHandler, LoopbackServer
from tests import REPOSITORY
from tests.endtoend.functions import Call, Function, Scripted, running, unpack, until
from tests.fakes.command import PROGRAM

EXAMPLE = REPOSITORY / "examples" / "deploy_to_lambda"
CODE = EXAMPLE / "lambda"
HERE = {"x86_64": "x86_64", "aarch64": "aarch64"}.get(platform.machine(), "x86_64")
TARGET = Target("3.12", Architecture(HERE), f"strands-agents-py3_12-{HERE}")
SEATTLE = {"latitude": 47.61, "longitude": -122.33}

_reason = machine_for(TARGET, None)
pytestmark = [
    pytest.mark.index,
    pytest.mark.slow,
    pytest.mark.skipif(isinstance(_reason, Unproven), reason=str(getattr(_reason, "reason", ""))),
]


def layers(*arguments: str | Path, cwd: Path) -> None:
    command = [*PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def sdk_version() -> str:
    lines = (EXAMPLE / "requirements.txt").read_text().splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith("strands-agents=="))


def layer_of(version: str, folder: Path) -> Path:
    """Return the unpacked official layer of this machine's architecture."""
    root = EXAMPLE.parents[1]
    layers("build", "--version", version, "--python", "3.12", "--arch", HERE, "--output", folder, cwd=root)
    return unpack(folder / f"{TARGET.layer_name}.zip", folder / "opt")


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the layer of the SDK version that the example names."""
    return layer_of(sdk_version(), tmp_path_factory.mktemp("official"))


class Weather(LoopbackServer):
    """A service with the API of the weather service that keeps its requests."""

    def __init__(self) -> None:
        service = self
        self.asked: list[str] = []
        self.fails = False

        class _Requests(LoopbackHandler):
            def do_GET(self) -> None:  # noqa: N802 - http.server's name
                service.asked.append(self.path)
                if service.fails:
                    self.respond_json(503, {"title": "Service Unavailable"})
                elif self.path.startswith("/points/"):
                    # The agent must not follow an address in a forged response.
                    self.respond_json(200, {"properties": {**CELL, "forecast": "http://192.0.2.1/elsewhere"}})
                elif self.path == "/gridpoints/SEW/125,68/forecast":
                    self.respond_json(200, {"properties": {"periods": [PERIOD]}})
                else:
                    self.respond_json(404, {"title": "Not Found"})

        super().__init__(_Requests)


CELL = {"gridId": "SEW", "gridX": 125, "gridY": 68}
PERIOD = {"name": "Tonight", "temperature": 46, "temperatureUnit": "F", "detailedForecast": "Rain. Wind 10 mph."}
TONIGHT = "Tonight: 46 °F, Rain. Wind 10 mph."


@contextlib.contextmanager
def weather_agent(official: Path, folder: Path, model: Scripted) -> Iterator[tuple[Function, Weather]]:
    with Weather() as service:
        variables = {"WEATHER_URL": f"http://{service.address}"}
        with running(TARGET, CODE, official, "weather_handler.handler", model, variables, folder) as function:
            yield function, service


def test_the_weather_agent_on_the_official_layer(official: Path, tmp_path: Path) -> None:
    model = Scripted(Call("forecast", SEATTLE))
    with weather_agent(official, tmp_path, model) as (function, service):
        prompt = "What is the weather in Seattle?"
        assert TONIGHT in function.invoke({"prompt": prompt})
        assert service.asked == ["/points/47.6100,-122.3300", "/gridpoints/SEW/125,68/forecast"]

        # Through the function URL, also in base64.
        body = json.dumps({"prompt": prompt})
        request: dict[str, Any] = {"requestContext": {"http": {"method": "POST"}}, "body": body}
        assert TONIGHT in function.invoke(request)
        coded = base64.b64encode(body.encode()).decode()
        assert TONIGHT in function.invoke({**request, "body": coded, "isBase64Encoded": True})

        # Each conversation is new: the model gets no earlier messages.
        assert [len(messages) for messages in model.heard] == [1, 3, 1, 3, 1, 3]

        # A request without a prompt gives 400 and does not reach the model.
        assert function.invoke({**request, "body": "{"})["statusCode"] == 400
        assert "prompt" in function.invoke({**request, "body": None})["body"]
        kind, error = function.attempt({"question": "?"})
        assert (kind, error["errorType"]) == ("error", "BadRequestError")
        assert len(model.heard) == 6

        # A failed service is a tool error for the model.
        service.fails = True
        assert "responds to /points/47.6100,-122.3300 with 503" in function.invoke({"prompt": prompt})
        last = model.heard[-1][-1]["content"][0]["toolResult"]
        assert last["status"] == "error"
    assert "refused" not in function.log.read_text()


def test_the_daylight_agent_on_a_custom_layer(tmp_path: Path) -> None:
    folder = tmp_path / "packaging"
    layers("package", CODE, "--python", "3.12", "--arch", HERE, "--output", folder, cwd=tmp_path)
    own = unpack(folder / "dependencies.zip", tmp_path / "opt")
    code = tmp_path / "task"
    unpack(folder / "app.zip", code)
    model = Scripted(Call("forecast", SEATTLE), Call("daylight", {**SEATTLE, "day": "2026-12-24"}))
    with Weather() as service:
        variables = {"WEATHER_URL": f"http://{service.address}"}
        with running(TARGET, code, own, "daylight_handler.handler", model, variables, tmp_path / "f") as function:
            answer = function.invoke({"prompt": "Weather and sunrise in Seattle?"})
    assert TONIGHT in answer
    assert "sunrise 15:5" in answer  # 7:5x in Seattle; the minute depends on the formula


class McpServer:
    """The MCP server as a process, on one port during the test."""

    def __init__(self, python: Path, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self._python = python
        self._log = folder / "methods"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        machine = machine_for(TARGET, None)
        assert not isinstance(machine, Unproven)
        command = [
            *machine.command,
            "-B",
            str(Path(__file__).with_name("mcp_server.py")),
            str(self.port),
            str(self._log),
        ]
        self._process = subprocess.Popen(command, env={"PYTHONPATH": str(self._python)})
        until(self._responds)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _responds(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the MCP server ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def handshakes(self) -> int:
        """Return the number of connections (mcp 1.x: initialize, 2.x: server/discover)."""
        methods = self._log.read_text().split()
        return max(methods.count("initialize"), methods.count("server/discover"))


@pytest.fixture
def mcp(official: Path, tmp_path: Path) -> Iterator[McpServer]:
    server = McpServer(official, tmp_path)
    server.start()
    yield server
    server.stop()


def test_the_mcp_agent_connects_for_each_invocation(official: Path, mcp: McpServer, tmp_path: Path) -> None:
    model = Scripted(Call("shout", {"text": "hello"}))
    variables = {"MCP_URL": mcp.url}
    with running(TARGET, CODE, official, "mcp_handler.handler", model, variables, tmp_path / "f") as function:
        for invocations in (1, 2):
            assert "HELLO!" in function.invoke({"prompt": "say hello loudly"})
            assert mcp.handshakes == invocations
        mcp.stop()
        assert function.attempt({"prompt": "say hello loudly"})[0] == "error"
        mcp.start()
        assert "HELLO!" in function.invoke({"prompt": "say hello loudly"})


def test_the_warm_mcp_agent_keeps_its_connection_and_reconnects(official: Path, mcp: McpServer, tmp_path: Path) -> None:
    model = Scripted(Call("shout", {"text": "hello"}))
    variables = {"MCP_URL": mcp.url}
    with running(TARGET, CODE, official, "mcp_warm_handler.handler", model, variables, tmp_path / "f") as function:
        for _ in range(3):
            assert "HELLO!" in function.invoke({"prompt": "say hello loudly"})
        assert mcp.handshakes == 1
        assert {len(messages) for messages in model.heard} == {1, 3}

        # A restart of the server between two invocations fails none of them.
        mcp.stop()
        mcp.start()
        assert "HELLO!" in function.invoke({"prompt": "say hello loudly"})

        # A stopped server fails the invocation; after its restart, the next one works.
        mcp.stop()
        assert function.attempt({"prompt": "say hello loudly"})[0] == "error"
        assert "connecting to the MCP server again" in function.log.read_text()
        before = mcp.handshakes
        mcp.start()
        assert "HELLO!" in function.invoke({"prompt": "say hello loudly"})
        assert mcp.handshakes == before + 1


def test_both_mcp_agents_on_a_layer_with_the_first_major_version_of_mcp(mcp: McpServer, tmp_path: Path) -> None:
    older = layer_of("1.40.0", tmp_path / "older")
    model = Scripted(Call("shout", {"text": "hello"}))
    variables = {"MCP_URL": mcp.url}
    with running(TARGET, CODE, older, "mcp_handler.handler", model, variables, tmp_path / "f") as function:
        assert "HELLO!" in function.invoke({"prompt": "say hello loudly"})
    with running(TARGET, CODE, older, "mcp_warm_handler.handler", model, variables, tmp_path / "warm") as function:
        for _ in range(2):
            assert "HELLO!" in function.invoke({"prompt": "say hello loudly"})
        assert mcp.handshakes == 2
        # In mcp 1.x a connection is a session, which a restarted server does not know.
        mcp.stop()
        mcp.start()
        assert "HELLO!" in function.invoke({"prompt": "say hello loudly"})
        assert "connecting to the MCP server again" in function.log.read_text()
        assert mcp.handshakes == 3
