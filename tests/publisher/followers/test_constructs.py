"""The data of the constructs and the Terraform module. ``tests/endtoend/test_constructs.py`` runs the tools."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import Any

import hcl2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.model.escape import escape
from builder.model.matrix import Matrix
from publisher.catalog.index import Index, make_index
from publisher.followers.constructs.construct_files import construct_files
from publisher.ledger.release import Yanked
from tests.publisher.catalog.catalog_cases import DAY, catalog_matrix, history, recorded
from tests.publisher.catalog.page_cases import official_history, official_matrix
from tests.publisher.reconcile.plan_cases import small_matrix


def arns(data: dict[str, Any]) -> Iterator[str]:
    """Yield every ARN that the constructs can return."""
    for release in data["releases"]:
        for region, partition in data["regions"].items():
            for target, name in data["layers"].items():
                if f"{region}/{target}" not in release["missing"]:
                    yield f"arn:{partition}:lambda:{region}:{data['account']}:layer:{name}:{release['layer_version']}"


def complete_arns(index: Index) -> set[str]:
    return {layer.arn for release in index.releases if release.complete for layer in release.layers}


@pytest.mark.parametrize(
    "index",
    [
        make_index(catalog_matrix(), history(catalog_matrix())),
        make_index(official_matrix(), official_history(official_matrix())),
        make_index(catalog_matrix(), ()),
    ],
    ids=["small", "official", "empty"],
)
def test_the_data_has_every_layer_of_complete_releases_and_no_other(index: Index) -> None:
    made = construct_files(index)
    data = json.loads(made["constructs/terraform/layers.json"])
    assert set(arns(data)) == complete_arns(index)
    (python,) = (text for path, text in made.items() if path.startswith("constructs/python/") and "layers.json" in path)
    assert json.loads(python) == data
    assert (
        f"const DATA: LayerData = {made['constructs/terraform/layers.json'].strip()};"
        in (made["constructs/typescript/index.ts"])
    )


def test_a_region_that_was_added_later_misses_only_older_releases() -> None:
    wider = small_matrix(regions=["us-east-1", "eu-west-1"])
    index = make_index(wider, [recorded(small_matrix(regions=["us-east-1"]), 1, "1.0"), recorded(wider, 2, "1.1")])
    assert set(arns(json.loads(construct_files(index)["constructs/terraform/layers.json"]))) == complete_arns(index)


def test_a_region_without_a_complete_release_is_left_out() -> None:
    wider = small_matrix(regions=["us-east-1", "eu-west-1"])
    index = make_index(wider, [recorded(small_matrix(regions=["us-east-1"]), 1, "1.0")])
    assert json.loads(construct_files(index)["constructs/terraform/layers.json"])["regions"] == {"us-east-1": "aws"}


@given(st.text(min_size=1), st.sampled_from(["2captcha-Python", "a", "zope.interface", "A_b.c-d"]))
def test_any_package_name_and_reason_give_valid_files(reason: str, package: str) -> None:
    matrix: Matrix = small_matrix(package=package)
    release = recorded(matrix, 1, "1.0").model_copy(update={"yanked": Yanked(date=DAY, reason=reason)})
    made = construct_files(make_index(matrix, [release]))
    for path, text in made.items():
        if path.endswith(".json"):
            assert json.loads(text)
        elif path.endswith(".py"):
            ast.parse(text)
        elif path.endswith(".tf"):
            assert hcl2.loads(text)["output"]
        if path.endswith("layers.json"):
            assert json.loads(text)["releases"][0]["yanked"] == escape(reason)
