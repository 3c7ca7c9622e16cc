"""docs/guide.md, done as a reader does it: its files are written, its commands run, its agents asked.

The commands run in one shell under `layers sandbox`. `aws lambda invoke` reaches a function that Lambda's runtime
client runs from the zips which the guide's commands made. `cdk deploy` is run as `cdk synth`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from builder.matrix import Target
from builder.runtimes import Architecture
from builder.smoke.machine import Unproven, machine_for
from builder.smoke.server import Handler, Server
from tests.endtoend.functions import Call, Scripted, running, unpack
from tests.endtoend.test_cdk import app_in
from tests.endtoend.test_examples import SEATTLE, Weather

GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"
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


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the word after it (a file's name, or which commands), its text."""

    language: str
    word: str
    text: str


def blocks() -> list[Block]:
    found = re.findall(r"^```(\w*)(?: (\S+))?\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    return [Block(*each) for each in found]


def commands(word: str) -> str:
    """The commands of the guide for one shell, and its files where they come in between."""
    parts = []
    for block in blocks():
        if block.language != "sh":
            parts.append(f"mkdir -p $(dirname {block.word})\ncat > {block.word} <<'END'\n{block.text}END\n")
        elif block.word == word:
            parts.append(block.text)
    return "".join(parts)


def shell(script: str, folder: Path, *, sandbox: Path | None = None, **variables: str) -> str:
    """Run it as a user's shell would, under the sandbox of a matrix if one is named; what it printed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = ["sh", "-euxc", script]
    if sandbox is not None:
        command = ["layers", "--matrix", str(sandbox), "sandbox", "--", *command]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path, **variables}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    return done.stdout


def cli_version() -> int:
    """The major version of the AWS CLI that ``shell`` finds."""
    done = subprocess.run(
        [Path(sys.executable).parent / "aws", "--version"], capture_output=True, text=True, check=True
    )
    return int(done.stdout.removeprefix("aws-cli/").split(".")[0])


class Lambda(Server):
    """Lambda's Invoke, with a real function behind it, made from what the guide's commands left in its folder."""

    def __init__(self, official: Path, folder: Path, variables: dict[str, str]) -> None:
        outer = self
        self._official = official
        self._folder = folder
        self._variables = variables
        self._count = 0

        class _Requests(Handler):
            def do_POST(self) -> None:  # noqa: N802 - http.server's name
                event = json.loads(self.body())
                assert self.path == "/2015-03-31/functions/weather-agent/invocations"
                try:
                    self.answer_json(200, outer.invoke(event))
                except AssertionError as error:
                    self.answer_json(200, {"errorMessage": str(error)}, {"X-Amz-Function-Error": "Unhandled"})

        super().__init__(_Requests)

    def invoke(self, event: dict[str, Any]) -> Any:
        self._count += 1
        place = self._folder / f"invocation-{self._count}"
        unpack(self._folder / "packaging" / "app.zip", place / "task")
        opt = unpack(self._official, place / "opt")
        own = self._folder / "packaging" / "dependencies.zip"
        handler, model = "agent_handler.handler", Scripted(Call("forecast", SEATTLE))
        if own.exists():  # Lambda unpacks the layers of a function over each other
            unpack(own, place / "opt")
            sunrise = Call("sunrise", {**SEATTLE, "day": "2026-12-24"})
            handler, model = "daylight_handler.handler", Scripted(Call("forecast", SEATTLE), sunrise)
        with running(TARGET, place / "task", opt, handler, model, self._variables, place / "run") as function:
            return function.invoke(event)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A reader's folder."""
    folder = tmp_path / "reader"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The publisher's side: a matrix, and the zips of a release."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "matrix.yaml").write_text(MATRIX)
    shell(f"layers --matrix matrix.yaml build --version {VERSION} --output dist", folder)
    return folder


def test_every_block_is_a_file_or_is_run() -> None:
    for block in blocks():
        if block.language == "sh":
            assert block.word in ("", "cdk", "own"), block
        else:
            assert block.word, f"no file's name: {block.text}"


@slow
@runs_layers
@pytest.mark.index
def test_the_official_layer_and_one_on_top_of_it(world: Path, home: Path) -> None:
    options = f"--matrix {world}/matrix.yaml --ledger {world}/ledger"
    release = f"layers {options} publish --version {VERSION} --artifacts {world}/dist --yes\n"
    release += f"layers {options} docs --output {world}/docs\n"
    # `aws lambda invoke` goes to the function, everything else to the sandbox.
    guide = commands("").replace("aws lambda invoke", 'AWS_ENDPOINT_URL="$INVOKE" aws lambda invoke')
    if cli_version() == 1:  # takes the payload as it is, and has no option to say so
        guide = guide.replace(" --cli-binary-format raw-in-base64-out", "")
    after = """
        aws lambda get-function-configuration --function-name weather-agent > function.json
        aws lambda get-layer-version-by-arn --arn "$OWN" > own.json
        aws cloudformation describe-stacks --stack-name layer-check > stack.json
    """
    with Weather() as service:
        variables = {"WEATHER_URL": f"http://{service.address}"}
        with Lambda(world / "dist" / f"{TARGET.layer_name}.zip", home, variables) as lambdas:
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
def test_a_matrix_of_ones_own(home: Path) -> None:
    printed = shell(commands("own"), home)
    assert "arn:aws:lambda:eu-west-1:123456789012:layer:our-agents-py3_12-x86_64:1" in printed
    index = json.loads((home / "tried-docs" / "layers.json").read_text())
    assert index["account"] == "123456789012"


@slow
@pytest.mark.index
@pytest.mark.skipif(shutil.which("npm") is None, reason="the CDK needs Node.js, and npm is not on the PATH")
def test_the_cdk(tmp_path: Path) -> None:
    app_in(tmp_path / "examples" / "deploy_to_lambda")  # its packages are installed already
    script = commands("cdk").replace("npm install\n", "").replace("npx cdk bootstrap\n", "")
    assert script.count("npx cdk deploy") == 2
    script = script.replace("npx cdk deploy", "npx cdk --no-notices --no-version-reporting synth --quiet")
    shell(script, tmp_path, CDK_DISABLE_CLI_TELEMETRY="true", HOME=str(tmp_path))
    out = tmp_path / "examples" / "deploy_to_lambda" / "cdk.out"
    assert "CustomLayerArm64.template.json" in {path.name for path in out.iterdir()}
    assert {path.name for path in out.glob("asset.*.zip")}
