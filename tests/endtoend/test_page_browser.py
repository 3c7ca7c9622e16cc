"""The page in Chromium, opened from the file system: choosing and copying.

Screenshots are kept in ``test-output/page/``.
"""

from __future__ import annotations

from itertools import cycle, product
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from publisher.catalog.index import make_index
from publisher.catalog.page.page import index_html
from publisher.catalog.snippets import FORMATS
from publisher.catalog.snippets.render import snippet
from tests.conftest import THOROUGH
from tests.endtoend.browser import Page, needs_browser
from tests.endtoend.page_history import INDEX, MATRIX, ROWS, arn_of
from tests.publisher.catalog.page_cases import official_history

pytestmark = needs_browser


def test_it_opens_with_the_newest_release(page: Page) -> None:
    assert page.text("#arn") == arn_of(5, "3.13", "x86_64", "us-east-1")
    assert page.state == {"layer": "5", "python": "3.13", "arch": "x86_64", "region": "us-east-1", "tool": "cdk"}
    assert not page.find("#message").is_displayed()
    assert page.text("#live") == ""


def test_choosing_shows_the_arn_and_the_snippet(page: Page) -> None:
    for key, value in (("layer", "3"), ("python", "3.12"), ("arch", "aarch64"), ("region", "us-gov-west-1")):
        page.choose(key, value)
    page.choose("tool", "terraform")
    row = ROWS[3, "3.12", "aarch64", "us-gov-west-1"]
    assert page.text("#arn") == row.arn
    assert row.arn.startswith("arn:aws-us-gov:")
    assert page.find("#snippet").get_attribute("textContent") == snippet("terraform", [row])


def test_every_layer_of_every_release_can_be_chosen(page: Page) -> None:
    tools = cycle(form for form in FORMATS if form != "arn")  # one after another
    releases = [release.layer_version for release in INDEX.releases]
    pythons, architectures = MATRIX.python, [each.value for each in MATRIX.architectures]
    every = list(zip(product(releases, pythons, architectures, INDEX.all_regions), tools, strict=False))
    cells = every if THOROUGH else every[::5]
    addresses = [
        f"#layer={number}&python={python}&arch={architecture}&region={region}&tool={tool}"
        for (number, python, architecture, region), tool in cells
    ]
    shown: list[list[str] | None] = page.chrome.execute_async_script(
        """const [addresses, done] = arguments, shown = [];
        const text = (id) => document.getElementById(id).textContent;
        const next = () => {
          if (shown.length) shown.push(document.getElementById("found").hidden ? null : [text("arn"), text("snippet")]);
          else shown.push(0);
          if (shown.length > addresses.length) { removeEventListener("hashchange", next); done(shown.slice(1)); }
          else location.replace(addresses[shown.length - 1]);
        };
        addEventListener("hashchange", next);
        next();""",
        addresses,
    )
    assert len(shown) == len(addresses)
    for (cell, tool), seen in zip(cells, shown, strict=True):
        row = ROWS.get(cell)
        assert seen == (None if row is None else [row.arn, snippet(tool, [row])]), (cell, tool)


def test_one_click_copies_the_text(page: Page) -> None:
    origin = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    page.chrome.execute_cdp_cmd("Browser.grantPermissions", origin)
    page.find('[data-copies="arn"]').click()
    page.until(lambda: page.text('[data-copies="arn"]') == "Copied")
    assert _pasted(page) == arn_of(5, "3.13", "x86_64", "us-east-1")
    assert page.find("#live").get_attribute("textContent") == "Copied."
    page.find('[data-copies="snippet"]').click()
    page.until(lambda: page.text('[data-copies="snippet"]') == "Copied")
    assert _pasted(page) == snippet("cdk", [ROWS[5, "3.13", "x86_64", "us-east-1"]]).rstrip("\n")
    page.find('[aria-label="Copy sha256 of the zip"]').click()
    page.until(lambda: page.text('[aria-label="Copy sha256 of the zip"]') == "Copied")
    assert _pasted(page) == ROWS[5, "3.13", "x86_64", "us-east-1"].sha256


@pytest.mark.parametrize("clipboard", ["undefined", "{ writeText: async () => { throw new Error('no') } }"])
def test_without_the_clipboard_api_exec_command_copies(page: Page, clipboard: str) -> None:
    page.run(f"Object.defineProperty(navigator, 'clipboard', {{ value: {clipboard}, configurable: true }})")
    button = page.find('[data-copies="arn"]')
    button.click()
    page.until(lambda: button.text == "Copied")
    assert _pasted(page) == arn_of(5, "3.13", "x86_64", "us-east-1")
    assert page.run("return document.querySelectorAll('textarea.unseen').length") == 0


def _pasted(page: Page) -> str:
    """Return the clipboard's content by pasting it into a field."""
    page.run("document.body.append(Object.assign(document.createElement('textarea'), { id: 'paste' }))")
    field = page.find("#paste")
    field.send_keys(Keys.CONTROL, "v")
    text: str = field.get_property("value")  # type: ignore[assignment]
    page.run("arguments[0].remove()", field)
    return text


def test_if_copying_fails_the_text_is_selected(page: Page) -> None:
    page.run("Object.defineProperty(navigator, 'clipboard', { value: undefined }); document.execCommand = () => false")
    page.find('[data-copies="arn"]').click()
    page.until(lambda: page.text('[data-copies="arn"]') == "Press Ctrl+C")
    assert page.run("return getSelection().toString().trim()") == arn_of(5, "3.13", "x86_64", "us-east-1")


