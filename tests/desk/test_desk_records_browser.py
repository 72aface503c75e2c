"""Look up, reviews and the letter in a real browser: what keeps nobody out, two people at once, and what is printed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from records.keyring import add_key
from tests import expect
from tests.desk.screens import DESKTOP, NARROW, PHONE, Screen, chromium
from tests.servers import HANG_SECONDS, ROOT, copy_store, serving

pytestmark = pytest.mark.slow

SECRET = "s" * 40
ANN, BOB = "ann@lender.example", "bob.with-a-name-that-goes-on-and-on-and-on@lender.example"


class Desk:
    """A served desk, some decisions, and the people who come to it."""

    def __init__(self, url: str, browser: Any, answers: list[dict[str, Any]]) -> None:
        self.url, self.browser = url, browser
        self.of = {answer["decision"]: answer["decision_id"] for answer in answers}
        self.refused = [answer["decision_id"] for answer in answers if answer["decision"] == "REJECT"]
        self.answers = {answer["decision_id"]: answer for answer in answers}

    @contextmanager
    def person(self, name: str, roles: str, **options: Any) -> Iterator[Screen]:
        """Somebody at a screen; whatever went wrong there is told at the end."""
        groups = ",".join(f"desk-{role}" for role in roles.split(","))
        signed_in = {"X-Desk-Secret": SECRET, "X-Forwarded-Email": name, "X-Forwarded-Groups": groups}
        options = {"viewport": DESKTOP, "locale": "en-GB", "timezone_id": "Europe/Berlin"} | options
        with self.browser.new_context(extra_http_headers=signed_in, **options) as context:
            screen = Screen(context, self.url)
            yield screen
            assert [] == screen.wrong


@pytest.fixture(scope="module")
def desk(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    add_key(folder / "keys.json")
    (folder / "secret").write_text(SECRET)
    settings = {
        "CREDIT_RISK_RECORDS": f"sqlite:{folder}/records",
        "CREDIT_RISK_RECORDS_KEY_FILE": str(folder / "keys.json"),
        "CREDIT_RISK_DESK_PROXIES": "127.0.0.1",
        "CREDIT_RISK_DESK_SECRET_FILE": str(folder / "secret"),
    }
    golden = json.loads((ROOT / "artifacts" / "model" / "golden_applications.json").read_text(encoding="utf-8"))
    with chromium() as browser, serving(copy_store(store, folder / "home"), **settings) as server:
        with httpx.Client(base_url=server.url, timeout=HANG_SECONDS) as client:
            sent = [each["application"] | {"reference": "r" * 64} for each in golden["applications"]]
            answers = [expect.answer(client.post("/predict/explain", json=each)) for each in sent]
        yield Desk(server.url, browser, answers)


def propose(screen: Screen) -> None:
    """The form of an override, filled in and sent."""
    page = screen.page
    page.get_by_label("Instead").select_option("APPROVE")
    page.get_by_label("Reason", exact=True).select_option("DOCUMENTS_SEEN")
    page.get_by_label("Why, in words").fill("w" * 300 + " payslips seen")
    press(screen, "Propose the override")


def press(screen: Screen, name: str) -> None:
    with screen.page.expect_navigation():
        screen.page.get_by_role("button", name=name, exact=True).click()


def test_nothing_keeps_anybody_out(desk: Desk) -> None:
    """axe-core finds nothing, and nothing has to be scrolled sideways: in any state, size and scheme."""
    sizes = ((DESKTOP, "light"), (PHONE, "dark"), (NARROW, "light"))
    for refused, (viewport, scheme) in zip(desk.refused, sizes, strict=False):
        look = {"viewport": viewport, "color_scheme": scheme}

        def fit(screen: Screen, state: str, look: dict[str, Any] = look) -> None:
            assert ([], 0) == (screen.findings(), screen.sideways()), (state, look)

        with desk.person(ANN, "officer", **look) as ann, desk.person(BOB, "reviewer", **look) as bob:
            ann.open("records")
            fit(ann, "the latest")
            ann.page.get_by_label("Decision id").fill("x")
            press(ann, "Find")
            fit(ann, "not found")
            for outcome, decision in desk.of.items():
                ann.open(f"records/{decision}")
                fit(ann, outcome)
                ann.open(f"records/{decision}/letter")
                fit(ann, f"letter of {outcome}")
            bob.open(f"records/{refused}")
            ann.open(f"records/{refused}")
            press(ann, "Make it again")
            propose(ann)
            fit(ann, "one's own proposal")
            press(bob, "It stands as it is")
            fit(bob, "somebody was first")
            bob.open("reviews")
            fit(bob, "what waits")
            bob.open(f"records/{refused}")
            press(bob, "Decline")
            assert "say why" in bob.page.get_by_role("alert").inner_text().lower()
            fit(bob, "declined without a word")
            press(bob, "Confirm")
            bob.page.locator("summary").click()
            fit(bob, "overridden")


def test_two_officers_at_one_case(desk: Desk) -> None:
    """The second one is told who else is there, and what was done; what was typed is still there."""
    refused = desk.refused[3]
    with desk.person(ANN, "officer") as ann, desk.person("carl@lender.example", "officer,reviewer") as carl:
        ann.open(f"records/{refused}")
        carl.open(f"records/{refused}")
        assert f"{ANN} looked at it" in carl.page.get_by_role("note").inner_text()
        propose(carl)
        propose(ann)
        told = ann.page.get_by_role("alert").inner_text()
        assert "Nothing was done" in told
        assert "Proposed: Approve" in ann.page.locator("#proposed").inner_text()
        carl.page.reload()
        assert not carl.page.get_by_role("button", name="Confirm").count()


def test_letter_is_printed_alone(desk: Desk, tmp_path: Path) -> None:
    """With what was typed into it and the record's reasons; the desk around it isn't, and nothing was sent."""
    refused = desk.refused[4]
    with desk.person(ANN, "officer") as ann:
        page = ann.open(f"records/{refused}/letter")
        asked: list[str] = []
        page.on("request", lambda request: "/static/" in request.url or asked.append(request.url))
        place = page.get_by_role("textbox", name="Applicant\u2019s name and address")
        place.click()
        page.keyboard.press("Control+A")
        page.keyboard.type("Jane Roe")
        page.keyboard.press("Enter")
        page.keyboard.type("1 High Street")
        assert "Jane Roe\n1 High Street" == place.inner_text().strip()
        page.evaluate("window.print = () => { document.title = 'printed'; }")
        page.get_by_role("button", name="Print, or save as PDF").click()
        assert ("printed", []) == (page.title(), asked)
        page.emulate_media(media="print")
        shown = page.evaluate("document.body.innerText")
        for reason in desk.answers[refused]["reasons"]:
            assert reason["text"] in shown
        assert "Jane Roe" in shown
        assert not [word for word in ("Credit desk", "Mark as sent", "Back to the record", ANN) if word in shown]
        page.emulate_media(media="null")
        page.pdf(path=str(tmp_path / "letter.pdf"))
    if shutil.which("pdftotext"):
        text = subprocess.run(
            ["pdftotext", "-layout", tmp_path / "letter.pdf", "-"], capture_output=True, text=True, check=True
        )
        assert "Jane Roe" in text.stdout
        assert "Mark as sent" not in text.stdout


def test_by_keyboard_alone(desk: Desk) -> None:
    """From the list to a record, to its letter, marked as sent."""
    with desk.person(ANN, "officer") as ann:
        page = ann.open("records")
        ann.page.get_by_label("Decision id").focus()
        page.keyboard.type(desk.refused[5])
        with page.expect_navigation():
            page.keyboard.press("Enter")
        for name in ("Write the letter", "Mark as sent"):
            while name != page.evaluate("document.activeElement.textContent"):
                page.keyboard.press("Tab")
            with page.expect_navigation():
                page.keyboard.press("Enter")
        assert "Sent on" in page.locator("section[aria-labelledby=letter]").inner_text()


def test_times_are_the_reader_s(desk: Desk) -> None:
    with desk.person(ANN, "viewer", locale="de-DE", timezone_id="Asia/Tokyo") as ann:
        moment = ann.open("records").locator("table time").first
        stated = moment.get_attribute("datetime")
        expected = ann.page.evaluate(
            "stated => new Intl.DateTimeFormat('de-DE', {"
            "dateStyle: 'medium', timeStyle: 'medium', timeZone: 'Asia/Tokyo'}).format(new Date(stated))",
            stated,
        )
        assert expected == moment.inner_text()


def test_nothing_is_in_address_or_storage(desk: Desk) -> None:
    """After a search and all that can be done with a decision."""
    with desk.person(ANN, "officer") as ann:
        page = ann.open("records")
        page.get_by_label("Reference").fill("r" * 64)
        press(ann, "Find")
        assert page.locator("table tbody tr").count() >= 18
        assert page.url.endswith("/desk/records")
        stored = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")
        assert [0, 0, ""] == stored
