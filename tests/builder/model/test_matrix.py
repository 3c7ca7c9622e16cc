"""The meaning of the matrix's keys, and the selection of its targets."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from builder.model.errors import InputError
from builder.model.matrix import parse_version
from builder.model.matrix_file import load_matrix
from builder.model.regions import known_regions, partition_of
from builder.model.runtimes import RUNTIMES
from tests import REPOSITORY
from tests.builder.model.matrix_text import BASE, WIDE, parse

COMMERCIAL = sorted(region for region in known_regions() if partition_of(region) == "aws")


def test_the_matrix_of_this_repository_has_136_cells_with_the_official_names() -> None:
    matrix = load_matrix(REPOSITORY / "layer_matrix.yaml")
    assert (len(matrix.targets), len(matrix.regions), len(matrix.cells)) == (8, 17, 136)
    names = {
        f"strands-agents-py{python}-{architecture}"
        for python, architecture in product(("3_10", "3_11", "3_12", "3_13"), ("x86_64", "aarch64"))
    }
    assert {target.layer_name for target in matrix.targets} == names
    cell = next(cell for cell in matrix.cells if cell.id == "us-east-1/py3.12-x86_64")
    assert matrix.layer_arn(cell, 1) == "arn:aws:lambda:us-east-1:856699698935:layer:strands-agents-py3_12-x86_64:1"


def test_optional_keys_have_their_documented_defaults() -> None:
    matrix = parse(BASE)
    assert (matrix.extras, matrix.requirements, matrix.staging) == ((), (), None)
    assert matrix.license == "Apache-2.0"
    assert (matrix.permission.principal, matrix.permission.organization) == ("*", None)
    assert (matrix.bytecode, matrix.requests_per_second) == ("required", 10)
    (target,) = matrix.targets
    assert matrix.describe(target, "1.2") == "PyPI package: demo v1.2 (Python 3.12, x86_64)"


@pytest.mark.parametrize(
    ("text", "policy", "hours"),
    [
        ("", "every", None),
        ("releases: minor\n", "minor", None),
        ("releases: {policy: by-hand}\n", "by-hand", None),
        ('releases: {minimum_age: "2 days"}\n', "every", 48),
        ("releases: {policy: minor, minimum_age: 36 hours}\n", "minor", 36),
        ("releases: {minimum_age: null}\n", "every", None),
    ],
)
def test_the_release_policy_is_read(text: str, policy: str, hours: int | None) -> None:
    releases = parse(BASE + text).releases
    assert releases.policy == policy
    assert releases.minimum_age == (None if hours is None else timedelta(hours=hours))


@pytest.mark.parametrize("word", ["off", "no", '"off"'])
def test_yamls_false_means_off(word: str) -> None:
    assert parse(f"{BASE}bytecode: {word}\n").bytecode == "off"


@pytest.mark.parametrize(
    ("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")]
)
def test_the_region_determines_the_partition(region: str, partition: str) -> None:
    matrix = parse(BASE.replace("us-east-1", region))
    assert matrix.layer_arn(matrix.cells[0]).startswith(f"arn:{partition}:lambda:{region}:")
    assert partition_of(region) == partition


def test_aliases_and_a_byte_order_mark_are_accepted() -> None:
    text = BASE.replace("regions: [us-east-1]", "regions: &here [us-east-1, eu-west-1]\n")
    assert parse(f"\ufeff{text}").regions == ("us-east-1", "eu-west-1")


@given(
    st.lists(st.sampled_from(sorted(RUNTIMES)), min_size=1, unique=True),
    st.lists(st.sampled_from(["x86_64", "aarch64"]), min_size=1, unique=True),
    st.lists(st.sampled_from(COMMERCIAL), min_size=1, max_size=8, unique=True),
)
def test_targets_and_cells_have_the_order_of_the_file(
    pythons: list[str], architectures: list[str], regions: list[str]
) -> None:
    data = {"account": "123456789012", "package": "demo", "python": pythons, "architectures": architectures}
    matrix = parse(yaml.safe_dump({**data, "regions": regions}))
    assert [(cell.region, cell.target.python, str(cell.target.architecture)) for cell in matrix.cells] == [
        (region, python, architecture) for region in regions for python, architecture in product(pythons, architectures)
    ]
    assert len({target.layer_name for target in matrix.targets}) == len(matrix.targets)


def test_unsupported_cells_are_not_cells_of_the_matrix() -> None:
    matrix = parse(
        f"{WIDE}unsupported:\n  - {{region: eu-west-1, python: '3.14', reason: not offered}}\n"
        "  - {region: eu-west-1, architecture: arm64}\n"
    )
    assert {cell.id for cell in parse(WIDE).cells} - {cell.id for cell in matrix.cells} == {
        "eu-west-1/py3.14-x86_64",
        "eu-west-1/py3.14-aarch64",
        "eu-west-1/py3.12-aarch64",
    }
    holes = [matrix.unsupported_entry("eu-west-1", target) for target in matrix.targets]
    assert [hole and hole.reason for hole in holes] == [None, None, "not offered", "not offered"]
    assert len(matrix.targets) == 4


def test_a_budget_is_absolute_or_relative_to_the_last_release() -> None:
    budget = parse(f"{BASE}budget: {{zipped: 50 MB, unzipped: +10%, import_time: 800 ms}}\n").budget
    assert budget
    assert budget.zipped
    assert budget.zipped.allowed(None) == budget.zipped.allowed(1) == 52_428_800
    assert budget.unzipped
    assert budget.unzipped.allowed(None) is None
    assert budget.unzipped.allowed(1000) == pytest.approx(1100)
    assert budget.import_time
    assert budget.import_time.allowed(None) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("text", "services"), [("true", ()), ("{}", ()), ("{services: [s3, bedrock-runtime]}", ("s3", "bedrock-runtime"))]
)
def test_slim_names_the_services_to_keep(text: str, services: tuple[str, ...]) -> None:
    slim = parse(f"{BASE}slim: {text}\n").slim
    assert slim is not None
    assert slim.services == services
    assert parse(f"{BASE}slim: false\n").slim is None


def test_package_names_are_normalized_and_the_topic_has_a_region() -> None:
    matrix = parse(
        f"{BASE}exclude: [Foo_Bar]\noverride: ['urllib3<2']\n"
        "announce: {topic: arn:aws:sns:eu-west-1:123456789012:t}\n"
        "signing: {profile: layers_1}\nstaging: {bucket: 'b-{region}', home: us-east-1}\n"
    )
    assert (matrix.exclude, matrix.override) == (("foo-bar",), ("urllib3<2",))
    assert matrix.announce
    assert matrix.announce.region == "eu-west-1"
    assert matrix.signing
    assert matrix.signing.profile == "layers_1"


def test_selected_targets_keep_the_matrix_order_and_errors_suggest_a_value() -> None:
    matrix = parse(BASE.replace('["3.12"]', '["3.10", "3.12"]').replace("[x86_64]", "[x86_64, aarch64]"))
    assert [target.id for target in matrix.select(("3.12", "3.10"), ("aarch64",))] == [
        "py3.10-aarch64",
        "py3.12-aarch64",
    ]
    for words, message in (
        (("3.13",), "Python 3.13 is not in the matrix (3.10, 3.12)"),
        (("2.7",), "'2.7' is not a Python runtime"),
        (("3.12.4",), "did you mean 3.12?"),
        (("",), "no Python is given"),
    ):
        with pytest.raises(InputError) as caught:
            matrix.select(words)
        assert message in str(caught.value)
    with pytest.raises(InputError, match="eu-west-1 is not in the matrix"):
        matrix.select_regions(("eu-west-1",))


def test_targets_are_selected_by_any_usual_spelling() -> None:
    matrix = parse(BASE.replace('["3.12"]', '["3.10", "3.12"]').replace("[x86_64]", "[x86_64, aarch64]"))
    assert matrix.select(("Python3.12",), ("ARM64",)) == matrix.select(("3_12",), ("aarch64",))
    assert matrix.select(("312,py3.10",)) == matrix.select(("ALL",), ("all",)) == matrix.targets
    assert matrix.select_regions(("US-EAST-1",)) == matrix.select_regions(("ALL",)) == ("us-east-1",)


@pytest.mark.parametrize(("text", "version"), [("1.0", "1.0"), ("v1.40.0", "1.40.0"), ("1.0-rc1", "1.0rc1")])
def test_versions_are_normalized(text: str, version: str) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize("text", ["", "latest!", "one", "1..2", "9" * 5000, "refs/tags/v1.0", "1.0\nx"])
def test_text_that_is_not_a_version_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a version"):
        parse_version(text)
