"""Which layers a query selects from the index, and the suggestions if there are none."""

from __future__ import annotations

from typing import Any

import pytest

from builder.model.errors import InputError
from builder.model.matrix import Matrix
from publisher.catalog.index import make_index
from publisher.catalog.lookup import Query, select
from publisher.catalog.table import page
from tests.publisher.catalog.catalog_cases import REASON, catalog_matrix, history, recorded

MATRIX = catalog_matrix()
INDEX = make_index(MATRIX, history(MATRIX))


def numbers(**ask: Any) -> set[int]:
    return {row.layer_version for row in select(INDEX, Query(**ask)).rows}


def error(**ask: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        select(INDEX, Query(**ask))
    return caught.value


def test_the_newest_release_is_shown_in_the_order_of_the_matrix() -> None:
    rows = select(INDEX, Query()).rows
    assert {row.layer_version for row in rows} == {4}
    assert [row.region for row in rows] == ["us-east-1"] * 4 + ["eu-west-1"] * 3
    assert [row.target for row in rows[:4]] == ["py3.10-x86_64", "py3.10-aarch64", "py3.12-x86_64", "py3.12-aarch64"]


def test_a_region_without_the_newest_release_shows_the_one_before_with_a_note() -> None:
    selection = select(INDEX, Query(regions=("eu-north-1",)))
    assert {row.layer_version for row in selection.rows} == {3}
    assert "layer version 4 (1.2) is not there" in selection.notes[0]


def test_cells_that_are_still_missing_are_named() -> None:
    assert select(INDEX, Query(regions=("eu-west-1",))).notes == ("not published there yet: eu-west-1/py3.10-aarch64",)


def test_a_rebuilt_version_shows_its_newest_number_or_the_selected_one() -> None:
    assert numbers(version="1.1") == {3}
    assert numbers(layer_version=2) == {2}


def test_a_yanked_release_is_shown_only_if_it_is_selected() -> None:
    only_yanked = make_index(MATRIX, history(MATRIX)[:1])
    with pytest.raises(InputError, match="yanked"):
        select(only_yanked, Query())
    for ask in (Query(version="1.0"), Query(layer_version=1)):
        rows = select(INDEX, ask).rows
        assert len(rows) == 12
        assert all(row.yanked and row.yanked.reason == REASON for row in rows)


def test_a_private_cell_is_not_shown() -> None:
    release = history(MATRIX)[1]
    hidden = release.cells[0].model_copy(update={"public": False})
    index = make_index(MATRIX, (release.model_copy(update={"completed": None}).with_cells(hidden),))
    assert hidden.arn not in {row.arn for row in select(index, Query()).rows}
    assert index.releases[0].missing == ("/".join(hidden.key),)


def test_bytes_that_differ_from_the_target_have_no_unzipped_size() -> None:
    release = history(MATRIX)[1]
    other = release.cells[0].model_copy(update={"sha256": "0" * 64})
    rows = select(make_index(MATRIX, (release.with_cells(other),)), Query()).rows
    assert [row.arn for row in rows if row.unzipped_size is None] == [other.arn]


@pytest.mark.parametrize(
    ("patterns", "regions"),
    [
        (("eu-*",), {"eu-west-1"}),
        (("all",), {"us-east-1", "eu-west-1"}),
        (("us-east-1", "eu-w*"), {"us-east-1", "eu-west-1"}),
    ],
)
def test_regions_are_selected_by_pattern(patterns: tuple[str, ...], regions: set[str]) -> None:
    assert {row.region for row in select(INDEX, Query(regions=patterns)).rows} == regions


@pytest.mark.parametrize(
    ("ask", "hint"),
    [
        ({"regions": ("us-east1",)}, "did you mean us-east-1?"),
        ({"regions": ("af-south-1",)}, "the layers are in us-east-1, eu-west-1, eu-north-1"),
        ({"regions": ("xx-*",)}, "the layers are in us-east-1"),
        ({"architectures": ("arm64",)}, "did you mean aarch64?"),
        ({"architectures": ("X86-64",)}, "did you mean x86_64?"),
        ({"architectures": ("riscv",)}, "x86_64, aarch64"),
        ({"pythons": ("py312",)}, "did you mean 3.12?"),
        ({"pythons": ("py3_12",)}, "did you mean 3.12?"),
        ({"pythons": ("python3.10",)}, "did you mean 3.10?"),
        ({"pythons": ("2.7",)}, "3.10, 3.12"),
        ({"version": "1.11"}, "did you mean 1.1?"),
        ({"version": "9.9.9"}, "1.2"),
        ({"version": "banana"}, "1.62.0"),
        ({"layer_version": 17}, "4 (1.2)"),
        ({"layer_version": 4, "regions": ("eu-north-1",)}, "layers publish"),
    ],
)
def test_a_selection_without_a_match_gets_a_suggestion(ask: dict[str, Any], hint: str) -> None:
    assert hint in str(error(**ask).fix)


def test_an_empty_ledger_is_an_error_with_the_next_step() -> None:
    with pytest.raises(InputError) as caught:
        select(make_index(MATRIX, ()), Query())
    assert "layers publish" in str(caught.value)
    assert "layers sync" in str(caught.value)


def test_a_cell_that_aws_does_not_support_is_named_with_its_reason() -> None:
    hole = {"region": "eu-west-1", "architecture": "aarch64", "reason": "no arm64 yet"}
    matrix = Matrix.model_validate({**MATRIX.model_dump(), "unsupported": [hole]})
    index = make_index(matrix, [recorded(matrix, 1, "1.0")])
    assert index.releases[0].complete
    selection = select(index, Query(regions=("eu-west-1",)))
    assert len(selection.rows) == 2
    assert "not supported by AWS: eu-west-1/py3.10-aarch64: no arm64 yet" in selection.notes
    with pytest.raises(InputError, match="does not support a layer for eu-west-1/py3"):
        select(index, Query(regions=("eu-west-1",), architectures=("aarch64",)))
    assert "| eu-west-1 | 3.12 | aarch64 | not supported: no arm64 yet |" in page(index)
