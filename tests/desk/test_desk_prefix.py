"""The desk in a real browser behind a real nginx, below a prefix taken off and one left on; and /docs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from records.keyring import add_key
from tests.desk.screens import DESKTOP, PHONE, Screen, chromium
from tests.servers import Server, copy_store, serving
from tests.serving.test_proxies import nginx

pytestmark = pytest.mark.slow

SECRET = "s" * 40
SIGNED_IN = {"X-Desk-Secret": SECRET, "X-Forwarded-Email": "ann@lender.example", "X-Forwarded-Groups": "desk-officer"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def prefixed(browser: Any, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that knows of one of the prefixes."""
    assert browser
    folder = tmp_path_factory.mktemp("prefixed")
    (folder / "secret").write_text(SECRET)
    add_key(folder / "keys.json")
    settings = {
        "CREDIT_RISK_ROOT_PATH": "/credit-risk",
        "CREDIT_RISK_DESK_PROXIES": "127.0.0.1",
        "CREDIT_RISK_DESK_SECRET_FILE": str(folder / "secret"),
        "CREDIT_RISK_RECORDS": f"sqlite:{folder}/records",
        "CREDIT_RISK_RECORDS_KEY_FILE": str(folder / "keys.json"),
    }
    with serving(copy_store(store, folder / "home"), **settings) as server:
        yield server


@pytest.mark.parametrize("prefix", ["/scoring", "/credit-risk"])
def test_under_a_prefix(prefixed: Server, browser: Any, tmp_path: Path, example: dict[str, Any], prefix: str) -> None:
    """From the form to the record and its letter; nothing is asked for outside of the prefix."""
    with nginx(prefixed, tmp_path) as url, browser.new_context(extra_http_headers=SIGNED_IN) as context:
        screen = Screen(context, f"{url}{prefix}")
        asked: list[str] = []
        screen.page.on("request", lambda request: asked.append(urlsplit(request.url).path))
        page = screen.open()
        screen.fill(example)
        screen.decide()
        with page.expect_response("**/what-if"):
            page.locator("[name=loan_amnt]").fill("9000")
        page.locator(".tag").wait_for()
        with page.expect_navigation():
            page.get_by_role("button", name="Decide").click()
        with page.expect_navigation():
            page.get_by_role("link", name="on record").click()
        assert "Decision on record" == page.locator("h1").inner_text()
        with page.expect_navigation():
            page.get_by_role("button", name="Make it again").click()
        assert "identical" in page.locator(".verdict").inner_text().lower()
        with page.expect_navigation():
            page.get_by_role("link", name="Batch").click()
        assert len(asked) > 10
        assert [] == [path for path in asked if not path.startswith(f"{prefix}/desk/")]
        assert [] == screen.wrong


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_docs_keep_nobody_out(prefixed: Server, browser: Any, viewport: dict[str, int]) -> None:
    """axe-core finds nothing on the page of the API either."""
    with browser.new_context(viewport=viewport) as context:
        screen = Screen(context, prefixed.url)
        screen.page.goto(f"{prefixed.url}/docs")
        screen.page.locator(".opblock").first.wait_for()
        assert [] == screen.findings()
