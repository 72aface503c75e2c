"""The desk of the real service, without a browser's engine: what is shown is what the API answers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from preprocessing.fields import Ratio
from records.keyring import add_key
from tests import expect
from tests.applications import CONTRACT
from tests.desk.desks import PIECE, SAME_ORIGIN, Browser, Element, Page
from tests.servers import HANG_SECONDS, Server, copy_store, serving

GOLDEN = [
    each["application"]
    for each in json.loads(Path("artifacts/model/golden_applications.json").read_text(encoding="utf-8"))["applications"]
]

ROUNDS = 12
"""Of all golden applications, for a figure of the processor's time, which is told in hundredths of a second."""


@pytest.fixture(scope="module")
def own(server: Server) -> Iterator[httpx.Client]:
    """A client with cookies of its own."""
    with httpx.Client(base_url=server.url, timeout=HANG_SECONDS) as running:
        yield running


@pytest.fixture(scope="module")
def browser(own: httpx.Client) -> Browser:
    return Browser(own).ready()


def counted(client: httpx.Client) -> list[str]:
    """The decisions that are counted so far."""
    return [line for line in client.get("/metrics").text.splitlines() if line.startswith("credit_risk_decisions")]


def figures(page: Page) -> dict[str, str]:
    """What stands beside the decision, by its name."""
    (figures,) = page.root.all("dl", class_="figures")
    return {each.one("dt").text: each.one("dd").text for each in figures.all("div")}


def exact(page: Page) -> list[float]:
    """The numbers of the waterfall as they are, whatever is written: of each row, its log-odds and the PD behind it."""
    table = page.root.one("table", class_="waterfall")
    return [float(each.attributes["value"] or "") for each in table.all("data") if each.attributes["class"] in "sp"]


