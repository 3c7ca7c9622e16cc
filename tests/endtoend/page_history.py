"""The history of releases that the tests of the page show."""

from __future__ import annotations

from publisher.catalog.index import make_index
from tests.publisher.catalog.page_cases import official_history, official_matrix, recorded_sboms

MATRIX = official_matrix()
HISTORY = official_history(MATRIX)
INDEX = make_index(MATRIX, HISTORY, recorded_sboms(HISTORY[1:]))
ROWS = {
    (row.layer_version, row.python, row.architecture.value, row.region): row
    for release in INDEX.releases
    for row in INDEX.rows(release)
}


def arn_of(number: int, python: str, architecture: str, region: str) -> str:
    return ROWS[number, python, architecture, region].arn
