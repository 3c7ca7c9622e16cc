"""The content of the Renovate files. ``tests/endtoend/test_renovate.py`` runs Renovate on them."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from publisher.catalog.index import make_index
from publisher.followers.renovate import renovate_files
from publisher.ledger.release import Yanked
from tests.publisher.catalog.catalog_cases import DAY, catalog_matrix, history, recorded
from tests.publisher.reconcile.plan_cases import small_matrix

MATRIX = catalog_matrix()
FILES = renovate_files(make_index(MATRIX, history(MATRIX)))


def versions(name: str, files: dict[str, str] = FILES) -> list[dict[str, Any]]:
    releases: list[dict[str, Any]] = json.loads(files[f"renovate/{name}.json"])["releases"]
    return releases


def test_there_is_a_file_for_each_region_and_layer_a_variable_and_a_preset() -> None:
    regions = {*MATRIX.regions, "any"}
    names = {*(target.layer_name for target in MATRIX.targets), "any", "any.3_10", "any.3_12"}
    assert set(FILES) == {f"renovate/{path}.json" for path in ("preset", *map("/".join, product(regions, names)))}


def test_an_incomplete_release_is_in_no_file_and_a_yanked_one_is_deprecated_and_unstable() -> None:
    for cell in MATRIX.cells:
        assert [each["version"] for each in versions(f"{cell.region}/{cell.target.layer_name}")] == ["1", "2", "3"]
    first, second, _ = versions("us-east-1/demo-agents-py3_12-aarch64")
    assert first == {
        "version": "1", "releaseTimestamp": "2026-01-02T12:00:00Z", "isDeprecated": True, "isStable": False,
    }  # fmt: skip
    assert second == {"version": "2", "releaseTimestamp": "2026-01-03T12:00:00Z"}


def test_a_region_that_was_added_later_has_only_its_own_releases() -> None:
    wider = small_matrix(regions=["us-east-1", "eu-west-1"])
    old = recorded(small_matrix(regions=["us-east-1"]), 1, "1.0")
    files = renovate_files(make_index(wider, [old, recorded(wider, 2, "1.1")]))
    name = wider.targets[0].layer_name
    assert [each["version"] for each in versions(f"us-east-1/{name}", files)] == ["1", "2"]
    assert [each["version"] for each in versions(f"eu-west-1/{name}", files)] == ["2"]


def test_a_variable_is_not_bound_to_a_region_or_layer_that_the_matrix_no_longer_has() -> None:
    old = small_matrix(regions=["ap-east-1", "us-east-1"], python=["3.10", "3.12"])
    new = small_matrix(regions=["us-east-1", "eu-west-1"], python=["3.12", "3.13"])
    files = renovate_files(make_index(new, [recorded(old, 1, "1.0"), recorded(new, 2, "1.1"), recorded(new, 3, "1.2")]))
    found = {
        "arn:aws:lambda:${AWS::Region}:123456789012:layer:demo-py${PY}-x86_64:1": ("any/any", "123"),
        "arn:aws:lambda:${AWS::Region}:123456789012:layer:demo-py3_10-x86_64:1": ("any/demo-py3_10-x86_64", "1"),
        "arn:aws:lambda:us-east-1:123456789012:layer:demo-py3_10-${ARCH}:1": ("us-east-1/any.3_10", "1"),
        "arn:aws:lambda:us-east-1:123456789012:layer:demo-py3_12-${ARCH}:1": ("us-east-1/any.3_12", "123"),
        "arn:aws:lambda:ap-east-1:123456789012:layer:demo-py${PY}-${ARCH}:1": ("ap-east-1/any", "1"),
        "arn:aws:lambda:eu-west-1:123456789012:layer:demo-py3_13-x86_64:1": ("eu-west-1/demo-py3_13-x86_64", "23"),
    }
    for arn, (name, numbers) in found.items():
        assert package_name(arn, files) == name
        assert [each["version"] for each in versions(name, files)] == list(numbers)


def test_a_region_where_aws_lacks_the_runtime_does_not_stop_files_with_a_variable() -> None:
    matrix = small_matrix(unsupported=[{"region": "ap-south-1", "python": "3.13"}])
    files = renovate_files(make_index(matrix, [recorded(matrix, 1, "1.0")]))
    name = package_name("arn:aws:lambda:$AWS_REGION:123456789012:layer:demo-py3_13-x86_64:1", files)
    assert [each["version"] for each in versions(name, files)] == ["1"]


@pytest.mark.parametrize("template", ["l", "-_{python}{python}-{architecture}_{architecture}-", "{package}.{python}"])
def test_the_pattern_of_any_layer_name_finds_its_layers(template: str) -> None:
    matrix = small_matrix(python=["3.12"], layer_name=template.replace(".", "_"))
    files = renovate_files(make_index(matrix, [recorded(matrix, 1, "1.0")]))
    (layer,) = {target.layer_name for target in matrix.targets}
    for region in ("us-east-1", "$R"):
        name = package_name(f"arn:aws:lambda:{region}:123456789012:layer:{layer}:1", files)
        assert [each["version"] for each in versions(name, files)] == ["1"]


def package_name(arn: str, files: dict[str, str]) -> str:
    """Return the name that the preset gives a file's ARN, with its Handlebars template filled."""
    manager = json.loads(files["renovate/preset.json"])["customManagers"][0]
    match = re.search(manager["matchStrings"][0].replace("(?<", "(?P<"), arn)
    assert match is not None
    name = manager["packageNameTemplate"]
    condition = re.compile(r"{{#if (\w+)}}((?:(?!{{#if).)*?)(?:{{else}}((?:(?!{{#if).)*?))?{{/if}}")
    groups = match.groupdict()
    while found := condition.search(name):
        name = name.replace(found[0], (found[2] if groups.get(found[1]) else found[3]) or "")
    for key, value in groups.items():
        name = name.replace(f"{{{{{{{key}}}}}}}", value or "")
    return str(name)


