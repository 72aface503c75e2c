"""Decisions on record at the desk: found, shown as they were decided, made again, and reviewed by two people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from desk.archive import finding
from records.basis import Basis
from records.errors import StoreUnavailableError
from records.events.acts import Act, acts
from records.events.event import broken
from records.identifiers import from_text
from records.moments import now
from records.reading import Archive
from tests.desk.desks import Page
from tests.desk.offices import GOLDEN, Clerk, Office

WORDS = {"APPROVE": "Approve", "CONDITIONAL_APPROVAL": "Conditional approval", "REJECT": "Reject"}
WHY = {"outcome": "APPROVE", "code": "DOCUMENTS_SEEN", "text": "Payslips show\r\na higher <income>"}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return Office(tmp_path_factory.mktemp("office"))


@pytest.fixture(scope="module")
def golden(office: Office) -> list[str]:
    """Ids of the golden applications' decisions, half of them asked for without an explanation."""
    return [office.file([each], explained=place % 2 == 0)[0] for place, each in enumerate(GOLDEN)]


@pytest.fixture
def refused(office: Office) -> str:
    """A refusal that nobody has seen."""
    return office.file([GOLDEN[2]])[0]


@pytest.fixture
def ann(office: Office) -> Clerk:
    return Clerk(office, "ann", "officer")


@pytest.fixture
def bob(office: Office) -> Clerk:
    return Clerk(office, "bob", "reviewer")


def told(office: Office, decision: str) -> list[Act]:
    """All that was told of a decision."""
    ledger = office.ledger()
    (entry,) = ledger.entries_of([from_text(decision)])
    found = acts(ledger.told([entry.id]), entry.key, office.ring)
    ledger.close()
    return found


def document(office: Office, decision: str) -> dict[str, Any]:
    ledger = office.ledger()
    kept = Archive(ledger, office.ring).get(from_text(decision))
    ledger.close()
    assert kept is not None
    return kept.document()


def seen(page: Page) -> str:
    """The event that the page's forms were made behind."""
    return page.root.all("input", name="seen")[0].attributes["value"] or ""


def alert(page: Page) -> str:
    return page.root.one("section", role="alert").text


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """A hundred rows of one moment two days ago, then thirty of a minute each."""
    office = Office(tmp_path_factory.mktemp("archive"))
    before = now() - 2 * 86_400_000_000
    office.file([{**GOLDEN[0], "reference": f"row-{i}"} for i in range(100)], time=before, explained=False)
    for i in range(30):
        office.file([GOLDEN[i % 12]], time=before + 60_000_000 * (i + 1), explained=False)
    return office


