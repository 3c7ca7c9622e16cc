"""The matrix: the meaning of its keys, and every problem of an invalid file with its line."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from builder.model.errors import InputError
from builder.model.matrix import Matrix, parse_version
from builder.model.matrix_file import load_matrix, parse_matrix
from builder.model.regions import known_regions, partition_of
from builder.model.runtimes import RUNTIMES
from tests import REPOSITORY

BASE = """\
account: "123456789012"
package: demo
python: ["3.12"]
architectures: [x86_64]
regions: [us-east-1]
"""
COMMERCIAL = sorted(region for region in known_regions() if partition_of(region) == "aws")


def parse(text: str) -> Matrix:
    return parse_matrix(text, "m.yaml")


def problems(text: str) -> list[str]:
    """Return the lines of the error, without the file's name."""
    with pytest.raises(InputError) as caught:
        parse(text)
    return [line.removeprefix("m.yaml:") for line in caught.value.details]


def problem(text: str) -> str:
    (only,) = problems(text)
    return only


# -- the meaning of a valid file ---------------------------------------------------------------------------------------


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
    st.lists(
        st.sampled_from(sorted(r for r in known_regions() if partition_of(r) == "aws")),
        min_size=1,
        max_size=8,
        unique=True,
    ),
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


# -- problems of an invalid file ---------------------------------------------------------------------------------------


def test_all_problems_are_reported_together_with_their_lines() -> None:
    text = """\
acount: "123456789012"
account: 123456789012
package: "demo[otel]"
python: ["3.9", 3.10, "3.12", "3.12"]
architectures: [arm64, amd64, mips]
extras:
  - one
  - "t w o"
  - one
staging: {bucket: "x", hom: us-east-1}
requests_per_second: 99
license: {}
regions: [us-east-1]
regions: [us-east-1]
"""
    found = [": ".join(line.split(": ")[:2]) for line in problems(text)]
    assert found == [
        "1: acount",
        "2: account",
        "3: package",
        "4: python[0]",
        "4: python[1]",
        "4: python[3]",
        "5: architectures[2]",
        "8: extras[1]",
        "9: extras[2]",
        "10: staging.hom",
        "10: staging.home",
        "11: requests_per_second",
        "12: license",
        "14: regions",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("acount: x", "6: acount: unknown key: did you mean account?"),
        ("zzz: x", "6: zzz: unknown key"),
        ("package: other", "6: package: this key is repeated"),
        ("extras: [a, a]", "6: extras[1]: 'a' is already in the list"),
        ("extras: [\n  a,\n  b c]", "8: extras[1]: 'b c' is not a package name"),
        ('requirements: ["a @ https://host/x.whl"]', "6: requirements[0]: 'a @ https://host/x.whl' names a URL"),
        ('requirements: ["b =="]', "6: requirements[0]: 'b ==' is not a requirement"),
        ('layer_name: "a b"', "6: layer_name: gives 'a b', which AWS refuses"),
        (f'layer_name: "{"x" * 141}"', "6: layer_name: gives 'xxx"),
        ('layer_name: "{region}"', "6: layer_name: unknown placeholder {region}; known:"),
        ('description: "x"', "6: description: needs {version}"),
        ('description: "{version.__class__}"', "6: description: unknown placeholder {version.__class__}"),
        ('description: "{version"', "6: description: invalid template"),
        (f'description: "{{version}}{"x" * 250}"', "6: description: gives up to 266 characters; AWS allows 256"),
        (f'license: "{"x" * 513}"', "6: license: String should have at most 512"),
        ("license: 3", "6: license: must be text"),
        ("permission: {principal: everyone}", "6: permission.principal:"),
        ("permission: public", "6: permission: must be a mapping"),
        (
            'permission: {principal: "123456789012", organization: o-abcdefghij}',
            '6: permission.organization: an organization needs principal "*"',
        ),
        ('staging: {bucket: "x-{region}", home: eu-west-1}', "6: staging.home: eu-west-1 is not one of the matrix's"),
        ('staging: {bucket: "B_{region}", home: us-east-1}', "6: staging.bucket: gives 'B_us-east-1', which is no"),
        (
            "releases: minors",
            "6: releases.policy: 'minors' is not a policy (every, minor, by-hand): did you mean minor?",
        ),
        (
            "releases: manual",
            "6: releases.policy: 'manual' is not a policy (every, minor, by-hand): did you mean by-hand?",
        ),
        ("releases: {\n  policy: 1}", "7: releases.policy: Input should be 'every', 'minor' or 'by-hand'"),
        ("releases: [every]", "6: releases: must be a mapping"),
        ("releases: {minimal_age: 2 days}", "6: releases.minimal_age: unknown key: did you mean minimum_age?"),
        ("releases: {minimum_age: 2}", "6: releases.minimum_age: 2 has no unit; write it like"),
        ("releases: {minimum_age: -1 day}", "6: releases.minimum_age: '-1 day' is not a duration"),
        ("releases: {minimum_age: 2 moons}", "6: releases.minimum_age: 'moons' is not a unit of time"),
        ("bytecode: maybe", "6: bytecode:"),
        ("changelog_url: http://example.com", "6: changelog_url: not an https:// URL"),
        ("changelog_url: 'https://example.com/{package}'", "6: changelog_url: not an https:// URL"),
        ("requests_per_second: 0", "6: requests_per_second: Input should be greater than 0"),
        ("requests_per_second: 15.5", "6: requests_per_second: Input should be less than or equal to 15"),
        ("requests_per_second: .nan", "6: requests_per_second:"),
        ("requests_per_second: '10'", "6: requests_per_second: Input should be a valid number"),
        ("requests_per_second: true", "6: requests_per_second: Input should be a valid number"),
    ],
)
def test_a_problem_names_its_line_and_key(change: str, words: str) -> None:
    assert words in "\n".join(problems(f"{BASE}{change}\n"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"123456789012"', "123456789012", "1: account: put it in quotes"),
        ('"123456789012"', '"1234"', "1: account: '1234' is not an AWS account id"),
        ('["3.12"]', "[3.10]", "3: python[0]: put it in quotes: YAML reads the number 3.1"),
        ('["3.12"]', "3.12", "3: python: put it in quotes"),
        ('["3.12"]', '["2.7"]', "3: python[0]: '2.7' is not a Python runtime: there are 3.10"),
        ('["3.12"]', "[]", "3: python: needs at least one item"),
        ("[x86_64]", "[mips]", "4: architectures[0]: 'mips' is not an architecture of Lambda: x86_64 or aarch64"),
        ("[x86_64]", "x86_64", "4: architectures: must be a list"),
        ("[us-east-1]", "[us-east1]", "5: regions[0]: 'us-east1' is not an AWS region: did you mean us-east-1?"),
        ("[us-east-1]", "[aws-global]", "5: regions[0]: 'aws-global' is not an AWS region"),
        ("package: demo\n", "", "1: package: this key is required"),
        ("package: demo", "package:", "2: package: must be text"),
    ],
)
def test_an_invalid_required_key_is_named(old: str, new: str, words: str) -> None:
    assert problem(BASE.replace(old, new)).startswith(words)


