"""Snippets: each is read by the tool, or the language, that it is for."""

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
from cfnlint.api import lint_all

from builder.model.matrix import Matrix
from publisher.catalog.index import Row, make_index
from publisher.catalog.lookup import Query, select
from publisher.catalog.snippets import FORMATS, snippet
from tests.conftest import Sandbox
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
@pytest.mark.parametrize("form", sorted(set(FORMATS) - {"serverless"}))
def test_every_layer_that_was_asked_for_is_in_it(form: str, selection: Sequence[Row]) -> None:
    text = snippet(form, selection)
    assert all(row.arn in text or row.arn.rpartition(":")[0] in text for row in selection)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_arns_stand_alone() -> None:
    assert snippet("arn", MANY).splitlines() == [row.arn for row in MANY]


class _Tags(yaml.SafeLoader):
    """YAML with CloudFormation's short functions."""


def _short(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, object]:
    value = loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else node.value
    return {tag: value}


_Tags.add_multi_constructor("!", _short)


@pytest.mark.parametrize("form", ["sam", "cloudformation"])
@pytest.mark.parametrize("selection", SELECTIONS)
def test_templates_pass_cfn_lint(form: str, selection: Sequence[Row]) -> None:
    assert problems(snippet(form, selection)) == []


def test_cfn_lint_would_find_a_problem() -> None:
    assert problems(snippet("cloudformation", ONE).replace("python3.12", "python9.9"))
    assert problems(snippet("sam", ONE).replace("Py312Arm64]", "Py312]"))


def problems(template: str) -> list[str]:
    """What cfn-lint finds, of what its command line shows by default."""
    return [str(match) for match in lint_all(template) if match.rule.severity != "informational"]


@pytest.mark.parametrize("form", ["sam", "cloudformation"])
def test_a_template_maps_every_region_to_its_arn(form: str) -> None:
    template = yaml.load(snippet(form, MANY), _Tags)  # noqa: S506 - a SafeLoader
    (mapping,) = template["Mappings"].values()
    assert {arn for region in mapping.values() for arn in region.values()} == {row.arn for row in MANY}
    assert all(f":{region}:" in arn for region, arns in mapping.items() for arn in arns.values())
    function = template["Resources"]["AgentFunction"]["Properties"]
    (layer,) = function["Layers"]
    name, _, key = layer["FindInMap"]
    assert mapping == template["Mappings"][name]
    assert (function["Runtime"], function["Architectures"]) == ("python3.12", ["x86_64"])
    assert "py3_12-x86_64" in mapping["eu-north-1"][key]


@pytest.mark.parametrize("selection", SELECTIONS)
def test_terraform_reads_it(selection: Sequence[Row]) -> None:
    (local,) = hcl2.loads(snippet("terraform", selection))["locals"]
    assert "demo_agents_layers" in local
    arns = json.dumps(local)
    assert all(row.arn in arns for row in selection)


@pytest.mark.parametrize("selection", SELECTIONS)
def test_terraform_reads_what_it_says_of_a_function(selection: Sequence[Row]) -> None:
    text = snippet("terraform", selection)
    lines = "\n".join(re.findall(r"^#   (.*)$", text, re.MULTILINE))
    (resource,) = hcl2.loads(f'resource "aws_lambda_function" "agent" {{\n{lines}\n}}\n')["resource"]
    ((function,),) = (kinds.values() for kinds in resource.values())
    asked = re.search(r'local\.(\w+)\[("[\w-]+")\]\[("[\w.-]+")\]', function["layers"][0])
    assert asked is not None
    (local,) = hcl2.loads(text)["locals"]
    arn = local[asked[1]][asked[2]][asked[3]].strip('"')
    (row,) = [row for row in selection if row.arn == arn]
    assert function["runtime"] == f'"python{row.python}"'
    assert function["architectures"] == [f'"{row.architecture.api_name}"']


@pytest.mark.parametrize("selection", SELECTIONS)
def test_cdk_for_python_is_python_that_makes_each_layer_once(selection: Sequence[Row]) -> None:
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


def test_cdk_names_what_the_cdk_has() -> None:
    text = snippet("cdk", ONE)
    assert 'fromLayerVersionArn(\n  this, "DemoAgentsPy312Arm64", "arn:aws:lambda:us-east-1:' in text
    assert "lambda.Runtime.PYTHON_3_12" in text
    assert "lambda.Architecture.ARM_64" in text


def test_serverless_finds_the_layer_by_region() -> None:
    config = yaml.safe_load(snippet("serverless", MANY))
    assert set(config["custom"]["demo_agents_layer"]) == set(MATRIX.regions)
    assert config["functions"]["agent"]["layers"] == ["${self:custom.demo_agents_layer.${aws:region}}"]
    assert (config["provider"]["runtime"], config["provider"]["architecture"]) == ("python3.12", "x86_64")


def test_the_commands_are_the_aws_cli_s_own() -> None:
    from awscli.clidriver import create_clidriver

    known = create_clidriver().create_help_command().command_table["lambda"].create_help_command().command_table
    lines = snippet("cli", MANY).replace("\\\n", " ").splitlines()
    commands = [shlex.split(line.removeprefix("# ")) for line in lines if "aws lambda" in line]
    assert len(commands) == 2 * len(MANY)
    for _, _, name, *arguments in commands:
        flags = {word.removeprefix("--") for word in arguments if word.startswith("--")} - {"region"}
        assert flags <= set(known[name].arg_table)


def test_the_commands_work_as_pasted(sandbox: Sandbox) -> None:
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
def test_a_package_may_have_an_odd_name(form: str) -> None:
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
