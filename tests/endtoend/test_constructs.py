"""The CDK constructs and the Terraform module, run by the CDK, the TypeScript compiler and Terraform."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from publisher.catalog.index import make_index
from publisher.followers.constructs.construct_files import construct_files
from tests.endtoend.test_cdk import EXAMPLE, node_modules
from tests.publisher.catalog.catalog_cases import catalog_matrix, history

MATRIX = catalog_matrix()
ARNS = {
    region: f"arn:aws:lambda:{region}:123456789012:layer:demo-agents-py3_12-aarch64:3"
    for region in ("us-east-1", "eu-west-1", "eu-north-1")
}
#: What the stack requests, and what the error must name.
REFUSED = {
    "version": ("3_12", "9.9", "us-east-1", "demo-agents 9.9 has no layer for py3.12-aarch64", "1.1"),
    "yanked": ("3_12", "1.0", "us-east-1", "demo-agents 1.0 was yanked (a {broken} | <wheel>)", "1.1"),
    "runtime": ("3_13", "1.1", "us-east-1", "demo-agents has no layer for python3.13 on arm64", "py3.12-aarch64"),
    "region": (
        "3_12",
        "1.1",
        "eu-south-1",
        "demo-agents 1.1 has no layer for py3.12-aarch64 in eu-south-1",
        "eu-west-1",
    ),
}
TYPESCRIPT = """
import * as cdk from "aws-cdk-lib";
import * as lambda from "aws-cdk-lib/aws-lambda";
import {{ DemoAgentsLayer }} from "./constructs/typescript/index";

const runtime = lambda.Runtime.PYTHON_{python};
const architecture = lambda.Architecture.ARM_64;
const app = new cdk.App({{ outdir: "out" }});
const stack = new cdk.Stack(app, "Agent", {{ {environment} }});
const found = new DemoAgentsLayer(stack, "Demo", {{ runtime, architecture{version} }});
new lambda.Function(stack, "Function", {{
  runtime, architecture, layers: [found.layerVersion], handler: "index.handler",
  code: lambda.Code.fromInline("def handler(event, context): pass"),
  description: `${{found.version}} is ${{found.layerVersionNumber}}`,
}});
app.synth();
"""
PYTHON = """
import sys
sys.path.insert(0, "constructs/python")
import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from demo_agents_layers import DemoAgentsLayer

runtime, architecture = lambda_.Runtime.PYTHON_{python}, lambda_.Architecture.ARM_64
app = cdk.App(outdir="out")
stack = cdk.Stack(app, "Agent"{environment})
found = DemoAgentsLayer(stack, "Demo", runtime=runtime, architecture=architecture{version})
lambda_.Function(
    stack, "Function", runtime=runtime, architecture=architecture, layers=[found.layer_version],
    handler="index.handler", code=lambda_.Code.from_inline("def handler(event, context): pass"),
    description=f"{{found.version}} is {{found.layer_version_number}}",
)
app.synth()
"""

pytestmark = [pytest.mark.index, pytest.mark.slow]
needs_node = pytest.mark.skipif(shutil.which("npm") is None, reason="it needs Node.js, and npm is not on the PATH")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the ``constructs/`` of a small index."""
    for path, text in construct_files(make_index(MATRIX, history(MATRIX))).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def run(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1", **variables}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600
    )


def synthesize(folder: Path, language: str, python: str, version: str | None, region: str | None) -> str:
    """Synthesize the stack of a language; return the error output, empty after success."""
    if language == "python":
        environment = f", env=cdk.Environment(region={region!r})" if region else ""
        asked = f", version={version!r}" if version else ""
        (folder / "app.py").write_text(PYTHON.format(python=python, environment=environment, version=asked))
        uv = str(Path(sys.executable).parent / "uv")
        packages = [f"--with={name}" for name in ("aws-cdk-lib==2.275.0", "constructs==10.8.1")]
        cache = str(Path.home() / ".cache" / "strands-layers-tests" / "uv")
        done = run(
            folder, uv, "run", "--no-project", "--isolated", "--python", sys.executable, *packages, "app.py",
            UV_CACHE_DIR=cache,
        )  # fmt: skip
    else:
        environment = f'env: {{ region: "{region}" }}' if region else ""
        asked = f', version: "{version}"' if version else ""
        (folder / "app.ts").write_text(TYPESCRIPT.format(python=python, environment=environment, version=asked))
        (folder / "node_modules").symlink_to(node_modules((EXAMPLE / "package.json").read_bytes()))
        options = ["--strict", "--noUncheckedIndexedAccess", "--skipLibCheck", "--module", "node16"]
        built = run(folder, "node_modules/.bin/tsc", *options, "--target", "ES2022", "--types", "node", "app.ts")
        assert built.returncode == 0, built.stdout
        done = run(folder, "node", "app.js")
    return "" if done.returncode == 0 else done.stdout + done.stderr


