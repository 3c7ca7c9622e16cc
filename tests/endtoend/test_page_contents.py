"""What the page shows in Chromium: facts, changes, charts, marks, messages; at every width and scheme."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from publisher.catalog.index import make_index
from publisher.catalog.page.page import index_html
from publisher.catalog.release_status import NOTHING_YET
from tests.endtoend.browser import Page, needs_browser
from tests.endtoend.page_history import HISTORY, INDEX, MATRIX, ROWS, arn_of
from tests.publisher.catalog.catalog_cases import recorded
from tests.publisher.catalog.page_cases import NASTY
from tests.publisher.reconcile.plan_cases import small_matrix

pytestmark = needs_browser


def test_changes_since_the_last_release_are_listed(page: Page) -> None:
    assert page.text("#changes-title") == "Changed since layer version 4 (1.61.0)"
    rows = [row.text for row in page.chrome.find_elements(By.CSS_SELECTOR, "#changes tbody tr")]
    assert rows == [
        "boto3 updated 1.44.1 1.44.5",
        "botocore updated 1.44.1 1.44.5",
        "mcp updated 2.1.0 2.1.1",
        "mcp-types added 2.1.1",
        "pycparser removed 3.11",
        "strands-agents updated 1.61.0 1.62.0",
        "truststore added 0.10.5",
    ]
    page.choose("layer", "3")
    assert (
        page.text("#changes") == "There is no earlier release to compare with."
    )  # 2 was yanked, 1 has no recorded packages
    page.choose("layer", "1")
    assert "is not in us-east-1 at this number" in page.text("#notices")
    page.choose("python", "3.10")
    assert page.text("#changes") == "The packages of this layer are not recorded."


def test_the_facts_of_the_chosen_layer_are_shown(page: Page) -> None:
    page.choose("python", "3.10")
    facts = page.text("#facts")
    target = next(each for each in INDEX.releases[0].targets if (each.python, each.architecture) == ("3.10", "x86_64"))
    for words in (
        *("36.7 MB", "78.7 MB", "CPython 3.10.7", "strands-agents-py3_10-x86_64.cdx.json"),
        "1.20 s until its first request for an event, of which 0.96 s for imports;",
        "then 0.31 s for the first invocation, 0.02 s for the next. 93.5 MB of memory.",
        "CPython 3.10.7 on x86_64, Example Processor 9000 @ 2.60GHz, the median of 3 starts.",
    ):
        assert words in facts
    assert target.sha256 in facts.split("\n")
    assert target.sbom_sha256 in facts.split("\n")
    page.find("#packages-title").click()
    held = page.text("#packages")
    assert "exceptiongroup 1.3.1" in held.replace("\n", " ")
    assert len(held.replace(" ", "\n").split()) == 2 * len(target.packages or {})


def test_the_sbom_is_linked_if_the_ledger_has_it(page: Page) -> None:
    link = page.find("#facts a")
    assert link.get_dom_attribute("href") == "sbom/0005/strands-agents-py3_13-x86_64.cdx.json"
    assert link.text == "strands-agents-py3_13-x86_64.cdx.json"
    page.open("#layer=1&python=3.10")
    assert page.chrome.find_elements(By.CSS_SELECTOR, "#facts a") == []


def test_a_region_with_other_bytes_has_its_own_facts(page: Page) -> None:
    page.open("#layer=1&python=3.12&region=us-west-2")
    row = ROWS[1, "3.12", "x86_64", "us-west-2"]
    assert row.sha256 in page.text("#facts").split("\n")
    assert "other bytes than in the other regions" in page.text("#notices")


def test_a_region_without_the_newest_release_gets_its_newest_one(page: Page) -> None:
    page.choose("region", "ap-northeast-1")
    page.choose("python", "3.12")
    assert page.text("#arn") == arn_of(4, "3.12", "x86_64", "ap-northeast-1")
    assert "Layer version 5 (1.62.0) is not in ap-northeast-1 for this Python and architecture." in page.text(
        "#notices"
    )
    assert "layer=" not in page.chrome.current_url
    page.choose("region", "us-east-1")
    assert page.text("#arn") == arn_of(5, "3.12", "x86_64", "us-east-1")
    assert "Layer version 5" not in page.text("#notices")


def test_there_is_a_link_to_the_latest_release_and_a_pinned_one(page: Page) -> None:
    page.open("#python=3.12&region=us-west-2")
    assert page.text("#arn") == arn_of(5, "3.12", "x86_64", "us-west-2")
    for link, number in (("pinned", 5), ("following", 4)):
        page.open(page.find(f"#{link}").get_dom_attribute("href") or "")
        assert page.text("#arn") == arn_of(number, "3.12", "x86_64", "us-west-2")
    assert page.state["layer"] == "latest"
    page.choose("python", "3.13")
    assert "layer=latest" in page.chrome.current_url
    assert page.text("#arn") == arn_of(4, "3.13", "x86_64", "us-west-2")
    page.open("#layer=LATEST&python=3.10")
    assert page.text("#arn") == arn_of(4, "3.10", "x86_64", "us-east-1")


def test_the_choice_is_visible_in_forced_colors(page: Page) -> None:
    forced = {"features": [{"name": "forced-colors", "value": "active"}]}
    page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", forced)
    script = """const at = (chosen) => getComputedStyle(document.querySelector(
        `input[name=python]${chosen ? ":checked" : ":not(:checked)"} + span`));
        return [at(true).backgroundColor, at(false).backgroundColor, at(true).color];"""
    chosen, other, ink = page.run(script)
    assert chosen not in (other, ink)


def test_print_has_the_whole_snippet_and_no_controls(page: Page) -> None:
    page.choose("tool", "cloudformation")
    page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    script = """const snippet = document.getElementById("snippet").parentElement;
        return [snippet.scrollHeight <= snippet.clientHeight, snippet.scrollWidth <= snippet.clientWidth];"""
    assert page.run(script) == [True, True]
    controls = page.chrome.find_elements(By.CSS_SELECTOR, "select, input, label, legend, button, summary, .links a")
    assert [each.get_attribute("outerHTML") for each in controls if each.is_displayed()] == []
    assert page.text("#arn") == arn_of(5, "3.13", "x86_64", "us-east-1")
    page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.parametrize("width", [320, 1100])
def test_a_long_package_name_does_not_widen_the_page(page: Page, tmp_path: Path, width: int) -> None:
    matrix = small_matrix(package=f"{'a' * 40}-{'b' * 40}", layer_name="{package}-{python}{architecture}")
    file = tmp_path / "index.html"
    file.write_text(index_html(make_index(matrix, [recorded(matrix, 1, "1!1.0rc1+local.1")])))
    other = Page(page.chrome, file).open(width=width)
    assert other.run("return document.documentElement.scrollWidth") <= width
    assert other.text("#packages-title") == "All 1 package"


def test_a_yanked_release_is_marked(page: Page) -> None:
    page.open("#layer=2&python=3.12")
    assert page.text("#notices").startswith("Yanked on 2026-10-16: ")
    assert NASTY in page.text("#notices")
    assert NASTY in page.text(".releases")
    assert page.run("return document.images.length") == 0
    page.find("#notices a").click()
    page.until(lambda: page.text("#arn") == arn_of(5, "3.12", "x86_64", "us-east-1"))
    assert page.chrome.switch_to.active_element.get_attribute("id") == "layer"


def test_a_pending_layer_names_the_newest_available_one(page: Page) -> None:
    page.open("#layer=5&region=ap-northeast-1&python=3.12")
    assert page.text("#notices") == (
        "strands-agents-py3_12-x86_64 is not in ap-northeast-1 yet: the release is still being published. "
        "Use layer version 4 (1.61.0)."
    )
    assert not page.find("#found").is_displayed()
    page.find("#notices a").click()
    page.until(lambda: page.text("#arn") == arn_of(4, "3.12", "x86_64", "ap-northeast-1"))
    assert "Rebuilt: CVE-2026-31337 in cryptography." in page.text("#notices")
    page.choose("layer", "3")
    assert "Replaced: the same version was built again. Use layer version 4 (1.61.0)." in page.text("#notices")


def test_the_size_chart_and_its_table_have_the_same_values(page: Page) -> None:
    page.open("#layer=4&python=3.12")
    bars = page.chrome.find_elements(By.CSS_SELECTOR, "#charts figure:first-child g.release")
    assert [bar.find_element(By.TAG_NAME, "title").get_attribute("textContent") for bar in bars][:2] == [
        "Layer version 2 (1.58.0), yanked: 35.4 MB zipped, 76.3 MB unzipped",
        "Layer version 3 (1.61.0): 36.3 MB zipped, 78.1 MB unzipped",
    ]
    assert [bar.get_attribute("class") for bar in bars if "current" in (bar.get_attribute("class") or "")] == [
        "release current"
    ]
    heights = [float(bar.find_element(By.CSS_SELECTOR, "rect.part").get_attribute("height") or 0) for bar in bars]
    assert heights == sorted(heights)
    page.find("#charts summary").click()
    assert "2 1.58.0 (yanked) 35.4 MB 76.3 MB" in page.text("#charts table")


def test_the_cold_start_chart_has_no_bar_without_a_measurement(page: Page) -> None:
    page.open("#layer=4&python=3.12")
    figure = "#charts figure:nth-child(2)"
    bars = page.chrome.find_elements(By.CSS_SELECTOR, f"{figure} g.release")
    assert [bar.find_element(By.TAG_NAME, "title").get_attribute("textContent") for bar in bars] == [
        "Layer version 2 (1.58.0), yanked: 0.75 s for imports, 0.99 s until its first request for an event",
        "Layer version 3 (1.61.0): not recorded",
        "Layer version 4 (1.61.0): 0.85 s for imports, 1.09 s until its first request for an event",
        "Layer version 5 (1.62.0): 0.96 s for imports, 1.20 s until its first request for an event",
    ]
    assert [len(bar.find_elements(By.TAG_NAME, "rect")) for bar in bars] == [2, 0, 2, 2]
    assert "Measured on x86_64, Example Processor 9000 @ 2.60GHz." in page.text(figure)
    page.find(f"{figure} summary").click()
    assert "3 1.61.0 not recorded not recorded" in page.text(f"{figure} table")
    page.choose("python", "3.13")  # an open table stays open
    assert page.run("return [...document.querySelectorAll('#charts details')].map((each) => each.open)") == [
        False,
        True,
    ]
    page.choose("arch", "aarch64")
    assert _titles(page) == ["Size"]
    assert "Cold start\nnot measured" in page.text("#facts")


def test_measurements_of_different_machines_are_marked(page: Page, tmp_path: Path) -> None:
    moved = HISTORY[-1].model_copy(
        update={
            "targets": tuple(
                each.model_copy(
                    update={"cold_start": each.cold_start and each.cold_start.model_copy(update={"processor": "Other"})}
                )
                for each in HISTORY[-1].targets
            )
        }
    )
    path = tmp_path / "index.html"
    path.write_text(index_html(make_index(MATRIX, (*HISTORY[:-1], moved))))
    other = Page(page.chrome, path).open()
    assert "Measured on different machines" in other.text("#charts figure:nth-child(2)")


def _titles(page: Page) -> list[str]:
    return [each.text for each in page.chrome.find_elements(By.CSS_SELECTOR, "#charts figcaption strong")]


def test_the_release_table_links_each_release(page: Page) -> None:
    page.choose("arch", "aarch64")
    page.find('.releases a[href="#layer=3"]').click()
    page.until(lambda: page.text("#arn") == arn_of(3, "3.13", "aarch64", "us-east-1"))


def test_without_a_release_the_page_says_so(page: Page, tmp_path: Path) -> None:
    empty = tmp_path / "empty.html"
    empty.write_text(index_html(make_index(MATRIX, ())))
    other = Page(page.chrome, empty).open()
    assert other.text("#message") == NOTHING_YET
    assert not other.find("#chooser").is_displayed()
    assert not other.find(".releases").is_displayed()


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: "{}", lambda data: ""])
def test_damaged_data_gives_a_message_with_a_link_to_the_table(
    chrome: Chrome, file: Path, tmp_path: Path, damage: Callable[[str], str]
) -> None:
    head, rest = file.read_text().split('id="data">\n')
    data, tail = rest.split("\n</script>", 1)
    broken = tmp_path / "broken.html"
    broken.write_text(f'{head}id="data">\n{damage(data)}\n</script>{tail}')
    page = Page(chrome, broken).open()
    assert page.text("#message").startswith("This page’s data cannot be read")
    assert page.find('#message a[href="layers.md"]').is_displayed()
    assert not page.find("#chooser").is_displayed()
    page.console_entries()


def test_without_javascript_the_page_links_the_table(page: Page) -> None:
    page.chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.open()
        assert "The chooser needs JavaScript. Every ARN is also in the table" in page.text("#message")
        assert "1.62.0" in page.text(".releases")
        assert not page.find("#chooser").is_displayed()
    finally:
        page.chrome.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_page_requests_nothing(page: Page) -> None:
    page.chrome.execute_cdp_cmd("Network.enable", {})
    page.open("#layer=4")
    page.choose("tool", "sam")
    assert page.run("return performance.getEntriesByType('resource').map((each) => each.name)") == []


LOOKS = {
    "desktop-light": ("", 1100, "light"),
    "desktop-dark": ("#layer=2&python=3.12&arch=aarch64&tool=sam", 1100, "dark"),
    "phone-light": ("#layer=4", 360, "light"),
    "phone-dark": ("#layer=5&region=ap-northeast-1", 360, "dark"),
}


#: Both widths, schemes and addresses of both kinds.
QUICK = ("desktop-dark", "phone-light")


@pytest.mark.parametrize(
    "look", [pytest.param(look, marks=[] if look in QUICK else pytest.mark.slow) for look in LOOKS]
)
def test_the_page_is_readable_at_every_width_and_scheme(page: Page, look: str) -> None:
    address, width, scheme = LOOKS[look]
    page.open(address, width=width, scheme=scheme)
    page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert page.run(FAINT) == []
    assert page.run(SMALL) == []
    page.run("document.querySelectorAll('details').forEach((each) => { each.open = false; })")
    page.picture(look, width)


#: Every text with less contrast than WCAG AA requires.
FAINT = """
const parts = (color) => color.match(/[\\d.]+/g).map(Number);
const light = (color) => {
  const [r, g, b] = parts(color).map((each) => each / 255)
    .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const color = getComputedStyle(each).backgroundColor;
    if (parts(color)[3] !== 0) return color;
  }
  return "rgb(255, 255, 255)";
};
const faint = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const element = texts.currentNode.parentElement;
  if (!texts.currentNode.data.trim() || !element.checkVisibility() || element.closest("script, title, desc")) continue;
  const style = getComputedStyle(element);
  const [one, other] = [element.closest("svg") ? style.fill : style.color, behind(element)].map(light);
  const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  if (contrast < 4.5) faint.push([texts.currentNode.data.trim(), contrast]);
}
return faint;
"""

#: Every control that is too small for touch (WCAG 2.5.8: 24 pixels).
SMALL = """
return [...document.querySelectorAll("select, button, label > input, summary, table a")]
  .filter((each) => each.checkVisibility())
  .map((each) => [each.outerHTML.slice(0, 80), each.getBoundingClientRect()])
  .filter(([, box]) => box.width < 24 || box.height < 24)
  .map(([words, box]) => [words, box.width, box.height]);
"""