class TestPages:
    def test_form_is_the_contract(self, browser: Browser) -> None:
        """Every field that can be stated has one input, and a label that is its own; what is computed has none."""
        page = browser.open()
        asked = [field.name for field in CONTRACT.fields if not isinstance(field, Ratio)]
        form = page.root.one("form", id="application")
        assert asked == [each.attributes["data-field"] for each in form.all("div") if "data-field" in each.attributes]
        for name in asked:
            (control,) = [each for each in form.all(name=name) if each.tag in ("input", "select")]
            label = page.root.one("label", for_=control.attributes["id"] or "")
            assert CONTRACT.by_name[name].description.startswith(label.text.removesuffix(" optional"))
            if CONTRACT.by_name[name].choices:
                assert list(CONTRACT.by_name[name].choices) == [each.text for each in control.all("option")][1:]

    def test_example_is_the_contract_s(self, browser: Browser) -> None:
        page = browser.open("example")
        assert str(CONTRACT.example["person_income"]) == page.root.one(name="person_income").attributes["value"]
        assert [CONTRACT.example["loan_grade"]] == [
            each.text
            for each in page.root.one("select", name="loan_grade").all("option")
            if "selected" in each.attributes
        ]

    @pytest.mark.parametrize("path", ["", "example"])
    def test_headers(self, client: httpx.Client, path: str) -> None:
        """Nothing from elsewhere, nothing inline, nothing kept."""
        headers = client.get(f"/desk/{path}").headers
        policy = dict(each.split(" ", 1) for each in headers["Content-Security-Policy"].split("; "))
        assert {"'none'"} == {policy[each] for each in ("default-src", "base-uri", "frame-ancestors")}
        assert {"'self'"} == set(policy.values()) - {"'none'"}
        assert "nosniff" == headers["X-Content-Type-Options"]
        assert "same-origin" == headers["Referrer-Policy"]
        assert "no-store" == headers["Cache-Control"]

    def test_nothing_is_inline(self, browser: Browser) -> None:
        """What the policy would forbid isn't there."""
        for page in (browser.open(), browser.read(browser.send("decide", GOLDEN[0]))):
            everything = page.root.all()
            assert not [each for each in everything if each.tag == "style" or "style" in each.attributes]
            assert not [each for each in everything if each.tag == "script" and each.children]
            assert not [name for each in everything for name in each.attributes if name.startswith("on")]

    def test_leads_below_itself(self, client: httpx.Client) -> None:
        """By relative addresses alone, so that a proxy's prefix needn't be known."""
        assert "desk/" == client.get("/desk").headers["Location"]
        page = Page(client.get("/desk/").text)
        links = [
            each.attributes[name] or ""
            for each in page.root.all()
            for name in ("href", "src", "action")
            if name in each.attributes
        ]
        assert links
        assert not [each for each in links if each.startswith(("/", "http"))]

    def test_files_are_kept_for_good(self, client: httpx.Client) -> None:
        page = Page(client.get("/desk/").text)
        for name in [each.attributes["src"] for each in page.root.all("script")]:
            response = client.get(f"/desk/{name}")
            assert (200, "text/javascript; charset=utf-8") == (response.status_code, response.headers["Content-Type"])
            assert "immutable" in response.headers["Cache-Control"]

    @pytest.mark.parametrize(("path", "status"), [("nothing", 404), ("static/none.js", 404)])
    def test_no_such_page(self, client: httpx.Client, path: str, status: int) -> None:
        """A person is told so in a page, with what to do."""
        response = client.get(f"/desk/{path}")
        assert status == response.status_code
        assert "Use the navigation above" in Page(response.text).root.one("section", role="alert").text

    def test_says_that_nobody_has_signed_in(self, browser: Browser) -> None:
        assert "Nobody has signed in" in browser.open().root.one("aside", class_="notice").text

    @pytest.mark.parametrize("path", ["", "batch", "records", "reviews", "policy", "health"])
    def test_weight(self, client: httpx.Client, browser: Browser, path: str) -> None:
        """At most 100 kB on the wire without a cache, of which 40 kB are scripts."""
        sizes = {}
        page = browser.open(path)
        for tag, name in (("script", "src"), ("link", "href")):
            for each in page.root.all(tag):
                file = each.attributes[name]
                with client.stream("GET", f"/desk/{file}", headers={"Accept-Encoding": "gzip"}) as response:
                    sizes[file] = len(b"".join(response.iter_raw()))
        shown = browser.send("decide", GOLDEN[0]) if path == "" else client.get(f"/desk/{path}")
        assert sum(size for file, size in sizes.items() if file.endswith(".js")) <= 40_000
        assert sum(sizes.values()) + len(shown.content) <= 100_000