class TestRecord:
    def test_as_decided(self, office: Office, golden: list[str], ann: Clerk) -> None:
        """Of every golden application, explained or not: decision, figures, reasons and the steps to the PD."""
        for application, decision in zip(GOLDEN, golden, strict=True):
            kept, page = document(office, decision), ann.open(f"records/{decision}")
            assessment = office.engine.explain([office.engine.contract.parse(application)])[0]
            assert WORDS[kept["decision"]] == page.root.one("h2", id="decided").text
            figures = page.root.one("dl", class_="figures")
            assert str(kept["probability_of_default"]) == figures.one("data").attributes["value"]
            assert str(kept["credit_score"]) in figures.text
            reasons = page.root.one("section", aria_labelledby="reasons").all("li")
            assert [(each.code, each.text) for each in assessment.reasons] == [
                (reason.code, reason.text)
                for reason, shown in zip(assessment.reasons, reasons, strict=True)
                if shown.text.startswith(reason.text) and reason.code in shown.text
            ]
            assert assessment.attributions is not None
            impacts = sorted(
                (each for each in assessment.attributions.by_field.values() if each), key=abs, reverse=True
            )
            steps = page.root.one("table", class_="waterfall").all("data", class_="s")
            assert impacts == [float(each.attributes["value"] or "") for each in steps][1:]

    def test_every_look_is_told(self, office: Office, refused: str, ann: Clerk) -> None:
        ann.open(f"records/{refused}")
        ann.get(f"records/{refused}/letter")
        assert [("viewed", "ann", {"what": "record"}), ("viewed", "ann", {"what": "letter"})] == [
            (act.kind, act.by, act.content) for act in told(office, refused)
        ]

    @pytest.mark.parametrize(("dest", "status"), [("image", 403), ("iframe", 403), ("empty", 403), ("document", 200)])
    def test_no_other_site_has_somebody_look(self, office: Office, dest: str, status: int) -> None:
        """By what it puts into a page of its own; who follows a link from there looks."""
        (decision,) = office.file([GOLDEN[0]])
        clerk = Clerk(office, "ann", "viewer")
        response = clerk.get(f"records/{decision}", **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": dest})
        assert status == response.status_code
        assert (status == 200) == bool(office.ledger().told([from_text(decision)]))

    def test_nobody_sees_what_can_not_be_told(self, refused: str, ann: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the event can't be kept, the record isn't shown."""

        def fail(*_: object) -> None:
            raise StoreUnavailableError("full")

        monkeypatch.setattr("records.stores.sqlite.events.linked", fail)
        response = ann.get(f"records/{refused}")
        assert 503 == response.status_code
        assert refused not in response.text
        monkeypatch.undo()
        assert 200 == ann.get(f"records/{refused}").status_code

    def test_made_again(self, office: Office, refused: str, ann: Clerk) -> None:
        """And a reload of what is shown then doesn't make it again."""
        ann.open(f"records/{refused}")
        response = ann.post(f"records/{refused}/replay")
        assert (303, f"../../records/{refused}") == (response.status_code, response.headers["Location"])
        assert "made it again: identical" in ann.open(f"records/{refused}").root.one("p", class_="verdict").text
        assert {"verdict": "identical", "what": []} == told(office, refused)[1].content

    def test_without_what_decided(self, office: Office, ann: Clerk) -> None:
        """The figures are shown as kept, the reasons by their codes, and no letter can be written."""
        (decision,) = office.file([GOLDEN[2]], basis=Basis(**office.basis.model_dump() | {"code": "2" * 64}))
        page = ann.open(f"records/{decision}")
        assert "here any more: decision_policy.json is missing" in page.root.one("section", class_="panel care").text
        assert str(document(office, decision)["credit_score"]) in page.root.one("dl", class_="figures").text
        ann.post(f"records/{decision}/replay")
        assert "unverifiable" in ann.open(f"records/{decision}").root.one("p", class_="verdict").text
        assert 409 == ann.get(f"records/{decision}/letter").status_code

    def test_erased(self, office: Office, ann: Clerk) -> None:
        """What is left of it, without a form."""
        (decision,) = office.file([{**GOLDEN[2], "reference": "erase-me"}])
        ledger = office.ledger()
        ledger.destroy_keys(office.ring.tag("erase-me"))
        ledger.close()
        page = ann.open(f"records/{decision}")
        assert "Its content was erased" in page.root.one("section", class_="panel decision is-REJECT").text
        assert not page.root.all("form")
        assert "erased" in ann.open("records").root.one("table", class_="rows panel").text

    @pytest.mark.parametrize("decision", ["01a21c24-2f68-7a03-9191-d099e1e4d1a8", "nothing", "%00"])
    def test_none_of_this_id(self, ann: Clerk, decision: str) -> None:
        ann.open("records")
        for response in (
            ann.get(f"records/{decision}"), ann.get(f"records/{decision}/letter"),
            ann.post(f"records/{decision}/replay"), ann.post(f"records/{decision}/propose", seen="0", **WHY),
            ann.post(f"records/{decision}/letter", date="2026-11-30"),
        ):  # fmt: skip
            assert 404 == response.status_code
            assert "no decision of this id" in alert(Page(response.text))


class TestFinding:
    def _rows(self, page: Page) -> list[str]:
        return [each.attributes["href"] or "" for table in page.root.all("table") for each in table.all("a")]

    def test_by_id(self, archive: Office) -> None:
        clerk = Clerk(archive, "ann", "viewer")
        decision = self._rows(clerk.open("records"))[0].rpartition("/")[2]
        response = clerk.post("records", id=f" {decision.upper()} ")
        assert (303, f"records/{decision}") == (response.status_code, response.headers["Location"])
        missing = clerk.post("records", id="x")
        assert (422, True) == (missing.status_code, "no decision of this id" in missing.text)

    def test_by_reference(self, archive: Office) -> None:
        clerk = Clerk(archive, "ann", "viewer").ready_at("records")
        page = Page(clerk.post("records", reference="row-7").text)
        (row,) = page.root.one("table").one("tbody").all("tr")
        assert "row-7" in row.text
        assert "No decision on record fits" in clerk.post("records", reference="row-777").text

    def test_by_day_and_outcome(self, archive: Office) -> None:
        clerk = Clerk(archive, "ann", "viewer").ready_at("records")
        day = (datetime.now(UTC) - timedelta(days=2)).date().isoformat()
        page = Page(clerk.post("records", since=day, outcome="REJECT").text)
        assert {"Reject"} == {
            each.text for each in page.root.one("tbody").all("span") if "badge" in (each.attributes["class"] or "")
        }
        assert (
            "No decision on record fits"
            in clerk.post("records", until=(datetime.now(UTC) - timedelta(days=4)).date().isoformat()).text
        )
        wrong = clerk.post("records", since="30.11.2026")
        assert (422, True) == (wrong.status_code, "write it as 2026-11-30" in wrong.text)
        assert 400 == clerk.post("records", outcome="MAYBE").status_code

    def test_older_ones(self, archive: Office) -> None:
        """Page by page each is shown once, also of many rows of one moment."""
        clerk = Clerk(archive, "ann", "viewer")
        page, found = clerk.open("records"), list[str]()
        for _ in range(9):
            found += self._rows(page)
            more = page.root.all("input", name="before")
            if not more:
                break
            page = Page(clerk.post("records", before=more[0].attributes["value"] or "").text)
        assert (130, 130) == (len(found), len(set(found)))
        assert 400 == clerk.post("records", before="1").status_code

    @pytest.mark.parametrize(
        ("page", "sent", "status"),
        [
            ("records", {"until": "9999-12-31"}, 200),
            ("records", {"since": "0001-01-01"}, 200),
            ("records", {"before": f"{2**63 - 1}.0"}, 200),
            ("records", {"before": f"{2**63}.0"}, 400),
            ("records", {"before": f"1.{2**63 - 1}"}, 400),
            ("reviews", {"before": f"{2**63}"}, 400),
        ],
    )
    def test_days_and_numbers_at_their_ends(
        self, archive: Office, page: str, sent: dict[str, str], status: int
    ) -> None:
        """Those that no store could keep are no fault of the service, and nobody has all decisions read at once."""
        assert status == Clerk(archive, "ann", "viewer").ready_at("records").post(page, **sent).status_code

    def test_nothing_sought_is_in_an_address(self, archive: Office) -> None:
        page = Clerk(archive, "ann", "viewer").open("records")
        assert {"post"} == {each.attributes["method"] for each in page.root.all("form")}


class TestOverride:
    def test_two_people(self, office: Office, refused: str, ann: Clerk, bob: Clerk) -> None:
        """Proposed by one, confirmed by the other; the model's answer stands beside it as it was."""
        before = document(office, refused)
        first = ann.post(f"records/{refused}/propose", seen=seen(ann.open(f"records/{refused}")), **WHY)
        assert 303 == first.status_code
        page = bob.open(f"records/{refused}")
        assert "Payslips show a higher <income>" in page.root.one("section", aria_labelledby="proposed").text
        assert 303 == bob.post(f"records/{refused}/confirm", seen=seen(page), text="").status_code
        page = ann.open(f"records/{refused}")
        assert "Overridden: Approve" == page.root.one("h2", id="overridden").text
        assert "Reject" == page.root.one("h2", id="decided").text
        assert before == document(office, refused)
        assert ["viewed", "proposed", "viewed", "confirmed", "viewed"] == [act.kind for act in told(office, refused)]
        ledger = office.ledger()
        assert [] == list(broken(ledger.events()))

    @pytest.mark.parametrize(("name", "same_browser"), [("ann", False), ("ANN ", False), ("anna", True)])
    def test_never_one(self, office: Office, refused: str, name: str, same_browser: bool) -> None:
        """Under whichever name, and however it is written: neither confirms nor declines."""
        ann = Clerk(office, "ann")
        ann.post(f"records/{refused}/propose", seen=seen(ann.open(f"records/{refused}")), **WHY)
        again = ann if same_browser else Clerk(office, name)
        again.sign_in_as(name)
        page = again.open(f"records/{refused}")
        assert not [each for each in page.root.all("form") if "confirm" in (each.attributes["action"] or "")]
        last = str(told(office, refused)[1].sequence)
        for act in ("confirm", "decline"):
            response = again.post(f"records/{refused}/{act}", seen=last, text="x")
            assert 409 == response.status_code
            assert "proposed by the same person" in alert(Page(response.text))
        assert {"viewed", "proposed"} == {act.kind for act in told(office, refused)}

    def test_roles(self, office: Office, refused: str, ann: Clerk, bob: Clerk) -> None:
        """An officer doesn't confirm, a reviewer doesn't propose, a viewer does nothing; none has the forms."""
        carl = Clerk(office, "carl", "viewer")
        actions = {
            clerk.name: [
                (each.attributes["action"] or "").rpartition("/")[2]
                for each in clerk.open(f"records/{refused}").root.all("form")
            ]
            for clerk in (ann, bob, carl)
        }
        assert {"ann": ["replay", "propose"], "bob": ["stands"], "carl": []} == actions
        for clerk, act in ((ann, "confirm"), (ann, "stands"), (bob, "propose"), (bob, "letter"), (carl, "replay")):
            clerk.open("records")
            assert 403 == clerk.post(f"records/{refused}/{act}", seen="0", date="2026-11-30", **WHY).status_code
        assert {"viewed"} == {act.kind for act in told(office, refused)}

    def test_second_is_told(self, office: Office, refused: str, ann: Clerk) -> None:
        """Who has looked at the same decision is named, and who acts behind another's act is told; nothing is lost."""
        carl = Clerk(office, "carl", "officer")
        at = seen(ann.open(f"records/{refused}"))
        page = carl.open(f"records/{refused}")
        assert "ann looked at it" in page.root.one("p", class_="panel care").text
        assert 303 == carl.post(f"records/{refused}/propose", seen=seen(page), **WHY).status_code
        response = ann.post(f"records/{refused}/propose", seen=at, **WHY)
        page = Page(response.text)
        assert 409 == response.status_code
        assert "somebody else has acted on it meanwhile" in alert(page)
        assert "proposed “Approve”" in page.root.one("section", aria_labelledby="done").text
        assert ["carl"] == [act.by for act in told(office, refused) if act.kind == "proposed"]

    def test_what_was_typed_stays(self, refused: str, ann: Clerk) -> None:
        at = seen(ann.open(f"records/{refused}"))
        response = ann.post(f"records/{refused}/propose", seen=at, outcome="APPROVE", code="", text="my <words>")
        page = Page(response.text)
        assert (422, "my <words>") == (response.status_code, page.root.one("textarea", id="why").text)
        assert "must be one of DATA_CORRECTED" in alert(page)
        assert 400 == ann.post(f"records/{refused}/propose", seen="x", **WHY).status_code


class TestQueue:
    def test_waits_until_somebody_has_looked(self, tmp_path: Any) -> None:
        """Conditional ones, those beyond the training data, and those with a proposal; the rest isn't there."""
        office = Office(tmp_path)
        beyond = {**GOLDEN[0], "person_income": 9e8}
        approved, rejected, conditional, outside = office.file([GOLDEN[0], GOLDEN[2], GOLDEN[4], beyond])
        ann, bob = Clerk(office, "ann", "officer"), Clerk(office, "bob", "reviewer")
        assert {conditional, outside} == self._waiting(bob)
        ann.post(f"records/{rejected}/propose", seen=seen(ann.open(f"records/{rejected}")), **WHY)
        assert {conditional, outside, rejected} == self._waiting(bob)
        assert rejected in bob.open("reviews").root.one("tbody").all("tr")[0].text
        page = bob.open(f"records/{conditional}")
        assert 303 == bob.post(f"records/{conditional}/stands", seen=seen(page), text="fine").status_code
        page = bob.open(f"records/{rejected}")
        assert 303 == bob.post(f"records/{rejected}/decline", seen=seen(page), text="no").status_code
        assert {outside} == self._waiting(bob)
        text = bob.open("reviews").root.one("tbody").text
        assert "beyond what the model has learned from" in text
        assert approved not in text

    def _waiting(self, clerk: Clerk) -> set[str]:
        page = clerk.open("reviews")
        return {
            (each.attributes["href"] or "").rpartition("/")[2]
            for table in page.root.all("table")
            for each in table.all("a")
        }

    def test_older_ones(self, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """What isn't looked through at once is looked through when it is asked for; none is left out between."""
        monkeypatch.setattr(finding, "AT_ONCE", 4)
        monkeypatch.setattr(finding, "LOOKED_THROUGH", 6)
        office = Office(tmp_path)
        filed = [office.file([GOLDEN[4]], time=now() - 1000 * i, explained=False)[0] for i in range(14)]
        clerk = Clerk(office, "ann", "viewer")
        page, found = clerk.open("reviews"), list[str]()
        for _ in range(20):
            found += [(each.attributes["href"] or "").rpartition("/")[2] for each in page.root.one("tbody").all("a")]
            more = page.root.all("input", name="before")
            if not more:
                break
            page = Page(clerk.post("reviews", before=more[0].attributes["value"] or "").text)
        assert sorted(filed) == sorted(found)


def test_without_records(tmp_path: Any) -> None:
    """Said on each page, with the setting that changes it."""
    office = Office(tmp_path)
    office.lookup._settings = office.lookup._settings.model_copy(update={"records": None})
    clerk = Clerk(office, "ann")
    for path in ("records", "reviews", "records/x", "records/x/letter"):
        assert "CREDIT_RISK_RECORDS" in clerk.get(path).text
