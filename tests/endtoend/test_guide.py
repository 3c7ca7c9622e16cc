"""docs/guide.md, followed step by step: its files are written, its commands run, its agents invoked.

The commands run in one shell under `layers sandbox`. `aws lambda invoke` reaches a function that Lambda's runtime
client runs from the zips that the guide's commands built. `cdk deploy` is run as `cdk synth`.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from builder.model.runtimes import Architecture
from builder.model.target import Target
from builder.smoke.execution import Unproven, machine_for
from tests import REPOSITORY
from tests.endtoend.functions import Call, Scripted, running, unpack
from tests.endtoend.pages import Lambda, blocks, commands, shell, without_an_account
from tests.endtoend.test_cdk import app_in
from tests.endtoend.test_examples import SEATTLE, Weather

GUIDE = REPOSITORY / "docs" / "guide.md"
VERSION = "1.62.0"
TARGET = Target("3.12", Architecture.X86_64, "strands-agents-py3_12-x86_64")
MATRIX = """
account: "856699698935"
package: strands-agents
python: ["3.12"]
architectures: [x86_64]
regions: [us-east-1, eu-west-1]
"""

_machine = machine_for(TARGET, None)
slow = pytest.mark.slow
runs_layers = pytest.mark.skipif(isinstance(_machine, Unproven), reason=str(getattr(_machine, "reason", "")))


class Agent:
    """A function made from the files that the guide's commands wrote."""

    def __init__(self, official: Path, folder: Path, variables: dict[str, str]) -> None:
        self._official = official
        self._folder = folder
        self._variables = variables
        self._count = 0

    def __call__(self, event: Any) -> Any:
        self._count += 1
        place = self._folder / f"invocation-{self._count}"
        unpack(self._folder / "packaging" / "app.zip", place / "task")
        opt = unpack(self._official, place / "opt")
        own = self._folder / "packaging" / "dependencies.zip"
        handler, model = "agent_handler.handler", Scripted(Call("forecast", SEATTLE))
        if own.exists():  # Lambda unpacks later layers over earlier ones
            unpack(own, place / "opt")
            sunrise = Call("sunrise", {**SEATTLE, "day": "2026-12-24"})
            handler, model = "daylight_handler.handler", Scripted(Call("forecast", SEATTLE), sunrise)
        with running(TARGET, place / "task", opt, handler, model, self._variables, place / "run") as function:
            return function.invoke(event)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the folder of a reader."""
    folder = tmp_path / "reader"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the publisher's folder: a matrix and the zips of a release."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "matrix.yaml").write_text(MATRIX)
    shell(f"layers --matrix matrix.yaml build --version {VERSION} --output dist", folder)
    return folder


def test_every_block_is_a_file_or_a_tested_command() -> None:
    for block in blocks(GUIDE):
        if block.language == "sh":
            assert block.word in ("", "cdk", "own"), block
        else:
            assert block.word, f"no file's name: {block.text}"


@slow
@runs_layers
@pytest.mark.index
def test_an_agent_on_the_official_layer_and_a_second_layer(world: Path, home: Path) -> None:
    options = f"--matrix {world}/matrix.yaml --ledger {world}/ledger"
    release = f"layers {options} publish --version {VERSION} --artifacts {world}/dist --yes\n"
    release += f"layers {options} docs --output {world}/docs\n"
    guide = without_an_account(commands(GUIDE))
    after = """
        aws lambda get-function-configuration --function-name weather-agent > function.json
        aws lambda get-layer-version-by-arn --arn "$OWN" > own.json
        aws cloudformation describe-stacks --stack-name layer-check > stack.json
    """
    with Weather() as service:
        variables = {"WEATHER_URL": f"http://{service.address}"}
        agent = Agent(world / "dist" / f"{TARGET.layer_name}.zip", home, variables)
        with Lambda({"weather-agent": agent}) as lambdas:
            printed = shell(
                release + guide + after,
                home,
                sandbox=world / "matrix.yaml",
                INDEX=str(world / "docs" / "layers.json"),
                INVOKE=f"http://{lambdas.address}",
            )
    arn = f"arn:aws:lambda:us-east-1:856699698935:layer:{TARGET.layer_name}:1"
    assert arn in printed
    assert "Tonight: Rain. Wind 10 mph." in json.loads((home / "answer.json").read_text())
    assert re.search(r"Rain\. .* 15:5\d UTC", json.loads((home / "daylight.json").read_text()))
    function = json.loads((home / "function.json").read_text())
    assert function["Handler"] == "daylight_handler.handler"
    own = json.loads((home / "own.json").read_text())
    assert [layer["Arn"] for layer in function["Layers"]] == [arn, own["LayerVersionArn"]]
    assert own["Content"]["CodeSize"] == (home / "packaging" / "dependencies.zip").stat().st_size < 1_000_000
    assert json.loads((home / "stack.json").read_text())["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    assert (home / "alone" / "dependencies.zip").stat().st_size > 20_000_000


@slow
@pytest.mark.index
def test_a_custom_matrix(home: Path) -> None:
    printed = shell(commands(GUIDE, "own"), home)
    assert "arn:aws:lambda:eu-west-1:123456789012:layer:our-agents-py3_12-x86_64:1" in printed
    index = json.loads((home / "tried-docs" / "layers.json").read_text())
    assert index["account"] == "123456789012"


@slow
@pytest.mark.index
@pytest.mark.skipif(shutil.which("npm") is None, reason="the CDK needs Node.js, and npm is not on the PATH")
def test_the_cdk_commands(tmp_path: Path) -> None:
    app_in(tmp_path / "examples" / "deploy_to_lambda")  # installs its packages
    script = commands(GUIDE, "cdk")
    assert script.count("npx cdk deploy") == 2
    shell(without_an_account(script), tmp_path, CDK_DISABLE_CLI_TELEMETRY="true", HOME=str(tmp_path))
    out = tmp_path / "examples" / "deploy_to_lambda" / "cdk.out"
    assert "CustomLayerArm64.template.json" in {path.name for path in out.iterdir()}
    assert {path.name for path in out.glob("asset.*.zip")}