class TestDeciding:
    @pytest.mark.parametrize("document", GOLDEN, ids=range(len(GOLDEN)))
    def test_shown_is_answered(self, client: httpx.Client, browser: Browser, document: dict[str, Any]) -> None:
        """Decision, PD, score, reasons, changes and each step to the PD are those of /predict/explain."""
        answer = expect.answer(client.post("/predict/explain", json=document))
        response = browser.send("decide", document)
        page = browser.read(response)

        assert 200 == response.status_code
        assert answer["decision"].replace("_", " ") == page.root.one("h2", id="decided").text.upper()
        assert str(answer["credit_score"]) == figures(page)["Credit score"]
        shown = float(page.root.one("dl", class_="figures").one("data").attributes["value"] or "")
        assert answer["probability_of_default"] == shown
        reasons = [each.text for each in page.root.one("section", aria_labelledby="reasons").all("li")]
        assert len(answer["reasons"]) == len(reasons)
        for reason, told in zip(answer["reasons"], reasons, strict=True):
            assert told.startswith(reason["text"])
            assert reason["code"] in told
        changes = page.root.one("section", aria_labelledby="better").all("ul", class_="changes")
        listed = sum(isinstance(each, Element) for found in changes for each in found.children)
        assert len(answer["counterfactuals"]) == listed

        base, base_pd, *steps, end = exact(page)
        explained = answer["explanations"]
        assert explained["base_value"] == base
        impacts = [each["impact"] for each in explained["risk_drivers"] + explained["protective_factors"]]
        assert sorted(impacts, key=lambda impact: -abs(impact)) == steps[::2]
        assert math.isclose(1 / (1 + math.exp(-base)), base_pd)
        assert answer["probability_of_default"] == end
        assert math.isclose(end, steps[-1], rel_tol=1e-9)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *((field.name, str(bound)) for field in CONTRACT.fields if field.type in ("number", "integer")
              for bound in (field.least, field.greatest, field.least - 1, field.greatest + 1)),
            ("person_age", "30.5"), ("person_age", ""), ("loan_grade", "H"), ("loan_grade", ""),
            ("loan_amnt", "16,000"), ("loan_amnt", "1e3"), ("loan_amnt", "NaN"), ("loan_amnt", "007"),
            ("person_emp_length", ""), ("loan_amnt", " 16 000 "), ("reference", "x" * 65), ("reference", "<b>&\"'"),
        ],
    )  # fmt: skip
    def test_limits_are_the_api_s(
        self, client: httpx.Client, browser: Browser, example: dict[str, Any], name: str, value: str
    ) -> None:
        """What the API refuses the desk refuses, at the same field in the same words, in every way of asking."""
        document = {**example, name: value}
        del document["loan_percent_income"]
        stated: Any = value.replace(" ", "") if CONTRACT.by_name[name].json_type != "string" else value.strip()
        with suppress(ValueError):
            is_number = CONTRACT.by_name[name].json_type != "string" and stated != "NaN"
            stated = json.loads(stated) if is_number else stated
        sent = {**document, name: stated} if value else {each: document[each] for each in document if each != name}
        response = client.post("/predict/explain", json=sent)

        shown = browser.send("what-if", document)
        checked = browser.send("check", document, **PIECE)
        assert response.status_code == shown.status_code == checked.status_code
        page = browser.read(shown)
        errors = {each["loc"][0]: each["msg"] for each in response.json().get("errors", ())}
        marked = {
            (each.attributes["id"] or "").removeprefix("e-"): each.text
            for each in page.root.all("p", class_="error")
            if each.text
        }
        assert errors == marked == checked.json()["errors"]
        if errors:
            assert "true" == page.root.one(name=name).attributes["aria-invalid"]
            assert value == (page.root.one(name=name).attributes.get("value", value) if value else "")

    def test_what_if_is_no_decision(self, client: httpx.Client, browser: Browser) -> None:
        """It is answered alike, says so, and nothing is counted or logged of it."""
        before = counted(client)
        tried = browser.read(browser.send("what-if", GOLDEN[0]))
        assert "what if: not filed" in tried.root.one("h2", id="decided").text
        assert before == counted(client)
        filed = browser.read(browser.send("decide", GOLDEN[0]))
        assert "not filed" not in filed.root.one("h2", id="decided").text
        assert before != counted(client)
        assert exact(tried) == exact(filed)

    def test_pieces_are_parts_of_the_page(self, browser: Browser) -> None:
        """What the script swaps in is what the page would have shown."""
        whole = browser.send("what-if", GOLDEN[0]).text
        piece = browser.send("what-if", GOLDEN[0], **PIECE).text
        assert "<html" not in piece
        assert piece.strip() in whole

    def test_range_of_a_field(self, browser: Browser) -> None:
        """The value in the form is marked, and its decision is the application's own."""
        page = browser.read(browser.send("decide", GOLDEN[0]))
        piece = Page(browser.send("along", {**GOLDEN[0], "along": "person_income"}, **PIECE).text)
        (here,) = piece.root.all("tr", class_="here")
        assert page.root.one("h2", id="decided").text == here.one("span").text


