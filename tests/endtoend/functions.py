"""Run a function of the examples like Lambda: its own folder, a layer as /opt, Lambda's runtime client."""

from __future__ import annotations

import contextlib
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.model.target import Target
from builder.smoke import function_process
from builder.smoke.bedrock import BedrockServer
from builder.smoke.bedrock_model import ConverseRequest, ToolCall, Turn
from builder.smoke.execution import Machine, machine_for
from builder.smoke.function_process import FunctionCode, FunctionProcess, environment
from builder.smoke.runtime_api import RuntimeApi
from builder.smoke.runtime_client import client_folder

LIMIT = 60.0


@dataclass(frozen=True)
class Call:
    """A tool call of the model."""

    tool: str
    arguments: dict[str, Any]


class Scripted:
    """A model that calls these tools, one per turn, and then returns their results. It keeps its requests."""

    def __init__(self, *calls: Call) -> None:
        self.calls = calls
        self.heard: list[list[dict[str, Any]]] = []

    def __call__(self, request: ConverseRequest) -> Turn:
        messages = request["messages"]
        self.heard.append(messages)
        results = [part["toolResult"] for message in messages for part in message["content"] if "toolResult" in part]
        if len(results) < len(self.calls):
            call = self.calls[len(results)]
            return Turn(calls=(ToolCall(call.tool, call.arguments),))
        return Turn(" | ".join(part["text"] for result in results for part in result["content"]))


def unpack(layer: Path, folder: Path) -> Path:
    """Unpack a layer and return its ``python`` folder."""
    with zipfile.ZipFile(layer) as archive:
        archive.extractall(folder)
    return folder / "python"


@dataclass(frozen=True)
class Function:
    """A running function."""

    running: FunctionProcess

    @property
    def log(self) -> Path:
        return self.running.log

    def invoke(self, event: object) -> Any:
        """Return its response. Raise AssertionError with the end of its log if it failed."""
        kind, body = self.attempt(event)
        assert kind == "response", f"{body}\n{self.running.last_output()}"
        return body

    def attempt(self, event: object) -> tuple[str, Any]:
        """Return ``response`` or ``error``, and its content."""
        answer, _ = self.running.invoke(event)
        return answer.kind, answer.body


@contextlib.contextmanager
def running(
    target: Target, code: Path, python: Path, handler: str, model: Scripted, variables: Mapping[str, str], folder: Path
) -> Iterator[Function]:
    """Run the function until the block ends. Connections to other machines are refused."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = machine_for(target, None)
    assert isinstance(machine, Machine)
    client = client_folder(target)
    made_of = FunctionCode(handler, before=(code, python), after=(client,))
    with RuntimeApi(LIMIT) as api, BedrockServer(model) as bedrock:
        surroundings = {
            **environment(target, folder, api, folder / "opt"),
            "AWS_ENDPOINT_URL": f"http://{bedrock.address}",
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": f"http://{bedrock.address}",
            **variables,
            "LAMBDA_TASK_ROOT": str(code),
            "_HANDLER": handler,
        }
        with function_process.running(machine, made_of, api, surroundings, folder) as function:
            yield Function(function)


def until(ready: Any, seconds: float = 20) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "it is not so in time"
        time.sleep(0.05)