def test_two_targets_with_one_layer_name_are_refused() -> None:
    text = BASE.replace('["3.12"]', '["3.12", "3.13"]') + 'layer_name: "demo-{architecture}"\n'
    assert "to both py3.12-x86_64 and py3.13-x86_64" in problem(text)


def test_a_bucket_name_for_several_regions_must_contain_the_region() -> None:
    text = BASE.replace("us-east-1", "us-east-1, eu-west-1") + "staging: {bucket: one, home: us-east-1}\n"
    assert "needs {region}" in problem(text)


# -- unsupported, budget, slim, signing, announce ----------------------------------------------------------------------

WIDE = (
    BASE.replace('["3.12"]', '["3.12", "3.14"]')
    .replace("[x86_64]", "[x86_64, arm64]")
    .replace("[us-east-1]", "[us-east-1, eu-west-1]")
)


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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("architectures: [arm64, aarch64]", "architectures[1]: 'aarch64' is already in the list"),
        ("regions: [us-east-1, cn-north-1]", "regions[1]: cn-north-1 is in partition aws-cn, us-east-1 in aws"),
        ("unsupported: [{}]", "unsupported[0]: needs a region, a python or an architecture"),
        ("unsupported: [{python: 3.14}]", "unsupported[0].python: put it in quotes"),
        ("unsupported: [{region: us-west-2}]", "unsupported[0]: matches no cell of the matrix"),
        ("unsupported: [{region: us-east-1}]", "unsupported: leaves no target in us-east-1"),
        ("unsupported: [{python: '3.14'}]", "unsupported: leaves py3.14-x86_64 in no region"),
        ("budget: {zipped: 0}", "budget.zipped: '0' is not more than zero"),
        ("budget: {zipped: 10 s}", "budget.zipped: '10 s' is not a size like 50 MB"),
        ("budget: {import_time: 5}", "budget.import_time: must be a size, a time or a growth"),
        ("budget: {zip: 5 MB}", "budget.zip: unknown key: did you mean zipped?"),
        ("slim: {services: [S3]}", "slim.services[0]:"),
        ("exclude: [Demo]", "exclude: demo is the layer's own package"),
        ("override: [urllib3]", "override[0]: 'urllib3' has no version: write one"),
        ("signing: {profile: layers}", "signing: needs `staging`"),
        ("announce: {topic: releases}", "announce.topic:"),
        ("announce: {topic: arn:aws-cn:sns:cn-north-1:123456789012:t}", "announce.topic: is in partition aws-cn"),
        (f"requirements: ['a=={'9' * 5000}']", "requirements[0]: 'a==9999"),
        (f"extras: [{'x' * 200}]", "extras[0]: 'xxx"),
        ("requests_per_second: 1e9999", "requests_per_second:"),
    ],
)
def test_a_problem_of_an_optional_key_is_named(change: str, words: str) -> None:
    key = change.partition(":")[0]
    text = re.sub(rf"(?m)^{key}:.*\n", "", WIDE)
    found = "\n".join(problems(f"{text}{change}\n"))
    assert words in found
    assert len(found) < 1000