@pytest.mark.slow
def test_a_what_if_costs_little_more_than_its_explanation(store: Path, tmp_path: Path) -> None:
    """At most 1.5 times the processor time of one that is kept, as `make serve` keeps it; the page's part included."""
    key_file = tmp_path / "keys.json"
    add_key(key_file)
    kept = {"CREDIT_RISK_RECORDS": f"sqlite:{tmp_path}/records", "CREDIT_RISK_RECORDS_KEY_FILE": str(key_file)}
    with (
        serving(copy_store(store, tmp_path / "home"), **kept) as server,
        httpx.Client(base_url=server.url, timeout=HANG_SECONDS) as own,
    ):
        ratio = _cost(server, own, Browser(own).ready())
    assert ratio <= 1.5


def _cost(server: Server, own: httpx.Client, browser: Browser) -> float:
    documents = [{name: value for name, value in each.items() if name != "loan_percent_income"} for each in GOLDEN]

    def explain(document: dict[str, Any]) -> None:
        assert 200 == own.post("/predict/explain", json=document).status_code

    def try_out(document: dict[str, Any]) -> None:
        assert 200 == browser.send("what-if", document, **PIECE).status_code

    spent = {explain: 0.0, try_out: 0.0}
    for _ in range(ROUNDS):
        for ask in spent:
            before = sum(server.worker.cpu_times()[:2])
            for document in documents:
                ask(document)
            spent[ask] += sum(server.worker.cpu_times()[:2]) - before
    print(f"what-if / explain: {spent[try_out]:.2f} s / {spent[explain]:.2f} s of {ROUNDS * len(documents)} each")
    return spent[try_out] / spent[explain]


class TestForgery:
    def _send(self, own: httpx.Client, browser: Browser, headers: dict[str, str], **form: str) -> int:
        data = {"token": browser.token, "key": "", **form}
        response = own.post("/desk/decide", data=data, headers=headers)
        assert response.status_code != 403 or "alert" in response.text
        return response.status_code

    def test_of_another_site(self, own: httpx.Client, browser: Browser) -> None:
        """The browser says where a form comes from, by one header or another; without either it is refused."""
        origin = {"Origin": str(own.base_url).rstrip("/")}
        assert 422 == self._send(own, browser, SAME_ORIGIN)
        assert 422 == self._send(own, browser, origin)
        refused = ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}, *(
            origin | {"Sec-Fetch-Site": site} for site in ("cross-site", "same-site", "none")
        ))  # fmt: skip
        assert {403} == {self._send(own, browser, headers) for headers in refused}

    def test_without_the_session_s_token(self, own: httpx.Client, browser: Browser) -> None:
        assert {403} == {self._send(own, browser, SAME_ORIGIN, token=token) for token in ("", "0" * 64, "é")}

    def test_without_the_session(self, server: Server, browser: Browser) -> None:
        """A token is worth nothing in another browser."""
        with httpx.Client(base_url=server.url) as other:
            assert 403 == self._send(other, browser, SAME_ORIGIN)

    @pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain"])
    def test_no_form(self, own: httpx.Client, browser: Browser, kind: str) -> None:
        assert browser.token
        response = own.post("/desk/decide", content=b"{}", headers=SAME_ORIGIN | {"Content-Type": kind})
        assert 400 == response.status_code

    def test_cookie_is_out_of_reach(self, server: Server) -> None:
        cookie = httpx.get(f"{server.url}/desk/").headers["Set-Cookie"]
        assert {"HttpOnly", "SameSite=lax"} <= set(cookie.split("; "))
        secure = httpx.get(f"{server.url}/desk/", headers={"X-Forwarded-Proto": "https"})
        assert 403 == secure.status_code  # which came through a proxy, and nobody is known

    def test_from_elsewhere(self, server: Server) -> None:
        """Nobody is let in who isn't on this machine, or was passed on to it, while nobody is known."""
        for headers in ({"X-Forwarded-For": "192.0.2.7"}, {"Host": "desk.example"}):
            response = httpx.get(f"{server.url}/desk/", headers=headers)
            assert 403 == response.status_code
            assert "alert" in response.text
            assert "CREDIT_RISK_ACCESS" in response.text
