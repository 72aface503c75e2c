"""The desk in a real browser: what a person sees, and what keeps nobody out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from preprocessing.contract import Contract
from preprocessing.fields import Integer, Number
from scoring.artifact import read_artifact
from tests import expect
from tests.books import BOOKS, EVERY_TYPE, documents, train_book
from tests.desk.screens import DESKTOP, NARROW, PHONE, Screen, chromium
from tests.servers import HANG_SECONDS, ROOT, Server, copy_store, run_python, serving

pytestmark = pytest.mark.slow


class Book(NamedTuple):
    """A loan book that is served, with records, and applications that a person might type."""

    server: Server
    contract: Contract
    documents: list[dict[str, Any]]


def typed(contract: Contract, document: dict[str, Any]) -> dict[str, Any]:
    """An application without what the desk has no input for, its choices as one chooses them."""
    computed, read = {ratio.name for ratio in contract.ratios}, contract.parse(document)
    return {
        name: read[name] if contract.by_name[name].choices else value
        for name, value in document.items()
        if name not in computed and value is not None
    }


def golden(model: Path) -> list[dict[str, Any]]:
    """A model's golden applications."""
    content = json.loads((model / "golden_applications.json").read_text(encoding="utf-8"))
    return [each["application"] for each in content["applications"]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module", params=["default", "boat_loans", "heloc"])
def book(
    request: pytest.FixtureRequest, browser: Any, store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Book]:
    """The default one, one with a field of every type, and one with a lot of fields."""
    assert browser
    root = tmp_path_factory.mktemp(request.param)
    if request.param == "default":
        home, model = copy_store(store, root / "home"), ROOT / "artifacts" / "model"
    else:
        folder, model = train_book(root, BOOKS.get(request.param, EVERY_TYPE))
        run_python("import_model.py", "--model", model, "--policy", folder / "decision_policy.json", home=root / "home")
        home = root / "home"
    run_python("-m", "records", "key", root / "keys.json", home=home)
    settings = {"CREDIT_RISK_RECORDS": f"sqlite:{root}/records", "CREDIT_RISK_RECORDS_KEY_FILE": f"{root}/keys.json"}
    contract = read_artifact(model).contract
    sent = [*golden(model), *documents(contract, 12, seed=5)]
    with serving(home, **settings) as server:
        yield Book(server, contract, [typed(contract, document) for document in sent])


@pytest.fixture
def screen(book: Book, browser: Any) -> Iterator[Screen]:
    """A tab on a desktop; whatever went wrong in it is told at the end."""
    with browser.new_context(viewport=DESKTOP, reduced_motion="reduce", locale="en-GB") as context:
        opened = Screen(context, book.server.url)
        yield opened
        assert [] == opened.wrong


def of_each_outcome(book: Book) -> dict[str, dict[str, Any]]:
    """An application for each outcome that there is one for."""
    with httpx.Client(base_url=book.server.url, timeout=HANG_SECONDS) as client:
        answers = {client.post("/predict", json=document).json()["decision"]: document for document in book.documents}
    assert {"APPROVE", "REJECT"} <= answers.keys()
    return answers


def test_shown_is_answered(book: Book, screen: Screen) -> None:
    """Each application gets on the screen what it gets as JSON; the waterfall ends at its PD."""
    for document in book.documents:
        answer = expect.answer(httpx.post(f"{book.server.url}/predict/explain", json=document, timeout=HANG_SECONDS))
        page = screen.open()
        screen.fill(document)
        screen.decide()
        title = page.locator("#decided").inner_text().upper().replace(" ", "_")
        assert answer["decision"] == title
        shown = page.locator(".figures data").evaluate("data => Number(data.value)")
        assert answer["probability_of_default"] == shown
        assert str(answer["credit_score"]) == page.locator(".figures dd").nth(1).inner_text()
        ends = page.locator(".waterfall td:nth-child(5) data").evaluate_all(
            "all => all.map((each) => Number(each.value))"
        )
        assert answer["probability_of_default"] == ends[-1]
        assert abs(ends[-2] - ends[-1]) <= 1e-9
        reasons = page.locator("[aria-labelledby=reasons] li").all_inner_texts()
        assert [each["text"] for each in answer["reasons"]] == [each.split("\n")[0] for each in reasons]


def test_nothing_keeps_anybody_out(book: Book, browser: Any) -> None:
    """axe-core finds nothing, and nothing has to be scrolled sideways: in any state, size and scheme."""
    answers = of_each_outcome(book)
    first = next(field for field in book.contract.fields if field.choices or isinstance(field, Number | Integer))
    for viewport, scheme in ((DESKTOP, "light"), (PHONE, "dark"), (NARROW, "light")):
        with browser.new_context(viewport=viewport, color_scheme=scheme) as context:
            screen = Screen(context, book.server.url)

            def fit(state: str, screen: Screen = screen, where: tuple[Any, str] = (viewport, scheme)) -> None:
                assert ([], 0) == (screen.findings(), screen.sideways()), (state, where)

            screen.open()
            fit("empty")
            screen.decide()
            assert screen.page.locator("#problem").is_visible()
            fit("invalid")
            for outcome, document in answers.items():
                screen.open()
                screen.fill(document)
                screen.decide()
                fit(outcome)
            control = screen.page.locator(f"#application [name={first.name}]")
            values = [*first.choices] or [str(int(each)) for each in (first.least, first.greatest)]
            other = next(each for each in values if each != control.input_value())
            with screen.page.expect_response("**/what-if"):
                screen.fill({first.name: other})
            screen.page.locator(".tag").wait_for()
            fit("what if")
            screen.open("nothing")
            fit("no such page")
            assert [] == screen.wrong


@pytest.mark.parametrize("book", ["default"], indirect=True)
class TestScript:
    """On one book: the script knows of none."""

    @pytest.fixture
    def answered(self, screen: Screen, example: dict[str, Any]) -> Any:
        """A page with a filed decision."""
        screen.open()
        screen.fill(example)
        screen.decide()
        return screen.page

    def test_answers_as_one_slides_and_goes_back(self, answered: Any) -> None:
        """What is tried is clearly not filed; the value as filed brings the filed decision back."""
        page, filed = answered, answered.locator("#answer").inner_html()
        slider = page.get_by_label("Amount asked for, slider")
        slider.focus()
        with page.expect_response("**/what-if"):
            slider.press("End")
        page.locator(".tag").wait_for()
        assert page.locator("[name=loan_amnt]").input_value() == slider.input_value()
        page.get_by_role("button", name="Back to as filed").click()
        page.locator(".tag").wait_for(state="detached")
        assert "18000" == page.locator("[name=loan_amnt]").input_value()
        assert filed == page.locator("#answer").inner_html()

    def test_the_last_value_wins(self, answered: Any) -> None:
        """An answer that is late is not shown over that of a later value."""
        page, held = answered, []

        def hold(route: Any) -> None:
            if not held:
                held.append(route)
            else:
                route.continue_()

        page.route("**/what-if", hold)
        amount = page.locator("[name=loan_amnt]")
        amount.fill("60000")
        page.wait_for_timeout(300)
        with page.expect_response("**/what-if"):
            amount.fill("1000")
        page.locator(".tag").wait_for()
        shown = page.locator(".figures").inner_text()
        with suppress(Exception):  # of a request that the page has dropped
            held[0].continue_()
        page.wait_for_timeout(200)
        assert shown == page.locator(".figures").inner_text()

    def test_wrong_as_typed(self, screen: Screen, book: Book) -> None:
        """What is wrong is said at the field in the API's words, and goes as soon as it is right."""
        page = screen.open()
        income = page.locator("[name=person_income]")
        income.fill("0")
        page.get_by_text("Input should be greater than or equal to 1").wait_for()
        assert "true" == income.get_attribute("aria-invalid")
        assert 1 == page.locator(".error:not(:empty)").count(), "what has not been touched is not found fault with"
        income.fill("1")
        page.locator(".error:not(:empty)").wait_for(state="detached")
        assert book

    def test_offline(self, answered: Any) -> None:
        """What has been typed is still there, and one is told."""
        answered.context.set_offline(True)
        answered.locator("[name=loan_amnt]").fill("20000")
        answered.get_by_text("The service can't be reached").wait_for()
        assert "20000" == answered.locator("[name=loan_amnt]").input_value()
        answered.context.set_offline(False)
        answered.locator("[name=loan_amnt]").fill("20001")
        answered.locator(".tag").wait_for()

    def test_what_stands_in_front_answers(self, answered: Any) -> None:
        """Signed out, or nothing behind the proxy: said in words, never shown as if it were the desk's."""
        sign_in = {"status": 302, "headers": {"Location": "/oauth2/sign_in"}}
        answered.route("**/what-if", lambda route: route.fulfill(**sign_in))
        answered.locator("[name=loan_amnt]").fill("20000")
        answered.get_by_text("You are signed out").wait_for()
        answered.unroute("**/what-if")
        gateway = {"status": 502, "content_type": "text/html", "body": "<h1>502 Bad Gateway</h1><hr>nginx"}
        answered.route("**/what-if", lambda route: route.fulfill(**gateway))
        answered.locator("[name=loan_amnt]").fill("20001")
        answered.get_by_text("The service can't be reached").wait_for()
        assert not answered.get_by_text("Bad Gateway").count()
        assert "20001" == answered.locator("[name=loan_amnt]").input_value()

    @pytest.mark.parametrize(
        ("status", "kind"), [(429, "too-many-requests"), (503, "overloaded"), (504, "timeout"), (500, "internal-error")]
    )
    def test_each_problem_says_what_to_do(self, screen: Screen, answered: Any, status: int, kind: str) -> None:
        assert screen
        piece = f'<section class="panel problem" role="alert"><h1>{kind}</h1><p>What to do</p></section>'
        answered.route("**/what-if", lambda route: route.fulfill(status=status, content_type="text/html", body=piece))
        answered.locator("[name=loan_amnt]").fill("20000")
        answered.get_by_text("What to do").wait_for()

    def test_a_reload_decides_nothing_twice(self, answered: Any) -> None:
        """Nor do two presses of the button: the same form with the same values is one decision."""
        first = answered.locator(".stamp code").inner_text()
        answered.reload()
        assert first == answered.locator(".stamp code").inner_text()
        answered.get_by_role("button", name="Decide").click()
        answered.wait_for_load_state("load")
        assert first == answered.locator(".stamp code").inner_text()
        answered.locator("[name=loan_amnt]").fill("18001")
        answered.get_by_role("button", name="Decide").click()
        answered.wait_for_function("first => document.querySelector('.stamp code')?.innerText !== first", arg=first)

    def test_the_back_button_leads_to_the_form(self, answered: Any) -> None:
        answered.go_back()
        assert answered.get_by_text("Nothing is decided yet").is_visible()

    def test_by_keyboard_alone(self, screen: Screen, example: dict[str, Any]) -> None:
        """From the first press of Tab to the decision, which has the focus then."""
        page = screen.open()
        page.keyboard.press("Tab")
        assert "Skip to the content" == page.evaluate("document.activeElement.textContent")
        page.keyboard.press("Enter")
        reached = []
        while "Decide" != page.evaluate("document.activeElement.textContent"):
            page.keyboard.press("Tab")
            name = page.evaluate("document.activeElement.name ?? ''")
            if name in example:
                page.keyboard.type(str(example[name]))
                reached.append(name)
            assert len(reached) < 20
        page.keyboard.press("Enter")
        page.wait_for_load_state("load")
        page.locator("#decided").wait_for()
        assert "decided" == page.evaluate("document.activeElement.id")
        assert 10 == len(reached)

    def test_without_the_script(self, book: Book, browser: Any, example: dict[str, Any]) -> None:
        """All of it is forms: decide, what if, and along a field."""
        with browser.new_context(java_script_enabled=False) as context:
            screen = Screen(context, book.server.url)
            page = screen.open("example")
            page.get_by_role("button", name="What if").click()
            assert page.locator(".tag").is_visible()
            page.locator("#along").select_option("person_income")
            page.get_by_role("button", name="Show").click()
            assert page.get_by_role("heading", name="Income per year").is_visible()
            screen.decide()
            assert page.locator(".stamp code").is_visible()
            assert example

    def test_numbers_in_the_reader_s_format(self, book: Book, browser: Any) -> None:
        with browser.new_context(locale="de-DE") as context:
            screen = Screen(context, book.server.url)
            page = screen.open("example")
            screen.decide()
            assert "18.000" in page.locator(".waterfall").inner_text()
            assert "," in page.locator(".figures data").inner_text()