# -- hostile and damaged files -----------------------------------------------------------------------------------------

BOMB = "a: &a0 [x, x]\n" + "".join(f"k{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "m.yaml:1: a matrix is a mapping"),
        ("- a\n", "m.yaml:1: a matrix is a mapping"),
        ("hello", "m.yaml:1: a matrix is a mapping"),
        ("a: [1, 2\nb: }", "m.yaml:2: not YAML"),
        (f"{BASE}---\na: b\n", "m.yaml:6: not YAML"),
        ("account:\n\tpackage: y", "m.yaml:2: not YAML"),
        ("a: \x00", "not YAML"),
        (f"a: &a [*a]\n{BASE}", "contains itself"),
        (f"{BASE}license: !!python/object/apply:os.system [id]\n", "m.yaml:6: not YAML"),
        (f"{BASE}? [a]\n: x\n", "not YAML"),
        (f"{BASE}license: 2026-02-31\n", "not YAML"),
        ("[" * 3000, "not YAML"),
        (BOMB + BASE, "more than 10000 values"),
        (f"{BASE}license: !!timestamp yesterday\n", "not YAML"),
        (f"{BASE}license: !!int seven\n", "not YAML"),
        (f"{BASE}license: 0x{'f' * 5000}\n", "not YAML: line 6: a number of 5,002 characters"),
        (f"{BASE}license: {'9' * 5000}\n", "not YAML: line 6: a number of 5,000 characters"),
        (f'{BASE}license: "\\ud800"\n', "not YAML: line 6: a value with a character that cannot be printed"),
        (f"{BASE}license: {'x' * 2_000_000}\n", "not YAML: larger than 1,048,576 bytes"),
    ],
)
def test_a_file_that_is_not_a_matrix_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", [f"1: 2\n{BASE}", f"? \n: x\n{BASE}", f"true: x\n{BASE}"])
def test_a_key_that_is_not_a_string_is_refused_with_its_line(text: str) -> None:
    assert problem(text).startswith("1: ")


@given(st.text(max_size=200))
def test_any_text_is_refused_with_an_input_error(text: str) -> None:
    with pytest.raises(InputError):
        parse(text)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(list(Matrix.model_fields)), _VALUES, min_size=1))
def test_any_value_of_any_key_is_accepted_or_refused_with_a_place(changes: dict[str, object]) -> None:
    text = yaml.safe_dump({**yaml.safe_load(BASE), **changes}, sort_keys=False)
    try:
        matrix = parse(text)
    except InputError as error:
        assert error.where or error.details  # noqa: PT017 - either outcome is right
    else:
        assert matrix.targets


# -- reading and selecting ---------------------------------------------------------------------------------------------


def test_the_error_names_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"package: \xe9")
    for path in (tmp_path / "none.yaml", tmp_path, latin):
        with pytest.raises(InputError) as caught:
            load_matrix(path)
        assert caught.value.where == str(path)


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
