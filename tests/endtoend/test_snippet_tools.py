"""Snippets in their tools, as far as these need no account: SAM, Serverless, the CDK.

The tools come from PyPI and npm. ``tests/publisher/catalog/test_snippets.py`` has the checks that need no tool.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from publisher.catalog.index import Row
from publisher.catalog.snippets.render import snippet
from tests.endtoend.test_cdk import EXAMPLE, node_modules
from tests.publisher.catalog.test_snippets import ONE, rows

SAM = "aws-sam-cli==1.170.0"
SERVERLESS = (
    b'{"private": true, "dependencies": {"osls": "4.3.1"}}'  # the maintained fork of Serverless 3, without login
)
SOME = rows(pythons=("3.12",), regions=("eu-*",))
MANY = rows(pythons=("3.12",))  # SAM refuses deprecated runtimes such as 3.10
SELECTIONS = {"one": ONE, "some": SOME, "many": MANY}

pytestmark = [pytest.mark.index, pytest.mark.slow, pytest.mark.parametrize("selection", SELECTIONS)]
needs_node = pytest.mark.skipif(shutil.which("npm") is None, reason="it needs Node.js, and npm is not on the PATH")


def run(folder: Path, *command: str, **variables: str) -> str:
    quiet = {"SAM_CLI_TELEMETRY": "0", "SLS_NOTIFICATIONS_MODE": "off", "CI": "true", "HOME": str(folder)}
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **quiet, **variables}, capture_output=True, text=True, check=False,
        timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("form", ["sam", "cloudformation"])
def test_sam_validates_it(tmp_path: Path, selection: str, form: str) -> None:
    (tmp_path / "template.yaml").write_text(snippet(form, SELECTIONS[selection]))
    uv = str(Path(sys.executable).parent / "uv")
    tools = {name: str(Path.home() / ".cache" / "strands-layers-tests" / name) for name in ("uv", "uv-tools")}
    kept = {"UV_CACHE_DIR": tools["uv"], "UV_TOOL_DIR": tools["uv-tools"]}
    command = [uv, "tool", "run", "--from", SAM, "sam", "validate", "--template", "template.yaml"]
    assert "is a valid SAM Template" in run(tmp_path, *command, "--lint", **kept)
    if form == "sam":
        assert "is a valid SAM Template" in run(tmp_path, *command, **kept)


@needs_node
def test_serverless_packages_it(tmp_path: Path, selection: str) -> None:
    text = snippet("serverless", SELECTIONS[selection]) + "configValidationMode: error\n"
    (tmp_path / "serverless.yml").write_text(text)
    (tmp_path / "agent_handler.py").write_text("def handler(event, context):\n    return event\n")
    region = SELECTIONS[selection][-1].region
    run(tmp_path, str(node_modules(SERVERLESS) / ".bin" / "serverless"), "package", "--region", region)
    template = json.loads((tmp_path / ".serverless" / "cloudformation-template-update-stack.json").read_text())
    functions = [
        each["Properties"] for each in template["Resources"].values() if each["Type"] == "AWS::Lambda::Function"
    ]
    expected = {
        (row.target_key.runtime.api_name, row.architecture.api_name, row.arn)
        for row in SELECTIONS[selection]
        if row.region == region
    }
    assert {(each["Runtime"], each["Architectures"][0], *each["Layers"]) for each in functions} == expected
    assert "bedrock:InvokeModelWithResponseStream" in json.dumps(template["Resources"]["IamRoleLambdaExecution"])


@needs_node
def test_the_cdk_compiles_and_synthesizes_it(tmp_path: Path, selection: str) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules((EXAMPLE / "package.json").read_bytes()))
    (tmp_path / "stack.ts").write_text(stack(snippet("cdk", SELECTIONS[selection])))
    options = ["--strict", "--skipLibCheck", "--module", "node16", "--target", "ES2022", "--types", "node"]
    run(tmp_path, "node_modules/.bin/tsc", *options, "stack.ts")
    run(tmp_path, "node", "stack.js")
    template = json.loads((tmp_path / "out" / "pasted.template.json").read_text())
    (layer,) = _function(template)["Layers"]
    if isinstance(layer, str):
        assert [layer] == [row.arn for row in SELECTIONS[selection]]
    else:
        name, region, key = layer["Fn::FindInMap"]
        assert region == {"Ref": "AWS::Region"}
        found = {place: values[key] for place, values in template["Mappings"][name].items()}
        assert found == {row.region: row.arn for row in _same_layer(SELECTIONS[selection], found)}


@needs_node
@pytest.mark.parametrize("region", ["eu-west-1", "eu-south-1"])
def test_a_stack_in_a_region_without_the_layer_fails_at_synth(tmp_path: Path, selection: str, region: str) -> None:
    if selection == "one":
        pytest.skip("a plain ARN is for one region")
    (tmp_path / "node_modules").symlink_to(node_modules((EXAMPLE / "package.json").read_bytes()))
    (tmp_path / "stack.ts").write_text(stack(snippet("cdk", SELECTIONS[selection]), region))
    options = ["--skipLibCheck", "--module", "node16", "--target", "ES2022", "--types", "node"]
    run(tmp_path, "node_modules/.bin/tsc", *options, "stack.ts")
    done = subprocess.run(["node", "stack.js"], cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S607
    if region == "eu-west-1":
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode != 0
    assert "Mapping doesn't contain top-level key 'eu-south-1'" in done.stderr


def stack(text: str, region: str | None = None) -> str:
    """Return a stack with the snippet where its comments say that it belongs."""
    imports = set(re.findall(r"^// (import .*)$", text, re.MULTILINE)) | {'import * as cdk from "aws-cdk-lib";'}
    (function,) = re.findall(r"^// (new lambda\.Function.*)$", text, re.MULTILINE)
    code = 'lambda.Code.fromInline("def handler(event, context): pass")'
    function = function.replace("this, …", 'this, "Agent"').replace(
        ", … }", f', handler: "index.handler", code: {code} }}'
    )
    body = [
        *sorted(imports),
        "class Pasted extends cdk.Stack {",
        "constructor(app: cdk.App) {",
        f'super(app, "pasted", {{ env: {{ region: "{region}" }} }});' if region else 'super(app, "pasted");',
    ]
    end = ["}", "}", 'const app = new cdk.App({ outdir: "out" });', "new Pasted(app);", "app.synth();"]
    return "\n".join([*body, text, f"{function};", *end, ""])


def _function(template: dict[str, Any]) -> dict[str, Any]:
    (found,) = [part for part in template["Resources"].values() if part["Type"] == "AWS::Lambda::Function"]
    properties: dict[str, Any] = found["Properties"]
    return properties


def _same_layer(selection: tuple[Row, ...], found: dict[str, str]) -> list[Row]:
    names = {arn.split(":")[6] for arn in found.values()}
    assert len(names) == 1
    return [row for row in selection if row.layer_name in names]
