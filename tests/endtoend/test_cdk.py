"""The CDK app of the examples, synthesized with the packages of its package.json."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests import REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "deploy_to_lambda"
MODEL = "global.anthropic.claude-sonnet-4-6"

pytestmark = [
    pytest.mark.index,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("npm") is None, reason="the CDK needs Node.js, and npm is not on the PATH"),
]


def node_modules(text: bytes) -> Path:
    """Install the packages of a package.json outside the repository, once for each content; return their folder."""
    kept = Path.home() / ".cache" / "strands-layers-tests" / "node" / hashlib.sha256(text).hexdigest()[:16]
    if not kept.is_dir():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".new-") as name:
            made = Path(name) / "made"
            made.mkdir()
            (made / "package.json").write_bytes(text)
            options = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
            command = ["npm", "install", *options]
            done = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            try:
                made.replace(kept)
            except OSError:  # another run has installed them
                assert kept.is_dir()
    return kept / "node_modules"


def app_in(folder: Path) -> Path:
    """Copy the example with its packages."""
    left = shutil.ignore_patterns("node_modules", "build", "cdk.out", "packaging", "__pycache__")
    shutil.copytree(EXAMPLE, folder, ignore=left)
    (folder / "node_modules").symlink_to(node_modules((EXAMPLE / "package.json").read_bytes()))
    return folder


def cdk(app: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the CDK command line without telemetry."""
    quiet = {"CDK_DISABLE_CLI_TELEMETRY": "true", "npm_config_update_notifier": "false", "HOME": str(app)}
    command = ["node_modules/.bin/cdk", "--no-notices", "--no-version-reporting", *arguments]
    return subprocess.run(
        command, cwd=app, env={**os.environ, **quiet}, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthesize the app: the official layer at number 7, with an MCP server; custom layers for both architectures."""
    app = app_in(tmp_path_factory.mktemp("cdk") / "app")
    for architecture in ("aarch64", "x86_64"):
        for name in ("app.zip", "dependencies.zip"):
            path = app / "packaging" / architecture / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("held/only/by/the/test.txt", f"{architecture} {name}")
    done = cdk(app, "synth", "--quiet", "-c", "layerVersion=7", "-c", "mcpUrl=https://mcp.example.com/mcp")
    assert done.returncode == 0, done.stdout + done.stderr
    return app


@pytest.fixture(scope="module")
def templates(app: Path) -> dict[str, dict[str, Any]]:
    """Return the template of every stack."""
    return {path.name.split(".")[0]: json.loads(path.read_text()) for path in app.glob("cdk.out/*.template.json")}


def of_type(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [part["Properties"] for part in template["Resources"].values() if part["Type"] == kind]


def flat(value: Any) -> str:
    """Return a CloudFormation value as text, with intrinsic functions resolved where possible."""
    match value:
        case {"Ref": str(name)}:
            return "${" + name + "}"
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(map(flat, parts))
        case str(text):
            return text
    raise AssertionError(f"unexpected: {value}")


ARCHITECTURES = {"Arm64": ("arm64", "aarch64"), "X8664": ("x86_64", "x86_64")}


def test_the_app_has_its_documented_stacks(templates: dict[str, dict[str, Any]]) -> None:
    assert set(templates) == {f"{layer}Layer{arch}" for layer in ("Official", "Custom") for arch in ARCHITECTURES}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_agent_uses_the_official_layer(templates: dict[str, dict[str, Any]], name: str) -> None:
    template = templates[f"OfficialLayer{name}"]
    api_name, in_name = ARCHITECTURES[name]
    functions = of_type(template, "AWS::Lambda::Function")
    handlers = {function["Handler"] for function in functions}
    assert handlers == {"weather_handler.handler", "mcp_handler.handler", "mcp_warm_handler.handler"}
    for function in functions:
        assert function["Runtime"] == "python3.12"
        assert function["Architectures"] == [api_name]
        assert function["MemorySize"] >= 512
        assert function["Timeout"] >= 60
        assert [flat(arn) for arn in function["Layers"]] == [
            f"arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:856699698935:layer:strands-agents-py3_12-{in_name}:7"
        ]
        variables = function["Environment"]["Variables"]
        assert variables["MODEL_ID"] == MODEL
        assert variables.get("MCP_URL") == (None if "weather" in function["Handler"] else "https://mcp.example.com/mcp")
    assert of_type(template, "AWS::Lambda::LayerVersion") == []


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_agent_uses_a_custom_layer(templates: dict[str, dict[str, Any]], name: str) -> None:
    template = templates[f"CustomLayer{name}"]
    api_name, _ = ARCHITECTURES[name]
    (layer,) = of_type(template, "AWS::Lambda::LayerVersion")
    assert layer["CompatibleRuntimes"] == ["python3.12"]
    assert layer["CompatibleArchitectures"] == [api_name]
    (function,) = of_type(template, "AWS::Lambda::Function")
    assert function["Handler"] == "daylight_handler.handler"
    assert function["Runtime"] == "python3.12"
    assert function["Architectures"] == [api_name]
    (reference,) = function["Layers"]
    assert template["Resources"][reference["Ref"]]["Type"] == "AWS::Lambda::LayerVersion"
    other = templates["CustomLayerX8664" if name == "Arm64" else "CustomLayerArm64"]
    assert layer["Content"]["S3Key"] != of_type(other, "AWS::Lambda::LayerVersion")[0]["Content"]["S3Key"]


def test_an_agent_may_only_call_its_model(templates: dict[str, dict[str, Any]]) -> None:
    profile = f"arn:${{AWS::Partition}}:bedrock:${{AWS::Region}}:${{AWS::AccountId}}:inference-profile/{MODEL}"
    models = "arn:${AWS::Partition}:bedrock:*::foundation-model/anthropic.claude-sonnet-4-6"
    for template in templates.values():
        policies = of_type(template, "AWS::IAM::Policy")
        assert len(policies) == len(of_type(template, "AWS::Lambda::Function"))
        for policy in policies:
            (statement,) = policy["PolicyDocument"]["Statement"]
            assert statement["Effect"] == "Allow"
            assert statement["Action"] == ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
            assert [flat(arn) for arn in statement["Resource"]] == [profile, models]
        for role in of_type(template, "AWS::IAM::Role"):
            assert [flat(arn).rpartition("/")[2] for arn in role["ManagedPolicyArns"]] == [
                "AWSLambdaBasicExecutionRole"
            ]


def test_a_function_url_requires_iam_authorization(templates: dict[str, dict[str, Any]]) -> None:
    for template in templates.values():
        urls = of_type(template, "AWS::Lambda::Url")
        assert len(urls) == len(of_type(template, "AWS::Lambda::Function"))
        assert {url["AuthType"] for url in urls} == {"AWS_IAM"}
        assert of_type(template, "AWS::Lambda::Permission") == []  # no public permission


def test_each_stack_outputs_its_own_names(templates: dict[str, dict[str, Any]]) -> None:
    names = [f["FunctionName"] for t in templates.values() for f in of_type(t, "AWS::Lambda::Function")]
    assert len(names) == len(set(names))
    assert "OfficialLayerArm64-Weather" in names
    outputs = templates["OfficialLayerArm64"]["Outputs"]
    assert {"WeatherName", "WeatherUrl"} <= {key[:-8] for key in outputs}  # without the hash that the CDK appends


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("layerVersion", "latest", "layerVersion is the number"),
        ("layerVersion", "0", "layerVersion is the number"),
        ("python", "3.9", "no layer for Python 3.9"),
    ],
)
def test_a_wrong_setting_is_named(app: Path, setting: str, value: str, said: str) -> None:
    context = {**json.loads((app / "cdk.json").read_text())["context"], setting: value}
    command = ["node", "build/bin/agents.js"]
    environment = {**os.environ, "CDK_CONTEXT_JSON": json.dumps(context)}
    done = subprocess.run(command, cwd=app, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert said in done.stderr
