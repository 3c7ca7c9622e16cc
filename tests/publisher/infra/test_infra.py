"""``layers infra``: valid templates for every kind of matrix, comparing files, refused options."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from builder.model.errors import InputError
from builder.model.matrix import Matrix
from builder.model.matrix_file import load_matrix
from builder.model.regions import known_regions, partition_of
from publisher.aws import resource_names
from publisher.cli.group import layers
from publisher.infra.scope import make_scope
from publisher.infra.template import MAX_INLINE_POLICY_CHARACTERS, plain, roles_template
from tests import REPOSITORY
from tests.fakes.cfn_lint import findings
from tests.fakes.command import SMALL, Layers
from tests.fakes.iam import statements_of

ROOT = REPOSITORY
STAGED = {**SMALL, "staging": {"bucket": "stage-{account}-{region}", "home": "us-east-1"}}
LEDGER = "s3://demo-ledger/records"


def of_regions(*regions: str) -> dict[str, Any]:
    return {
        **SMALL,
        "regions": list(regions),
        "staging": {"bucket": "stage-{account}-{region}", "home": regions[0]},
        "parameters": {"prefix": "/demo/layers"},
    }


MATRICES: dict[str, tuple[dict[str, Any], str]] = {
    "official": (load_matrix(ROOT / "layer_matrix.yaml").model_dump(mode="json"), "ledger"),
    "staging": (STAGED, "ledger"),
    "organization and parameters": (
        {
            **SMALL,
            "permission": {"principal": "*", "organization": "o-a1b2c3d4e5"},
            "parameters": {"prefix": "/demo/layers"},
        },
        LEDGER,
    ),
    "one region": (
        {**of_regions("eu-west-1"), "package": "3d-agents", "staging": {"bucket": "stage", "home": "eu-west-1"}},
        LEDGER,
    ),
    "regions that must be enabled": (of_regions("us-east-1", "ap-east-1", "me-south-1"), LEDGER),
    "China": (of_regions("cn-north-1", "cn-northwest-1"), LEDGER),
    "GovCloud": (of_regions("us-gov-west-1", "us-gov-east-1"), LEDGER),
}
NEEDED = {
    "official": ["roles"],
    "staging": ["roles", "staging"],
    "organization and parameters": ["roles", "ledger"],
}


#: cfn-lint takes seconds for each file.
QUICK = {"official", "staging"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in MATRICES])
def test_cfn_lint_finds_nothing(tmp_path: Path, name: str) -> None:
    keys, ledger = MATRICES[name]
    run = Layers(tmp_path, keys, ledger)
    assert run("infra", "--output", str(tmp_path / "infra")).code == 0
    written = sorted((tmp_path / "infra").iterdir())
    parts = NEEDED.get(name, ["roles", "staging", "ledger"])
    assert [path.name for path in written] == sorted(f"{part}.yaml" for part in parts)
    texts = [path.read_text("utf-8") for path in written]
    inner = [each for text in texts if (each := in_each_region(text))]
    assert len(inner) == ("staging" in parts)
    for text in texts:
        assert findings(text, keys["regions"][:1]) == []
    for text in inner:
        assert findings(text, keys["regions"]) == []


def in_each_region(text: str) -> str | None:
    """Return the template that a StackSet deploys to its regions."""
    resources = read(text)["Resources"].values()
    return next(
        (r["Properties"]["TemplateBody"] for r in resources if r["Type"] == "AWS::CloudFormation::StackSet"), None
    )


def read(text: str) -> dict[str, Any]:
    """Return a template as CloudFormation reads it, with intrinsic functions in their full form."""
    from cfnlint.decode.cfn_yaml import loads

    document: dict[str, Any] = json.loads(json.dumps(loads(text)))
    return document


@pytest.mark.parametrize("name", MATRICES)
def test_json_and_yaml_are_the_same_template(tmp_path: Path, name: str) -> None:
    keys, ledger = MATRICES[name]
    run = Layers(tmp_path, keys, ledger)
    for part in NEEDED.get(name, ["roles", "staging", "ledger"]):
        assert read(run("infra", "--part", part).out) == run("infra", "--part", part, "--json").json


def test_it_prints_the_roles_and_names_the_other_parts(tmp_path: Path) -> None:
    run = Layers(tmp_path, STAGED, LEDGER)
    printed = run("infra")
    assert printed.code == 0
    assert printed.out == run("infra", "--part", "roles").out
    assert "the matrix also needs staging and ledger" in printed.err
    assert "needs" not in Layers(tmp_path)("infra").err
    assert read(printed.out)["Parameters"]["Repository"].get("Default") is None
    given_one = read(run("infra", "--repository", "an-owner/a.name", "--environment", "release").out)
    assert given_one["Parameters"]["Repository"]["Default"] == "an-owner/a.name"
    assert "environment:release-publish" in json.dumps(given_one)


def test_buckets_of_a_stack_set_are_retained_and_staged_zips_expire(tmp_path: Path) -> None:
    text = in_each_region(Layers(tmp_path, STAGED)("infra", "--part", "staging").out)
    assert text is not None
    bucket = read(text)["Resources"]["Bucket"]
    assert bucket["Properties"]["BucketName"] == {"Fn::Sub": "stage-${AWS::AccountId}-${AWS::Region}"}
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    rules = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
    assert {rule.get("Prefix") for rule in rules if "ExpirationInDays" in rule} == {"layers/", "leases/"}
    ledger = read(Layers(tmp_path, STAGED, LEDGER)("infra", "--part", "ledger").out)["Resources"]["Bucket"]
    assert ledger["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert not any("ExpirationInDays" in rule for rule in ledger["Properties"]["LifecycleConfiguration"]["Rules"])


def test_opt_in_regions_have_their_own_cloudformation_principal(tmp_path: Path) -> None:
    keys, ledger = MATRICES["regions that must be enabled"]
    roles = read(Layers(tmp_path, keys, ledger)("infra", "--part", "staging").out)["Resources"]
    (trust,) = roles["Administration"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"]["Service"] == [
        "cloudformation.amazonaws.com",
        "cloudformation.ap-east-1.amazonaws.com",
        "cloudformation.me-south-1.amazonaws.com",
    ]


# -- files -------------------------------------------------------------------------------------------------------------


def test_the_templates_of_this_repository_are_what_the_command_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    checked = CliRunner().invoke(layers, ["infra", "--check"])
    assert (checked.exit_code, checked.output) == (0, "infra/roles.yaml: unchanged\n")
    assert sorted(path.name for path in Path("infra").iterdir()) == ["README.md", "roles.yaml"]


def test_unchanged_files_are_not_written_and_a_difference_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "some" / "where"
    run = Layers(tmp_path, STAGED)
    command = ("infra", "--output", str(folder))
    missing = run(*command, "--check")
    assert missing.code == 6
    assert not folder.exists()
    assert states(run(*command, "--json").json) == {"roles.yaml": "written", "staging.yaml": "written"}
    assert states(run(*command, "--json").json) == {"roles.yaml": "unchanged", "staging.yaml": "unchanged"}
    assert run(*command, "--check").code == 0
    (folder / "roles.yaml").write_text("Action: '*'\n", "utf-8")
    differs = run(*command, "--check")
    assert differs.code == 6
    assert f"{folder}/roles.yaml" in differs.err
    assert run(*command, "--check", "--part", "staging").code == 0
    assert states(run(*command, "--json").json) == {"roles.yaml": "written", "staging.yaml": "unchanged"}


def test_a_template_that_is_no_longer_needed_is_named_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "infra"
    Layers(tmp_path, STAGED)("infra", "--output", str(folder))
    without = Layers(tmp_path)
    checked = without("infra", "--output", str(folder), "--check", "--json")
    assert checked.code == 6
    assert states(checked.json) == {"roles.yaml": "differs", "staging.yaml": "not needed"}
    assert without("infra", "--output", str(folder)).code == 0
    assert (folder / "staging.yaml").exists()


def states(document: dict[str, Any]) -> dict[str, str]:
    return {Path(each["path"]).name: each["state"] for each in document["files"]}


# -- refused input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "repository",
    [
        "layers",
        "a/b/c",
        "a/",
        "/b",
        "a/b:environment:layers-publish",
        "a/*",
        "*/b",
        "a@1/b",
        "a/b@2",
        "a/${b}",
        "-a/b",
    ],
)
def test_an_invalid_repository_is_refused(tmp_path: Path, repository: str) -> None:
    ended = Layers(tmp_path)("infra", "--repository", repository)
    assert ended.code == 3
    assert "OWNER/NAME" in ended.err
    assert ended.out == ""


@pytest.mark.parametrize("repository", ["strands-agents/layers", "o_corp/x.y-z_1", "octo-org@123456/octo-repo@456789"])
def test_a_repository_is_written_as_in_its_tokens(tmp_path: Path, repository: str) -> None:
    assert (
        read(Layers(tmp_path)("infra", "--repository", repository).out)["Parameters"]["Repository"]["Default"]
        == repository
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--part", "staging"), 3, "no `staging`"),
        (("--part", "ledger"), 3, "needs no bucket"),
        (("--part", "roles", "--part", "staging"), 2, "--output"),
        (("--part", "everything"), 2, "everything"),
        (("--environment", "a b"), 3, "--environment"),
        (("--environment", "*"), 3, "--environment"),
    ],
)
def test_an_option_that_cannot_be_printed_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ended = Layers(tmp_path)("infra", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err


def test_regions_of_several_partitions_are_refused(tmp_path: Path) -> None:
    ended = Layers(tmp_path, {**SMALL, "regions": ["us-east-1", "cn-north-1", "eu-west-1"]})("infra")
    assert ended.code == 3
    assert "cn-north-1 is in partition aws-cn, us-east-1 in aws: use a matrix for each" in ended.err


@pytest.mark.parametrize(
    "ledger",
    ["s3://stage-856699698935-us-east-1/ledger", "s3://demo-ledger/*", "s3://Demo/x", "s3://b/${x}", "s3:///x"],
)
def test_a_ledger_location_that_no_policy_can_name_is_refused(tmp_path: Path, ledger: str) -> None:
    ended = Layers(tmp_path, STAGED, ledger)("infra")
    assert (ended.code, ended.out) == (3, "")


def test_a_policy_that_iam_would_refuse_is_not_printed(tmp_path: Path) -> None:
    long = {"python": ["3.10", "3.11", "3.12", "3.13"], "layer_name": 120 * "x" + "-{python}-{architecture}"}
    ended = Layers(tmp_path, {**SMALL, **long, "regions": MATRICES["official"][0]["regions"]})("infra")
    assert ended.code == 0
    regions = sorted(region for region in known_regions() if partition_of(region) == "aws")
    ended = Layers(tmp_path, {**of_regions(*regions), **long, "package": 40 * "x"}, LEDGER)("infra")
    assert (ended.code, ended.out) == (3, "")
    assert "IAM takes 10,240" in ended.err
    assert "shorten" in ended.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_bad_input(tmp_path: Path) -> None:
    folder = tmp_path / "infra"
    folder.mkdir(mode=0o500)
    assert Layers(tmp_path)("infra", "--output", str(folder)).code == 3


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    ended = Layers(tmp_path)("infra", "--output", str(tmp_path / "file" / "infra"))
    assert ended.code == 3
    assert "file/infra/roles.yaml" in ended.err


# -- for any matrix ----------------------------------------------------------------------------------------------------

PACKAGES = st.from_regex(r"\A[a-z0-9][a-z0-9._-]{0,70}[a-z0-9]\Z")


@given(
    package=PACKAGES, regions=st.lists(st.sampled_from(sorted(known_regions())), min_size=1, max_size=6, unique=True)
)
def test_any_matrix_gives_readable_yaml_and_names_and_policies_within_the_limits(
    package: str, regions: list[str]
) -> None:
    matrix = Matrix.model_validate(
        {**SMALL, "package": package, "regions": regions, "layer_name": "l-{python}-{architecture}"}
    )
    try:
        text = roles_template(make_scope(matrix, "s3://demo-ledger"))
    except InputError:
        assert len({partition_of(region) for region in regions}) > 1
        return
    template = plain(text)
    assert read(text) == template
    made = [each["Properties"] for each in template["Resources"].values() if each["Type"] == "AWS::IAM::Role"]
    assert all(len(role["RoleName"]) <= resource_names.MAX_NAME_CHARACTERS for role in made)
    for role in template["Resources"].values():
        assert len(json.dumps(statements_of(role))) < MAX_INLINE_POLICY_CHARACTERS
    assert yaml.load(json.dumps(template), yaml.CSafeLoader)
