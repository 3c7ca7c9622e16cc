"""Fixtures of the tests that use a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from publisher.catalog.page.page import index_html
from tests.endtoend.browser import Page, chromium
from tests.endtoend.page_history import INDEX


@pytest.fixture(scope="session")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(index_html(INDEX))
    return path


@pytest.fixture
def page(chrome: Chrome, file: Path) -> Iterator[Page]:
    page = Page(chrome, file).open()
    page.console_entries()
    yield page
    assert page.console_entries() == []