def test_the_address_keeps_the_choice_through_reload_and_back(page: Page) -> None:
    page.chrome.execute_cdp_cmd("Page.resetNavigationHistory", {})  # at 50 entries, going back skips one
    page.choose("layer", "3")
    page.choose("region", "eu-central-1")
    address = page.chrome.current_url
    assert "layer=3" in address
    assert "region=eu-central-1" in address
    page.chrome.refresh()
    assert page.text("#arn") == arn_of(3, "3.13", "x86_64", "eu-central-1")
    page.chrome.back()
    page.until(lambda: page.state["region"] == "us-east-1")
    assert page.text("#arn") == arn_of(3, "3.13", "x86_64", "us-east-1")
    page.chrome.back()
    page.until(lambda: page.state["layer"] == "5")
    page.chrome.forward()
    page.until(lambda: page.text("#arn") == arn_of(3, "3.13", "x86_64", "us-east-1"))
    page.open(address[address.index("#") :])
    assert page.text("#arn") == arn_of(3, "3.13", "x86_64", "eu-central-1")


def test_an_address_may_name_the_version(page: Page) -> None:
    page.open("#version=1.61.0&arch=aarch64")
    assert page.text("#arn") == arn_of(4, "3.13", "aarch64", "us-east-1")
    page.open("#version=9.9")
    assert "strands-agents 9.9 has no layer." in page.text("#notices")


def test_unknown_values_in_the_address_are_named(page: Page) -> None:
    page.open("#python=3.99&region=us-east-1&layer=%3Cimg%20src=x%3E")
    assert "The address has python=3.99, which is unknown. This page shows 3.13." in page.text("#notices")
    assert "The address has layer=<img src=x>" in page.text("#notices")
    assert page.text("#arn") == arn_of(5, "3.13", "x86_64", "us-east-1")


def test_other_spellings_in_the_address_are_understood(page: Page) -> None:
    page.open("#python=py3_12&arch=arm64")
    assert page.text("#arn") == arn_of(5, "3.12", "aarch64", "us-east-1")
    assert "The address has arch=arm64. This page reads it as aarch64." in page.text("#notices")


def test_a_missing_combination_of_python_and_architecture_is_named(page: Page, tmp_path: Path) -> None:
    gone = "strands-agents-py3_10-aarch64"
    releases = [
        release.model_copy(
            update={
                "targets": tuple(each for each in release.targets if each.layer_name != gone),
                "cells": tuple(each for each in release.cells if each.layer_name != gone),
            }
        )
        for release in official_history(MATRIX)
    ]
    path = tmp_path / "index.html"
    path.write_text(index_html(make_index(MATRIX, releases)))
    other = Page(page.chrome, path).open("#python=3.10&arch=aarch64&layer=4")
    assert other.text("#notices").startswith("Rebuilt")
    assert "A layer of this Python and architecture is not in us-east-1 at this number." in other.text("#notices")
    assert not other.find("#found").is_displayed()
    other.choose("arch", "x86_64")
    assert other.text("#arn") == arn_of(4, "3.10", "x86_64", "us-east-1")


def test_the_page_works_with_the_keyboard_only(page: Page) -> None:
    active = page.chrome.switch_to
    page.find("body").send_keys(Keys.TAB)
    assert active.active_element.get_attribute("id") == "layer"
    active.active_element.send_keys(Keys.ARROW_DOWN)
    page.until(lambda: page.state["layer"] == "4")
    order = []
    for _ in range(3):
        active.active_element.send_keys(Keys.TAB)
        order.append(active.active_element.get_attribute("name") or active.active_element.get_attribute("id"))
    assert order == ["region", "python", "arch"]
    active.active_element.send_keys(Keys.ARROW_RIGHT)
    page.until(lambda: page.text("#arn") == arn_of(4, "3.13", "aarch64", "us-east-1"))
    outline = page.run("return getComputedStyle(document.activeElement.nextElementSibling).outlineStyle")
    assert outline == "solid"
    for _ in range(2):
        active.active_element.send_keys(Keys.TAB)
    assert active.active_element.get_attribute("data-copies") == "arn"
    active.active_element.send_keys(Keys.ENTER)
    page.until(lambda: page.text('[data-copies="arn"]') == "Copied")


def test_choices_are_announced_and_every_control_has_an_accessible_name(page: Page) -> None:
    page.choose("arch", "aarch64")
    arn = arn_of(5, "3.13", "aarch64", "us-east-1")
    live = page.find("#live")
    assert live.get_attribute("textContent") == (
        f"Layer version 5: strands-agents 1.62.0, Python 3.13, aarch64, us-east-1. {arn}"
    )
    assert live.get_attribute("role") == "status"
    controls = page.chrome.find_elements(
        By.CSS_SELECTOR, "select, input, button, summary, a, pre[tabindex], svg, .wide"
    )
    unnamed = [each.get_attribute("outerHTML") for each in controls if each.is_displayed() and not _name(each)]
    assert unnamed == []
    assert _name(page.find("#python")) == "Python"
    assert _name(page.find("#charts svg")) == "Size over releases"
    levels = [int(each.tag_name[1]) for each in page.chrome.find_elements(By.CSS_SELECTOR, "h1, h2, h3")]
    assert levels[0] == 1
    assert set(levels[1:]) == {2}


def _name(found: WebElement) -> str:
    return found.accessible_name
