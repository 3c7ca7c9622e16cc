"""Snippets: the tool or language of each snippet can read it."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import hcl2
import pytest
import yaml

from builder.model.matrix import Matrix
from publisher.catalog.index import Row, make_index
from publisher.catalog.lookup import Query, select
from publisher.catalog.snippets import FORMATS
from publisher.catalog.snippets.render import snippet
from tests import REPOSITORY
from tests.conftest import Sandbox
from tests.fakes.cfn_lint import findings
from tests.fakes.simulated_runs import make_zip
from tests.publisher.catalog.catalog_cases import catalog_matrix, history, recorded
from tests.publisher.reconcile.plan_cases import small_matrix

MATRIX = catalog_matrix()


def rows(matrix: Matrix = MATRIX, **ask: tuple[str, ...]) -> tuple[Row, ...]:
    return select(make_index(matrix, history(matrix)[:3]), Query(**ask)).rows  # type: ignore[arg-type]


ONE = rows(regions=("us-east-1",), pythons=("3.12",), architectures=("aarch64",))
MANY = rows()
SELECTIONS = [pytest.param(ONE, id="one"), pytest.param(MANY, id="many")]


@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("form", FORMATS)
def test_a_snippet_has_every_selected_layer(form: str, selection: Sequence[Row]) -> None:
    text = snippet(form, selection)
    assert all(row.arn in text or row.arn.rpartition(":")[0] in text for row in selection)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_the_arn_format_has_one_arn_per_line() -> None:
    assert snippet("arn", MANY).splitlines() == [row.arn for row in MANY]


class _Tags(yaml.SafeLoader):
    """Loads YAML with CloudFormation's short functions."""


def _short(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, object]:
    value = loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else node.value
    return {tag: value}


_Tags.add_multi_constructor("!", _short)


@pytest.mark.parametrize("form", ["sam", "cloudformation"])
@pytest.mark.parametrize("selection", SELECTIONS)
def test_templates_pass_cfn_lint(form: str, selection: Sequence[Row]) -> None:
    assert problems(snippet(form, selection)) == []


def test_cfn_lint_reports_a_broken_template() -> None:
    assert problems(snippet("cloudformation", ONE).replace("python3.12", "python9.9"))
    assert problems(snippet("sam", MANY).replace("Py312Arm64]", "Py312]"))


def problems(template: str) -> list[str]:
    """Return the findings of cfn-lint without the warning about Python 3.10, which the test selects."""
    return findings(template, MATRIX.regions, ignored=("W2531",))


@pytest.mark.parametrize("form", ["sam", "cloudformation"])
def test_a_template_maps_every_region_to_its_arn(form: str) -> None:
    template = yaml.load(snippet(form, MANY), _Tags)  # noqa: S506 - a SafeLoader
    (mapping,) = template["Mappings"].values()
    assert {arn for region in mapping.values() for arn in region.values()} == {row.arn for row in MANY}
    assert all(f":{region}:" in arn for region, arns in mapping.items() for arn in arns.values())
    functions = [part["Properties"] for part in template["Resources"].values() if "Function" in part["Type"]]
    assert len(functions) == len(MATRIX.targets)
    for function, target in zip(functions, MATRIX.targets, strict=True):
        (layer,) = function["Layers"]
        name, _, key = layer["FindInMap"]
        assert mapping == template["Mappings"][name]
        assert function["Runtime"] == target.runtime.api_name
        assert function["Architectures"] == [target.architecture.api_name]
        assert {arns[key].split(":")[6] for arns in mapping.values()} == {target.layer_name}


@pytest.mark.parametrize("form", ["sam", "cloudformation", "serverless", "cdk", "cdk-python"])
def test_a_template_for_one_region_has_the_plain_arn_and_no_mapping(form: str) -> None:
    text = snippet(form, rows(regions=("us-east-1",)))
    assert not re.search("(?i)mapping|custom|find_?in_?map", text)
    assert all(text.count(row.arn) == 1 for row in rows(regions=("us-east-1",)))


def test_sam_takes_its_code_from_a_folder_and_may_use_bedrock() -> None:
    template = yaml.load(snippet("sam", ONE), _Tags)  # noqa: S506 - a SafeLoader
    function = template["Resources"]["AgentFunction"]["Properties"]
    assert function["CodeUri"] == "agent/"
    assert function["Timeout"] >= 60
    assert "bedrock:InvokeModelWithResponseStream" in json.dumps(function["Policies"])


@pytest.mark.parametrize("selection", SELECTIONS)
def test_the_terraform_snippet_is_hcl_and_contains_every_arn(selection: Sequence[Row]) -> None:
    (local,) = hcl2.loads(snippet("terraform", selection))["locals"]
    assert "demo_agents_layers" in local
    arns = json.dumps(local)
    assert all(row.arn in arns for row in selection)


@pytest.mark.parametrize("selection", SELECTIONS)
def test_the_commented_terraform_function_has_the_runtime_of_its_layer(selection: Sequence[Row]) -> None:
    text = snippet("terraform", selection)
    lines = "\n".join(re.findall(r"^#   (.*)$", text, re.MULTILINE))
    (resource,) = hcl2.loads(f'resource "aws_lambda_function" "agent" {{\n{lines}\n}}\n')["resource"]
    ((function,),) = (kinds.values() for kinds in resource.values())
    asked = re.search(r'local\.(\w+)(?:\[("[\w-]+")\])?\[("[\w.-]+")\]', function["layers"][0])
    assert asked is not None
    (local,) = hcl2.loads(text)["locals"]
    arns = local[asked[1]][asked[2]] if asked[2] else local[asked[1]]
    arn = arns[asked[3]].strip('"')
    (row,) = [row for row in selection if row.arn == arn]
    assert function["runtime"] == f'"python{row.python}"'
    assert function["architectures"] == [f'"{row.architecture.api_name}"']


