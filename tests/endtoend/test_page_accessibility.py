"""The page in every state, checked by axe-core in Chromium."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from builder.model.matrix import Matrix
from publisher.catalog.index import make_index
from publisher.catalog.page.page import index_html
from publisher.ledger.release import Release
from tests.endtoend.browser import Page, needs_browser
from tests.endtoend.test_cdk import node_modules
from tests.publisher.catalog.page_cases import official_history, official_matrix, recorded_sboms

AXE = b'{"private": true, "dependencies": {"axe-core": "4.14.1"}}'
STATES = {
    "newest": "",
    "yanked": "#layer=2&python=3.12&arch=aarch64&tool=sam",
    "replaced": "#layer=3&tool=terraform",
    "rebuilt": "#layer=4&python=3.12",
    "by hand": "#layer=1",
    "pending": "#layer=5&region=ap-northeast-1&python=3.12",
    "follows": "#layer=latest&region=ap-northeast-1",
    "unknown": "#layer=99&region=mars-1&tool=none",
}
#: Rule and element of each violation.
RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => done(
  violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)}`))));
"""

pytestmark = [
    needs_browser,
    pytest.mark.slow,
    pytest.mark.index,
    pytest.mark.skipif(shutil.which("npm") is None, reason="it needs Node.js, and npm is not on the PATH"),
]


@pytest.fixture(scope="module")
def axe() -> str:
    return (node_modules(AXE) / "axe-core" / "axe.min.js").read_text("utf-8")


def opened(chrome: Chrome, folder: Path, matrix: Matrix, history: tuple[Release, ...]) -> Page:
    file = folder / "index.html"
    file.write_text(index_html(make_index(matrix, history, recorded_sboms(history[1:]))), "utf-8")
    return Page(chrome, file)


def violations(page: Page, axe: str) -> list[str]:
    page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.chrome.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})  # the page's policy allows no other script
    found: list[str] = page.chrome.execute_async_script(RUN)
    return found


@pytest.mark.parametrize("width", [1100, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_state_has_a_violation(chrome: Chrome, tmp_path: Path, axe: str, scheme: str, width: int) -> None:
    matrix = official_matrix()
    page = opened(chrome, tmp_path, matrix, official_history(matrix))
    found = {
        state: violations(page.open(address, scheme=scheme, width=width), axe) for state, address in STATES.items()
    }
    assert not any(found.values()), found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_without_a_release_has_no_violation(chrome: Chrome, tmp_path: Path, axe: str, scheme: str) -> None:
    assert violations(opened(chrome, tmp_path, official_matrix(), ()).open(scheme=scheme), axe) == []


def test_axe_finds_a_violation(chrome: Chrome, tmp_path: Path, axe: str) -> None:
    page = opened(chrome, tmp_path, official_matrix(), ()).open()
    page.run("document.body.append(document.createElement('button'))")
    assert [each.partition(":")[0] for each in violations(page, axe)] == ["button-name"]
