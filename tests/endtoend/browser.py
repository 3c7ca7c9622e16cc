"""Pages in Chromium, opened from the file system."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import JavascriptException, StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests import REPOSITORY

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
DRIVER = shutil.which("chromedriver")
PICTURES = REPOSITORY / "test-output" / "page"
FLAGS = (
    *(
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--in-process-gpu",
        "--disable-extensions",
        "--disable-quic",
        "--no-first-run",
        "--disable-sync",
    ),
    *("--disable-background-networking", "--disable-component-update"),
    "--disable-ipc-flooding-protection",  # a test opens a hundred addresses in a second
)
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no Chromium with chromedriver on PATH (Debian: chromium, chromium-driver)"
)


@contextmanager
def chromium(profile: Path) -> Iterator[Chrome]:
    """Run Chromium without a window and with an empty profile."""
    options = ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=ChromeService(DRIVER))
    try:
        driver.set_script_timeout(30)
        yield driver
    finally:
        driver.quit()


class Page:
    """The opened page."""

    def __init__(self, chrome: Chrome, file: Path) -> None:
        self.chrome = chrome
        self.file = file

    def open(self, address: str = "", *, width: int = 1100, scheme: str = "light") -> Page:
        """Open the page with a screen width and a colour scheme; ``address`` starts with ``#``."""
        self.chrome.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"media": "", "features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        self._screen(width, 900)
        self.chrome.get("about:blank")
        self.chrome.get(self.file.as_uri() + address)
        return self

    def _screen(self, width: int, height: int) -> None:
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)

    def picture(self, name: str, width: int) -> None:
        """Save a screenshot of the full page."""
        self._screen(width, self.run("return document.documentElement.scrollHeight"))
        PICTURES.mkdir(parents=True, exist_ok=True)
        assert self.chrome.save_screenshot(str(PICTURES / f"{name}.png"))

    def run(self, script: str, *arguments: Any) -> Any:
        return self.chrome.execute_script(script, *arguments)

    def find(self, selector: str) -> WebElement:
        return self.chrome.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """Return the visible text of an element."""
        return self.find(selector).text

    def choose(self, key: str, value: str) -> None:
        """Choose a value with the mouse."""
        if key in ("layer", "region"):
            Select(self.find(f"#{key}")).select_by_value(value)
        else:
            self.find(f'input[name="{key}"][value="{value}"]').click()

    @property
    def state(self) -> dict[str, str]:
        """Return the values of the controls."""
        script = """const at = (name) => document.querySelector(`input[name=${name}]:checked`)?.value;
            const chosen = (id) => document.getElementById(id).value;
            return {layer: chosen("layer"), region: chosen("region"),
                    python: at("python"), arch: at("arch"), tool: at("tool")};"""
        state: dict[str, str] = self.run(script)
        return state

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition. While the page loads again, its elements and scripts are missing."""
        loading = (JavascriptException, StaleElementReferenceException)
        WebDriverWait(self.chrome, 15, 0.02, loading).until(lambda _: condition())

    def console_entries(self) -> list[dict[str, Any]]:
        """Return the new entries of the browser's console."""
        entries: list[dict[str, Any]] = self.chrome.get_log("browser")  # type: ignore[no-untyped-call]
        return entries
