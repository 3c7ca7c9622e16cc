"""Layers of another team: its package, organization, regions and partition, from the build to the table."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests import REPOSITORY
from tests.conftest import ACCOUNT, Sandbox
from tests.fakes.command import Layers
from tests.fakes.wheels import make_wheel

OWN: dict[str, Any] = {
    "account": ACCOUNT,
    "package": "our-agents",
    "extras": ["http"],
    "requirements": ["our-tools>=2"],
    "python": ["3.12"],
    "architectures": ["aarch64"],
    "layer_name": "team-{package}-{python}-{architecture}",
    "description": "{package} {version} of the platform team ({architecture})",
    "license": "proprietary",
    "permission": {"principal": "*", "organization": "o-a1b2c3d4e5"},
    "parameters": {"prefix": "/team/layers"},
}
PLACES = {
    "aws": ["eu-central-1", "eu-west-1", "us-east-1"],
    "aws-us-gov": ["us-gov-west-1", "us-gov-east-1"],
    "aws-cn": ["cn-north-1", "cn-northwest-1"],
}


@pytest.fixture
def wheels(index: Path) -> Path:
    """Return an index with only the team's packages."""
    extra = ("our-http; extra == 'http'\nProvides-Extra: http",)  # adds a line to METADATA
    for version in ("1.0", "1.1"):
        make_wheel(index, "our_agents", version, requires=extra)
    make_wheel(index, "our_http")
    make_wheel(index, "our_tools", "1.0")
    make_wheel(index, "our_tools", "2.5")
    return index


@pytest.mark.parametrize(
    "partition", ["aws-cn", *(pytest.param(each, marks=pytest.mark.slow) for each in ("aws", "aws-us-gov"))]
)
@pytest.mark.usefixtures("wheels")
def test_another_teams_matrix_works_from_build_to_table(sandbox: Sandbox, tmp_path: Path, partition: str) -> None:
    regions = PLACES[partition]
    layers = Layers(tmp_path, {**OWN, "regions": regions})
    name = "team-our-agents-3_12-aarch64"
    arns = [f"arn:{partition}:lambda:{region}:{ACCOUNT}:layer:{name}:1" for region in regions]

    built = layers("build", "--version", "1.0", "--output", str(tmp_path / "dist"), "--json")
    assert built.code == 0, built.err
    (artifact,) = built.json["artifacts"]
    assert {each["name"]: each["version"] for each in artifact["lock"]} == {
        "our-agents": "1.0", "our-http": "1.0", "our-tools": "2.5",
    }  # fmt: skip
    with zipfile.ZipFile(tmp_path / "dist" / f"{name}.zip") as archive:
        assert "python/our_tools/__pycache__/__init__.cpython-312.pyc" in archive.namelist()

    plan = layers("plan", "--version", "1.0", "--json")
    for command, document in (("build", built.json), ("plan", plan.json)):
        jsonschema.validate(document, json.loads((REPOSITORY / "docs" / f"{command}.schema.json").read_text()))
    assert plan.json["counts"] == {"publish": len(regions)}
    options = ("--artifacts", str(tmp_path / "dist"), "--yes", "--json")
    published = layers("publish", "--version", "1.0", *options)
    assert published.code == 0, published.err
    assert published.json["complete"]
    states = [line.partition("3.12-aarch64: ")[2] for line in published.err.splitlines() if "3.12-aarch64: " in line]
    assert set(states) == {"published, private", "shared"}  # with the organization
    assert [cell["arn"] for cell in published.json["cells"]] == arns
    assert published.json["parameters"]["written"] == 4 * len(regions)  # by number, by version, and two for latest
    _check_in_aws(sandbox, regions, name)

    described = layers("describe", "--region", "all", "--json")
    assert [row["arn"] for row in described.json] == arns
    for form in ("arn", "cloudformation", "terraform", "cdk"):
        snippet = layers("describe", "--region", regions[0], "--format", form)
        assert snippet.code == 0, snippet.err
        assert name in snippet.out
    assert layers("verify", arns[0]).code == 0
    assert layers("audit").code == 0

    docs = tmp_path / "docs"
    assert layers("docs", "--output", str(docs)).code == 0
    table, index = (docs / "layers.md").read_text(), json.loads((docs / "layers.json").read_text())
    own = "team-our-agents-{python}-{architecture}:{layer_version}"
    assert index["arn"] == f"arn:{partition}:lambda:{{region}}:{ACCOUNT}:layer:{own}"
    assert index["releases"][0]["targets"][0]["packages"]["our-tools"] == "2.5"
    assert all(region in table for region in regions)
    for written in docs.rglob("*.*"):
        assert "strands" not in _without_tool(written.read_text("utf-8")).lower(), written

    assert layers("publish", "--version", "1.1", "--yes").code == 0
    assert layers("yank", "--layer-version", "2", "--reason", "broken", "--yes").code == 0
    latest = sandbox.client("ssm", regions[0]).get_parameter(Name="/team/layers/3.12/aarch64/latest")
    assert latest["Parameter"]["Value"] == arns[0]


def _check_in_aws(sandbox: Sandbox, regions: list[str], name: str) -> None:
    for region in regions:
        client = sandbox.layers(region)
        held = client.get_layer_version(LayerName=name, VersionNumber=1)
        assert held["Description"] == "our-agents 1.0 of the platform team (aarch64)"
        assert held["LicenseInfo"] == "proprietary"
        policy = json.loads(client.get_layer_version_policy(LayerName=name, VersionNumber=1)["Policy"])
        (statement,) = policy["Statement"]
        assert "o-a1b2c3d4e5" in json.dumps(statement)


def _without_tool(text: str) -> str:
    """Return the text without the name of this program."""
    return text.replace("strands-layers", "")


def test_the_code_does_not_name_the_official_layers() -> None:
    official = ("856699698935", "strands-agents-py", "layer:strands")
    code = [path for package in ("builder", "publisher") for path in (REPOSITORY / package).rglob("*")]
    texts = {path: path.read_text("utf-8") for path in code if path.suffix in (".py", ".html", ".js", ".css", ".json")}
    assert len(texts) > 50
    assert [str(path) for path, text in texts.items() if any(word in text for word in official)] == []
