"""Three people try the desk as they would: an officer, somebody who looks into an appeal, and who owns the policy.

Each try is written as what a person does and expects to find next, with nothing but what is on the screen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.desk.test_desk_files import POLICY, applications, as_csv
from tests.desk.test_desk_records_browser import ANN, BOB, Desk, desk, press
from tests.servers import HANG_SECONDS

__all__ = ["desk"]  # a fixture

pytestmark = pytest.mark.slow

WAIT = HANG_SECONDS * 1000
FOCUSED = """() => {
    const at = document.activeElement;
    return at.getAttribute("aria-label") ?? at.labels?.[0]?.innerText ?? at.innerText;
}"""


def walk(page: Any, name: str, key: str = "Tab", most: int = 80) -> None:
    """Press Tab until what is called so has the focus, which is then on the screen and not covered."""
    for _ in range(most):
        page.keyboard.press(key)
        if page.evaluate(FOCUSED).strip().startswith(name):
            assert page.evaluate(
                "() => { const at = document.activeElement, box = at.getBoundingClientRect();"
                "const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);"
                "return at.contains(hit) || hit?.contains(at); }"
            ), f"{name} has the focus, and can't be seen"
            return
    raise AssertionError(f"Tab never comes to {name}")


def follow(page: Any, key: str = "Enter") -> None:
    with page.expect_navigation():
        page.keyboard.press(key)


def type_in(page: Any, document: Mapping[str, Any]) -> None:
    """The form, field after field, up to its button."""
    while "BUTTON" != page.evaluate("document.activeElement.tagName"):
        name = page.evaluate("document.activeElement.name ?? ''")
        if name in document:
            page.keyboard.type(str(document[name]))
        page.keyboard.press("Tab")


def test_officer(desk: Desk, example: dict[str, Any]) -> None:
    """By keyboard alone: types an application, corrects it, tries what if, files, and prints the letter."""
    with desk.person(ANN, "officer", reduced_motion="reduce") as ann:
        page = ann.open()
        walk(page, "Fill in the example")
        type_in(page, example | {"person_income": 0})
        page.get_by_text("Input should be greater than or equal to 1").wait_for()
        assert "Decide" == page.evaluate(FOCUSED)
        follow(page)
        assert "problem" == page.evaluate("document.activeElement.id"), "told at once what is wrong"
        walk(page, "Income per year")
        page.keyboard.press("Enter")
        assert "person_income" == page.evaluate("document.activeElement.name"), "the problem leads to its field"
        page.keyboard.press("Control+A")
        page.keyboard.type(str(example["person_income"]))
        follow(page)
        assert "decided" == page.evaluate("document.activeElement.id")
        filed = page.locator(".stamp code").inner_text()

        walk(page, "Amount asked for, slider", "Shift+Tab")
        with page.expect_response("**/what-if"):
            page.keyboard.press("Home")
        page.locator(".tag").wait_for()
        assert page.locator(".decision").evaluate(
            "panel => { const box = panel.getBoundingClientRect(); return 0 <= box.top && box.bottom <= innerHeight; }"
        ), "the answer is in sight of the slider"
        walk(page, "Back to as filed")
        page.keyboard.press("Enter")
        page.locator(".tag").wait_for(state="detached")
        assert "decided" == page.evaluate("document.activeElement.id")
        assert filed == page.locator(".stamp code").inner_text()

        walk(page, "on record")
        follow(page)
        walk(page, "Write the letter")
        follow(page)
        walk(page, "Applicant\u2019s name and address")
        page.keyboard.press("Control+A")
        page.keyboard.type("Jane Roe")
        page.evaluate("window.print = () => { document.title = 'printed'; }")
        walk(page, "Print, or save as PDF")
        page.keyboard.press("Enter")
        assert "printed" == page.title()
        assert "Jane Roe" in page.locator("article").inner_text()
        walk(page, "Mark as sent")
        follow(page)
        assert page.url.endswith(f"records/{filed}#letter")
        assert "Sent on" in page.locator("section[aria-labelledby=letter]").inner_text()


def test_appeals(desk: Desk) -> None:
    """Finds the decision by its reference, makes it again, proposes an override; another one finds it and confirms."""
    refused = desk.refused[-1]
    with desk.person(ANN, "officer") as ann, desk.person(BOB, "reviewer") as bob:
        page = ann.open("records")
        page.get_by_label("Reference").fill("no such reference")
        press(ann, "Find")
        assert "no such reference" == page.get_by_label("Reference").input_value()
        assert page.get_by_text("None").or_(page.get_by_text("Nothing")).or_(page.get_by_text("No decision")).count()
        page.get_by_label("Reference").fill("r" * 64)
        page.get_by_label("Outcome").select_option("REJECT")
        press(ann, "Find")
        with page.expect_navigation():
            page.get_by_role("link", name=refused).click()
        press(ann, "Make it again")
        assert page.url.endswith("#replay")
        assert "identical" in page.locator(".verdict").inner_text().lower()
        page.get_by_label("Instead").select_option("APPROVE")
        page.get_by_label("Reason", exact=True).select_option("DOCUMENTS_SEEN")
        page.get_by_label("Why, in words").fill("Twelve payslips seen")
        press(ann, "Propose the override")
        assert "Proposed: Approve" in page.locator("#proposed").inner_text()
        assert not page.get_by_role("button", name="Confirm").count(), "nobody confirms what they have proposed"

        page = bob.open("reviews")
        first = page.locator("tbody tr").first
        assert f"proposed by {ANN}" in first.inner_text(), "what waits for a second person is on top"
        with page.expect_navigation():
            first.get_by_role("link").click()
        press(bob, "Decline")
        assert "problem" == page.evaluate("document.activeElement.id"), "told at once why nothing was done"
        press(bob, "Confirm")
        overridden = page.locator("section[aria-labelledby=overridden]").inner_text()
        assert "documents show more than the application can state" in overridden
        assert "Reject" == page.locator("#decided").inner_text().strip(), "what the model said stands beside it"
        assert "confirmed the override" in page.locator("section[aria-labelledby=done]").inner_text()


def test_policy_owner(desk: Desk, tmp_path: Path) -> None:
    """Reads the policy, pastes a broken draft, mends it twice, and compares it over a file."""
    draft = json.loads(POLICY.read_text(encoding="utf-8")) | {"version": "next"}
    (tmp_path / "past.csv").write_bytes(as_csv(applications(60)))
    with desk.person("pat@lender.example", "policy") as pat:
        page = pat.open("policy")
        page.locator("summary", has_text="just under the approval threshold").click()
        assert page.get_by_text("9.99%", exact=True).is_visible(), (
            "two digits, or it would read as the threshold itself"
        )

        def check(text: str) -> None:
            page.get_by_label("The draft, as JSON").fill(text)
            press(pat, "Check the draft")

        broken = json.dumps(draft, indent=2)[:-20]
        check(broken)
        assert "problem" == page.evaluate("document.activeElement.id")
        assert broken == page.get_by_label("The draft, as JSON").input_value(), "nothing that was pasted is lost"
        check(json.dumps(draft))
        assert "version" in page.locator("#problem").inner_text()
        assert "such as 1.2.0" in page.locator("#draft-hint").inner_text()
        check(json.dumps(draft | {"version": "1.2.0"}))
        page.locator("#job[data-state=waiting]").wait_for(timeout=WAIT)
        assert "1.2.0" in page.locator("section[aria-labelledby=differs]").inner_text()
        page.set_input_files("#file", tmp_path / "past.csv")
        page.get_by_role("button", name="Compare").click()
        page.locator("#job[data-state=done]").wait_for(timeout=WAIT)
        assert "0 of 60 applications would be decided otherwise" in page.locator(".big").inner_text()
        with page.expect_navigation():
            page.get_by_role("link", name="The policy in force").click()
        assert page.get_by_role("link", name="1.2.0 over past.csv").is_visible(), "a draft is found again"


def test_a_screen_tells_what_went_wrong(desk: Desk) -> None:
    """Else the tries above would prove less than they seem to."""
    with pytest.raises(AssertionError, match="on purpose"), desk.person(ANN, "officer") as ann:  # at its end
        ann.open().evaluate("console.error('on purpose')")
