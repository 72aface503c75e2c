"""Batch, policy and health in a real browser: files are sent by hand, and nothing keeps anybody out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.desk.screens import DESKTOP, NARROW, PHONE, Screen, chromium
from tests.desk.test_desk_files import POLICY, applications, as_csv
from tests.servers import HANG_SECONDS

pytestmark = pytest.mark.slow

WAIT = HANG_SECONDS * 1000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.mark.parametrize(
    ("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark"), (NARROW, "light")], ids=["desktop", "phone", "zoomed"]
)
def test_files(  # noqa: PLR0915  # one visit, a step after the other
    client: httpx.Client, browser: Any, tmp_path: Path, viewport: dict[str, int], scheme: str
) -> None:
    """Sent, read, decided and downloaded; axe-core finds nothing in any state, and nothing is wider than the screen."""
    (tmp_path / "none.csv").write_text("a,b\n1,2\n")
    documents = applications(30)
    documents[3]["loan_grade"] = "Z"
    (tmp_path / "some.csv").write_bytes(as_csv(documents))
    draft = json.loads(POLICY.read_text(encoding="utf-8")) | {"version": "9.9.9"}
    with browser.new_context(viewport=viewport, color_scheme=scheme, reduced_motion="reduce") as context:
        screen = Screen(context, str(client.base_url).rstrip("/"))
        page = screen.page

        def fit(state: str) -> None:
            assert ([], 0) == (screen.findings(), screen.sideways()), state

        def send(name: str, button: str) -> None:
            page.set_input_files("#file", tmp_path / name)
            page.get_by_role("button", name=button).click()

        def wait(state: str) -> None:
            page.wait_for_selector(f"#job[data-state={state}]", timeout=WAIT)
            fit(state)

        screen.open("batch")
        fit("batch")
        send("none.csv", "Send the file")
        wait("failed")
        page.get_by_role("button", name="Remove").click()
        page.wait_for_selector("#file")
        send("some.csv", "Send the file")
        wait("waiting")
        page.get_by_role("button", name="Decide 30 applications").click()
        wait("done")
        with page.expect_download() as download:
            page.get_by_role("link", name="Download the problems").click()
        assert "loan_grade" in Path(download.value.path()).read_text(encoding="utf-8-sig")
        page.reload()
        wait("done")
        page.get_by_role("button", name="Remove").click()
        page.wait_for_selector("#file")

        screen.open("policy")
        fit("policy")
        page.fill("#draft", "{}")
        page.get_by_role("button", name="Check the draft").click()
        page.wait_for_selector("#problem:focus")
        fit("a draft that is none")
        page.get_by_role("button", name="Start from the policy in force").click()
        assert '"thresholds"' in page.input_value("#draft")
        page.fill("#draft", json.dumps(draft))
        page.get_by_role("button", name="Check the draft").click()
        wait("waiting")
        send("some.csv", "Compare")
        wait("done")
        page.get_by_role("button", name="Remove").click()
        screen.open("health")
        fit("health")
        assert [] == screen.wrong
