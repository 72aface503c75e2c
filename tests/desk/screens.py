"""A real browser at the desk: Chromium driven by Playwright, and axe-core in its pages; skips where there is none."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

AXE = Path(sys.prefix) / "share" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CHROMIUM = shutil.which("chromium")

PHONE = {"width": 390, "height": 800}
DESKTOP = {"width": 1280, "height": 900}
NARROW = {"width": 320, "height": 640}
"""1280 pixels at a zoom of 400 %."""


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser; nothing of it outlives the block."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright; .ci/browser-tools installs it")
    if CHROMIUM is None:
        pytest.skip("no Chromium; .ci/browser-tools installs it")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Screen:
    """One tab, in which nothing may go wrong unseen.

    Args:
        context: of the browser, with a size and the reader's preferences.
        url: of the service.
    """

    def __init__(self, context: Any, url: str) -> None:
        self.page = context.new_page()
        self.url = url
        self.wrong: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", self._asked)

    def _said(self, message: Any) -> None:
        # A refused request is one that a test has provoked; what else is said is the page's own fault.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.wrong.append(message.text)

    def _asked(self, request: Any) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc:
            self.wrong.append(f"asked for {request.url}")

    def open(self, path: str = "") -> Any:
        """A page of the desk."""
        self.page.goto(f"{self.url}/desk/{path}")
        return self.page

    def fill(self, document: Mapping[str, Any]) -> None:
        """The form, as a person would; what has no input is computed."""
        for name, value in document.items():
            control = self.page.locator(f"#application [name={name}]")
            if not control.count():
                continue
            text = "" if value is None else str(value)
            if control.evaluate("control => control.tagName") == "SELECT":
                control.select_option(text)
            else:
                control.fill(text)

    def decide(self) -> None:
        """Send the form."""
        self.page.get_by_role("button", name="Decide").click()
        self.page.wait_for_load_state("load")

    def findings(self) -> list[str]:
        """What axe-core finds wrong with the page as it is."""
        if not AXE.exists():
            pytest.skip("no axe-core; .ci/browser-tools installs it")
        # Not as a <script>, which the page's policy forbids.
        self.page.evaluate(AXE.read_text(encoding="utf-8") + "; void 0")
        found = self.page.evaluate("rules => axe.run(document, {runOnly: {type: 'tag', values: rules}})", RULES)
        return [
            f"{violation['id']}: {node['html'][:200]}: {node['failureSummary']}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    def sideways(self) -> int:
        """Pixels that the page is wider than the screen."""
        wider: int = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return wider