@pytest.mark.parametrize("selection", SELECTIONS)
def test_cdk_for_python_compiles_and_creates_each_layer_once(selection: Sequence[Row]) -> None:
    tree = ast.parse(snippet("cdk-python", selection))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    made = [
        call
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("from_layer_version_arn", "CfnMapping")
    ]
    ids = [call.args[1].value for call in made if isinstance(call.args[1], ast.Constant)]
    assert len(ids) == len(set(ids)) == len(made)
    imported = {
        alias.asname or alias.name for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom) for alias in n.names
    }
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    assert used - bound - {"self"} == imported


def test_cdk_uses_names_that_exist_in_the_cdk() -> None:
    text = snippet("cdk", ONE)
    assert 'fromLayerVersionArn(\n  this, "DemoAgentsPy312Arm64", "arn:aws:lambda:us-east-1:' in text
    assert "lambda.Runtime.PYTHON_3_12" in text
    assert "lambda.Architecture.ARM_64" in text


def test_serverless_has_a_function_for_each_target_which_finds_its_layer_by_region() -> None:
    config = yaml.load(snippet("serverless", MANY), _Tags)  # noqa: S506 - a SafeLoader
    arns = config["custom"]["demo_agents_layers"]
    assert set(arns) == set(MATRIX.regions)
    assert len(config["functions"]) == len(MATRIX.targets)
    for function, target in zip(config["functions"].values(), MATRIX.targets, strict=True):
        (layer,) = function["layers"]
        found = re.fullmatch(r"\$\{self:custom\.demo_agents_layers\.\$\{aws:region\}\.(\w+)\}", layer)
        assert found is not None
        assert {of_region[found[1]].split(":")[6] for of_region in arns.values()} == {target.layer_name}
        assert (function["runtime"], function["architecture"]) == (
            target.runtime.api_name,
            target.architecture.api_name,
        )


def test_serverless_deploys_by_default_to_a_region_that_has_every_layer() -> None:
    matrix = small_matrix(unsupported=[{"region": "us-east-1", "python": "3.13"}])
    config = yaml.load(snippet("serverless", rows(matrix)), _Tags)  # noqa: S506 - a SafeLoader
    assert config["provider"]["region"] == "eu-west-1"
    assert len(config["custom"]["demo_layers"]["eu-west-1"]) == len(config["functions"]) == len(matrix.targets)


def test_serverless_sets_timeout_memory_and_model_permission() -> None:
    provider = yaml.load(snippet("serverless", ONE), _Tags)["provider"]  # noqa: S506 - a SafeLoader
    assert (provider["timeout"], provider["memorySize"]) == (120, 1024)
    assert "bedrock:InvokeModelWithResponseStream" in json.dumps(provider["iam"])


def test_the_commands_exist_in_the_aws_cli() -> None:
    from awscli.clidriver import create_clidriver

    known = create_clidriver().create_help_command().command_table["lambda"].create_help_command().command_table
    lines = snippet("cli", MANY).replace("\\\n", " ").splitlines()
    commands = [shlex.split(line.removeprefix("# ")) for line in lines if "aws lambda" in line]
    assert len(commands) == 2 * len(MANY)
    for _, _, name, *arguments in commands:
        flags = {word.removeprefix("--") for word in arguments if word.startswith("--")} - {"region"}
        assert flags <= set(known[name].arg_table)


def test_the_pasted_commands_work(sandbox: Sandbox) -> None:
    (row,) = ONE
    sandbox.layers().publish_layer_version(LayerName=row.layer_name, Content={"ZipFile": make_zip("pasted")})
    pasted = row.model_copy(
        update={
            "layer_version": 1,
            "arn": f"arn:aws:lambda:us-east-1:{sandbox.account}:layer:{row.layer_name}:1",
        }
    )
    here = {**sandbox.environment(), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["/bin/sh", "-e"], input=snippet("cli", [pasted]), env=here, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["LayerVersionArn"] == pasted.arn


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_an_unusual_package_name_gives_a_valid_snippet(form: str) -> None:
    matrix = small_matrix(package="2captcha-Python")
    selection = select(make_index(matrix, (recorded(matrix, 1, "1.0"),)), Query()).rows
    text = snippet(form, selection)
    if form == "cdk-python":
        ast.parse(text)
    elif form == "terraform":
        hcl2.loads(text)
    elif form == "cdk":
        assert all(re.fullmatch(r"[a-zA-Z]\w*", name) for name in re.findall(r"const (\S+) =", text))
    elif form in ("sam", "cloudformation"):
        assert problems(text) == []


def test_the_guide_names_every_format() -> None:
    text = (REPOSITORY / "docs" / "guide.md").read_text("utf-8")
    (formats,) = re.findall(r"`--format` prints the snippet of another tool: ([^.]*)\.", text)
    assert set(re.findall(r"`([^`]*)`", formats)) == {*FORMATS} - {"arn"}
