"""An agent with strands-agents-tools: the packages that most people add, and the largest."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.smoke.execution import Unproven, machine_for
from tests.endtoend.functions import Call, Scripted, running, unpack
from tests.endtoend.test_examples import HERE, TARGET, Weather, layers, sdk_version

_machine = machine_for(TARGET, None)
pytestmark = [
    pytest.mark.index,
    pytest.mark.slow,
    pytest.mark.skipif(isinstance(_machine, Unproven), reason=str(getattr(_machine, "reason", ""))),
]

AGENT = """
from strands import Agent
from strands_tools import http_request

def handler(event, context):
    return str(Agent(tools=[http_request], callback_handler=None)(event["prompt"]))
"""


def test_an_agent_with_strands_agents_tools_works(tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "agent_handler.py").write_text(AGENT)
    (app / "requirements.txt").write_text(f"strands-agents=={sdk_version()}\nstrands-agents-tools\n")
    folder = tmp_path / "packaging"
    layers("package", app, "--python", "3.12", "--arch", HERE, "--output", folder, cwd=tmp_path)
    python = unpack(folder / "dependencies.zip", tmp_path / "opt")
    unpack(folder / "app.zip", tmp_path / "task")
    with Weather() as service:
        address = f"http://{service.address}/points/47.6,-122.3"
        model = Scripted(Call("http_request", {"method": "GET", "url": address}))
        place = tmp_path / "run"
        with running(TARGET, tmp_path / "task", python, "agent_handler.handler", model, {}, place) as function:
            assert '"gridId": "SEW"' in function.invoke({"prompt": "What is there?"})
        assert service.asked == ["/points/47.6,-122.3"]