def test_without_a_complete_release_there_is_no_file() -> None:
    gap = frozenset({MATRIX.cells[0].id})
    assert renovate_files(make_index(MATRIX, [recorded(MATRIX, 1, "1.0", without=gap)])) == {}


@pytest.mark.parametrize("manager", [0, 1], ids=["ARN", "AWS CLI"])
@pytest.mark.parametrize(
    ("region", "layer"),
    [
        ("us-gov-west-1", "demo-agents-py3_12-aarch64"),
        ("${AWS::Region}", "demo-agents-py3_10-x86_64"),
        ("${data.aws_region.current.name}", "demo-agents-py${local.python}-${var.arch}"),
        ("${Stack.of(this).region}", "demo-agents-py3_12-aarch64"),
        ("{self.region}", "demo-agents-py3_12-{arch}"),
        ("$AWS_REGION", "demo-agents-py3_12-aarch64"),
        ("%s", "demo-agents-py3_12-x86_64"),
    ],
)
def test_an_arn_with_variables_is_found(manager: int, region: str, layer: str) -> None:
    preset = json.loads(FILES["renovate/preset.json"])
    pattern = preset["customManagers"][manager]["matchStrings"][0].replace("(?<", "(?P<")
    arn = f"arn:aws:lambda:{region}:123456789012:layer:{layer}"
    text = f"x '{arn}:41'" if manager == 0 else f'--layer-name "{arn}" \\\n  --version-number 41'
    match = re.search(pattern, text)
    assert match is not None
    assert (match["arn"], match["currentValue"]) == (arn, "41")
    assert match["region"] == (region if region[0] == "u" else None)
    assert not re.search(pattern, text.replace("123456789012", "123456789013"))
    assert not re.search(pattern, text.replace("demo-agents", "other-agents"))


def test_a_repository_can_follow_several_publishers_and_layers_of_a_package() -> None:
    own = small_matrix(package="demo-agents", layer_name="our-{python}-{architecture}")
    matrices = [MATRIX, own, small_matrix(package="demo-agents", account="111122223333"), small_matrix()]
    presets = [
        json.loads(renovate_files(make_index(each, [recorded(each, 1, "1.0")]))["renovate/preset.json"])
        for each in matrices
    ]
    names = [name for preset in presets for name in preset["customDatasources"]]
    assert len(set(names)) == len(presets)
    for name, preset in zip(names, presets, strict=True):
        assert {each["datasourceTemplate"] for each in preset["customManagers"]} == {f"custom.{name}"}
        assert [each["matchDatasources"] for each in preset["packageRules"]] == [[f"custom.{name}"]]


def test_the_patterns_are_valid_for_re2() -> None:
    patterns = [
        text for each in json.loads(FILES["renovate/preset.json"])["customManagers"] for text in each["matchStrings"]
    ]
    assert not [pattern for pattern in patterns if re.search(r"\(\?(?:=|!|<=|<!)|\\[1-9]", pattern)]


def test_the_date_of_a_yank_changes_no_timestamp() -> None:
    release = recorded(MATRIX, 1, "1.0")
    later = release.model_copy(update={"yanked": Yanked(date=DAY + timedelta(days=300), reason="late")})
    (entry,) = versions("us-east-1/demo-agents-py3_12-aarch64", renovate_files(make_index(MATRIX, [later])))
    assert entry["releaseTimestamp"] == "2026-01-02T12:00:00Z"


def test_a_release_names_its_changelog() -> None:
    matrix = small_matrix(changelog_url="https://example.com/v{version}#notes")
    name = f"{matrix.regions[0]}/{matrix.targets[0].layer_name}"
    (entry,) = versions(name, renovate_files(make_index(matrix, [recorded(matrix, 1, "1.0+local")])))
    assert entry["changelogUrl"] == "https://example.com/v1.0%2Blocal#notes"