def template(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "out" / "Agent.template.json").read_text())
    return loaded


def function(folder: Path) -> dict[str, Any]:
    (found,) = [part for part in template(folder)["Resources"].values() if part["Type"] == "AWS::Lambda::Function"]
    properties: dict[str, Any] = found["Properties"]
    return properties


@needs_node
@pytest.mark.parametrize("language", ["typescript", "python"])
def test_a_stack_gets_the_layer_of_its_region(folder: Path, language: str) -> None:
    assert synthesize(folder, language, "3_12", None, "eu-west-1") == ""
    assert function(folder)["Layers"] == [ARNS["eu-west-1"]]
    assert function(folder)["Description"] == "1.1 is 3"


@needs_node
@pytest.mark.parametrize("language", ["typescript", "python"])
def test_a_stack_without_a_region_gets_a_mapping_of_all(folder: Path, language: str) -> None:
    assert synthesize(folder, language, "3_12", "1.1", None) == ""
    (layer,) = function(folder)["Layers"]
    name, region, key = layer["Fn::FindInMap"]
    assert region == {"Ref": "AWS::Region"}
    assert {place: values[key] for place, values in template(folder)["Mappings"][name].items()} == ARNS


@needs_node
@pytest.mark.parametrize("language", ["typescript", "python"])
@pytest.mark.parametrize("case", sorted(REFUSED))
def test_a_missing_region_runtime_or_version_fails_at_synth_and_the_error_names_what_exists(
    folder: Path, language: str, case: str
) -> None:
    python, version, region, problem, instead = REFUSED[case]
    said = synthesize(folder, language, python, version, region)
    assert problem in said
    assert instead in said.split(problem)[1]


#: A folder with Terraform's AWS provider; read here, because fixtures remove LAYERS_ variables.
PLUGINS = os.environ.get("LAYERS_TEST_TF_PLUGINS")
PROVIDER = """
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

module "layer" {
  source          = "./constructs/terraform"
  runtime         = "%s"
  architecture    = "arm64"
  package_version = "%s"
  region          = "%s"
}

output "arn" {
  value = module.layer.arn
}
"""


@pytest.fixture(scope="module")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return a command that initializes Terraform; LAYERS_TEST_TF_PLUGINS names a mirror of the provider."""
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not on the PATH")
    command = ["terraform", "init", "-input=false", *([f"-plugin-dir={PLUGINS}"] if PLUGINS else [])]
    trial = tmp_path_factory.mktemp("terraform")
    (trial / "main.tf").write_text(
        'terraform {\n  required_providers {\n    aws = { source = "hashicorp/aws" }\n  }\n}\n'
    )
    done = run(trial, *command)
    if done.returncode != 0:
        pytest.skip(f"terraform cannot install its AWS provider here: {done.stderr[-300:]}")
    return command


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on the PATH")
def test_the_terraform_module_is_formatted(folder: Path) -> None:
    done = run(folder, "terraform", "fmt", "-check", "-diff", "constructs/terraform")
    assert (done.returncode, done.stdout) == (0, "")


def test_terraform_plans_the_layer_of_the_region(folder: Path, terraform: list[str]) -> None:
    (folder / "main.tf").write_text(PROVIDER % ("python3.12", "latest", "eu-west-1"))
    assert run(folder, *terraform).returncode == 0
    checked = run(folder, "terraform", "validate")
    assert checked.returncode == 0, checked.stderr
    done = run(folder, "terraform", "plan", "-no-color", "-input=false")
    assert done.returncode == 0, done.stderr
    assert f'arn = "{ARNS["eu-west-1"]}"' in done.stdout


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_terraform_fails_at_plan_and_the_error_names_what_exists(folder: Path, terraform: list[str], case: str) -> None:
    python, version, region, problem, instead = REFUSED[case]
    (folder / "main.tf").write_text(PROVIDER % (f"python{python.replace('_', '.')}", version, region))
    assert run(folder, *terraform).returncode == 0
    done = run(folder, "terraform", "plan", "-no-color", "-input=false")
    assert done.returncode == 1
    said = " ".join(done.stderr.replace("│", " ").split())
    assert problem in said
    assert instead in said.split(problem)[1]
