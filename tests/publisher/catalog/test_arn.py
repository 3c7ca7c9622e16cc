"""ARNs that are not recorded: the problem, and the ARN that was probably meant."""

from __future__ import annotations

import pytest

from builder.model.errors import InputError
from publisher.catalog.arn import find
from publisher.catalog.index import make_index
from publisher.catalog.lookup import Query, select
from tests.publisher.catalog.catalog_cases import catalog_matrix, history, recorded
from tests.publisher.reconcile.plan_cases import small_matrix

MATRIX = catalog_matrix()
INDEX = make_index(MATRIX, history(MATRIX))
LAYER = "arn:aws:lambda:us-east-1:123456789012:layer:demo-agents-py3_12"
RIGHT = f"{LAYER}-aarch64:3"


def problem(arn: str) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        find(INDEX, arn)
    return caught.value.what, str(caught.value.fix)


def test_a_recorded_arn_is_found() -> None:
    assert find(INDEX, f" {RIGHT}\n").arn == RIGHT


@pytest.mark.parametrize(
    "mistaken",
    [
        RIGHT.replace("aarch64", "arm64"),
        RIGHT.replace("py3_12", "py312"),
        RIGHT.replace("py3_12", "py3.12"),
        RIGHT.replace("py3_12-aarch64", "py312-arm64"),
        RIGHT.replace("py3_12-", "py3_12_"),
        RIGHT.upper(),
    ],
)
def test_a_mistyped_arn_gets_the_right_one_as_suggestion(mistaken: str) -> None:
    assert problem(mistaken)[1] == f"did you mean {RIGHT}?"


@pytest.mark.parametrize(
    ("mistaken", "what", "instead"),
    [
        (f"{LAYER}-x86_64", "without a version number", f"did you mean {LAYER}-x86_64:4?"),
        (f"{LAYER}-x86_64:latest", "'latest' is not a layer version number", f"did you mean {LAYER}-x86_64:4?"),
        (f"{LAYER}-x86_64:9", "layer version 9 is not recorded", "the newest are 4 (1.2), 3 (1.1)"),
        (RIGHT.replace("us-east-1", "eu-south-1"), "'eu-south-1' has no layers", "the layers are in us-east-1"),
        (RIGHT.replace("us-east-1", "us-esat-1"), "'us-esat-1' is not an AWS region", f"did you mean {RIGHT}?"),
        (RIGHT.replace("123456789012", "123456789013"), "123456789013 is not the publisher", "that is 123456789012"),
        (RIGHT.replace("py3_12", "py3_14"), "there is no layer demo-agents-py3_14-aarch64", "there are demo-agents-"),
        (RIGHT.replace("us-east-1", "eu-north-1")[:-1] + "4", "demo-agents 1.2 (layer version 4) has no layer", ":3?"),
        (
            "demo-agents-py3_12-aarch64",
            "is not an ARN of a layer version",
            f"looks like this: {LAYER}-aarch64:4",
        ),
        ("arn:aws:s3:::bucket", "is not an ARN of a layer version", "an ARN looks like this: arn:aws:lambda:"),
        ("", "'' is not an ARN of a layer version", "an ARN looks like this: arn:aws:lambda:"),
    ],
)
def test_the_wrong_part_of_an_arn_is_named_with_what_exists(mistaken: str, what: str, instead: str) -> None:
    said, fix = problem(mistaken)
    assert what in said
    assert instead in fix


def test_an_empty_ledger_says_nothing_about_the_layer() -> None:
    with pytest.raises(InputError, match="no release of demo-agents is recorded yet"):
        find(make_index(MATRIX, ()), RIGHT)


def test_a_layer_name_with_capitals_is_suggested() -> None:
    matrix = small_matrix(layer_name="Our-Agents-py{python}-{architecture}")
    index = make_index(matrix, [recorded(matrix, 1, "1.0")])
    (arn, *_) = (row.arn for row in index.rows(index.releases[0]))
    with pytest.raises(InputError) as caught:
        find(index, arn.lower())
    assert caught.value.fix == f"did you mean {arn}?"


@pytest.mark.parametrize(("word", "meant"), [("py312", "3.12"), ("3.12.4", "3.12"), ("python3.10", "3.10")])
def test_another_spelling_of_a_python_is_suggested(word: str, meant: str) -> None:
    with pytest.raises(InputError) as caught:
        select(INDEX, Query(pythons=(word,)))
    assert caught.value.fix == f"did you mean {meant}?"
