"""The README of the examples, followed like docs/guide.md in ``test_guide.py``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from builder.model.runtimes import Architecture
from builder.model.target import Target
from builder.smoke.execution import Unproven, machine_for
from tests.endtoend.functions import Call, Scripted, running, unpack
from tests.endtoend.pages import Lambda, blocks, commands, shell, without_an_account
from tests.endtoend.test_cdk import EXAMPLE, app_in
from tests.endtoend.test_examples import SEATTLE, TONIGHT, Weather, sdk_version

README = EXAMPLE / "README.md"
TARGET = Target("3.12", Architecture.X86_64, "strands-agents-py3_12-x86_64")
MATRIX = """
account: "856699698935"
package: strands-agents
python: ["3.12"]
architectures: [x86_64, aarch64]
regions: [us-east-1]
"""
_machine = machine_for(TARGET, None)


def test_a_test_runs_every_block() -> None:
    assert {(block.language, block.word) for block in blocks(README)} == {("sh", "")}
    assert not [line for line in README.read_text().splitlines() if line.startswith("    ")]


@pytest.mark.slow
@pytest.mark.index
@pytest.mark.skipif(shutil.which("npm") is None, reason="the CDK needs Node.js, and npm is not on the PATH")
@pytest.mark.skipif(shutil.which("jq") is None, reason="the commands use jq")
@pytest.mark.skipif(isinstance(_machine, Unproven), reason=str(getattr(_machine, "reason", "")))
def test_its_commands_work(tmp_path: Path) -> None:
    world = tmp_path / "world"
    world.mkdir()
    (world / "layer_matrix.yaml").write_text(MATRIX)
    version = sdk_version()
    release = f"layers build --version {version} --output dist\n"
    release += f"layers publish --version {version} --artifacts dist --yes\nlayers docs --output docs\n"
    shell(release, world, sandbox=world / "layer_matrix.yaml")
    app = app_in(tmp_path / "examples" / "deploy_to_lambda")
    opt = unpack(world / "dist" / f"{TARGET.layer_name}.zip", tmp_path / "opt")
    prompts: list[Any] = []
    script = commands(README)
    assert script.count("npx cdk deploy") == 3
    with Weather() as service:
        variables = {"WEATHER_URL": f"http://{service.address}"}
        model = Scripted(Call("forecast", SEATTLE))
        with running(TARGET, app / "lambda", opt, "weather_handler.handler", model, variables, tmp_path / "f") as agent:

            def invoke(event: Any) -> Any:
                prompts.append(event)
                return agent.invoke(event)

            with Lambda({"OfficialLayerArm64-Weather": invoke}) as lambdas:
                printed = shell(
                    without_an_account(script),
                    app,
                    INDEX=str(world / "docs" / "layers.json"),
                    INVOKE=f"http://{lambdas.address}",
                    AWS_REGION="us-east-1",
                    CDK_DISABLE_CLI_TELEMETRY="true",
                    HOME=str(tmp_path),
                )
    assert len(prompts) == 2
    assert "requestContext" in prompts[1]
    assert TONIGHT in json.loads((app / "answer.json").read_text())
    assert printed.count(TONIGHT) == 2  # once by jq, once by curl
    templates = {path.name.split(".")[0] for path in (app / "cdk.out").glob("*.template.json")}
    assert templates == {"OfficialLayerArm64", "OfficialLayerX8664", "CustomLayerArm64"}
    official = (app / "cdk.out" / "OfficialLayerArm64.template.json").read_text()
    assert "strands-agents-py3_12-aarch64:1" in official
