"""The letter: the record's reasons and no others, from the lender's template, never for an approval or a what-if."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from markupsafe import escape

from desk.letters import MOST_BYTES, Facts, Letter, LetterError, read_letter, texts
from records.events.standing import standing
from records.identifiers import from_text
from tests.desk.desks import Page
from tests.desk.offices import GOLDEN, Clerk, Office
from tests.servers import ROOT

FACTS = Facts(
    decision="REJECT",
    reasons=["Income too <low> & late", "Credit history"],
    decided=date(2026, 11, 2),
    today=date(2026, 11, 27),
    decision_id="019ac0de-0000-7000-8000-000000000000",
    reference="loan-1",
    score=361,
    score_minimum=300,
    score_maximum=850,
    application={"amount": "16,000"},
)
LIST = "{% for reason in reasons %}<li>{{ reason }}</li>{% endfor %}"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return Office(tmp_path_factory.mktemp("office"))


@pytest.fixture
def ann(office: Office) -> Clerk:
    return Clerk(office, "ann", "officer")


class TestTemplate:
    def test_default(self) -> None:
        """The reasons in order and escaped, the score on its scale, the day; what the service doesn't know is blank."""
        page = Page(read_letter(None).written(FACTS))
        assert FACTS.reasons == [each.text for each in page.root.all("li")]
        text = page.root.text
        for stated in ("27 November 2026", "2 November 2026", "reference loan-1", "361", "300 to 850", "approve it."):
            assert stated in text
        blanks = [each.attributes["aria-label"] for each in page.root.all("span") if "aria-label" in each.attributes]
        assert {"Lender\u2019s name and address", "Applicant\u2019s name and address", "contact"} <= set(blanks)
        conditional = read_letter(None).written(replace(FACTS, decision="CONDITIONAL_APPROVAL", reasons=["One"]))
        assert "on these conditions" in conditional
        assert "The principal reason is:" in conditional

    @pytest.mark.parametrize(
        ("source", "told"),
        [
            ("a\nb\n{% for reason in reasons %}", r"letter, line 3: Unexpected end of template"),
            (f"{LIST}\n\n{{{{ applicant }}}}", r"letter, line 3: 'applicant' is undefined"),
            (f"{LIST}\n{{{{ reasons.__class__ }}}}", r"letter, line 2: access to attribute"),
            (f"{LIST}\n{{{{ reasons.append('x') }}}}", r"letter, line 2: .*unsafe"),
            (f"{LIST}\n{{% include 'other.html' %}}", r"letter, line 2: other\.html"),
            (f"{LIST}\n{{% if not reference %}}\n{{{{ score / 0 }}}}{{% endif %}}", r"line 3: division by zero"),
            ("{{ reasons[0] }}", r"leaves out a reason; write each of `reasons`"),
            ("{{ reasons | reverse | join(', ') }}", r"leaves out a reason"),
            ("{{ reasons | join(', ') | upper }}", r"leaves out a reason"),
            ("", r"leaves out a reason"),
        ],
    )  # fmt: skip
    def test_refused_when_it_is_read(self, source: str, told: str) -> None:
        """With the line, and before a letter is needed."""
        with pytest.raises(LetterError, match=told):
            Letter(source, "letter")

    def test_values_are_escaped(self) -> None:
        letter = Letter(f"{LIST}{{{{ application.amount }}}}{{{{ application['name'] }}}}", "letter")
        text = letter.written(replace(FACTS, application={"amount": "<b>", "name": "&"}))
        assert str(escape(FACTS.reasons[0])) in text
        assert text.endswith("&lt;b&gt;&amp;")

    def test_a_field_of_another_book(self) -> None:
        """Is told with its line when the letter is asked for: until then nobody knows which book is served."""
        letter = Letter(f"{LIST}\n{{{{ application.price }}}}", "letter")
        with pytest.raises(LetterError, match=r"letter, line 2: .* no attribute 'price'"):
            letter.written(FACTS)

    def test_values_as_texts(self) -> None:
        assert {"a": "16,000.5", "b": "", "c": "RENT", "d": "True"} == texts(
            {"a": 16000.5, "b": None, "c": "RENT", "d": True}
        )

    @pytest.mark.parametrize(
        ("content", "told"), [(b"\xff", "no UTF-8"), (b" " * (MOST_BYTES + 1), "larger than"), (None, "can't be read")]
    )
    def test_no_template(self, tmp_path: Path, content: bytes | None, told: str) -> None:
        file = tmp_path / "letter.html"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(LetterError, match=told):
            read_letter(file)


class TestPage:
    def test_states_the_record_s_reasons(self, office: Office, ann: Clerk) -> None:
        """Of every refusal and conditional approval among the golden applications; of no approval."""
        for application, decision in zip(GOLDEN, office.file(GOLDEN), strict=True):
            assessment = office.engine.assess([office.engine.contract.parse(application)])[0]
            response = ann.get(f"records/{decision}/letter")
            page = Page(response.text)
            letters = page.root.all("article")
            if assessment.reasons:
                assert 200 == response.status_code
                assert [each.text for each in assessment.reasons] == [each.text for each in letters[0].all("li")]
            else:
                assert (409, []) == (response.status_code, letters)
                assert "This is an approval" in page.root.one("main").text

    def test_never_for_what_is_not_on_record(self, ann: Clerk) -> None:
        """A what-if has no id to ask by."""
        page = ann.open()
        assert not [each for each in page.root.all("a") if "letter" in (each.attributes["href"] or "")]

    def test_overridden(self, office: Office, ann: Clerk) -> None:
        """No letter of refusal goes out once people approve; nor reasons that no record holds."""
        bob = Clerk(office, "bob", "reviewer")
        refused, approved = office.file([GOLDEN[2], GOLDEN[0]])
        for decision, outcome, why in (
            (refused, "APPROVE", "is an approval"),
            (approved, "REJECT", "holds no reasons"),
        ):
            form = {"seen": "0", "outcome": outcome, "code": "OTHER", "text": "x"}
            ann.open("records")
            assert 303 == ann.post(f"records/{decision}/propose", **form).status_code
            (last,) = bob.open(f"records/{decision}").root.all("input", name="seen")
            assert 303 == bob.post(f"records/{decision}/confirm", seen=last.attributes["value"] or "").status_code
            response = ann.get(f"records/{decision}/letter")
            assert (409, True) == (response.status_code, why in response.text)

    def test_marked_as_sent(self, office: Office, ann: Clerk) -> None:
        """Writes `notified`, with who said so; another day is a correction, and says so."""
        (decision,) = office.file([GOLDEN[2]])
        today, before = (datetime.now(UTC).date() - timedelta(days=days) for days in (0, 1))
        path = f"records/{decision}/letter"
        form = ann.open(path).root.one("form")
        assert today.isoformat() == form.one(name="date").attributes["value"]
        for wrong, told in (("27.11.2026", "write it as 2026-11-30"), ("2020-01-01", "is before the decision")):
            response = ann.post(path, date=wrong)
            assert (422, True) == (response.status_code, told in Page(response.text).root.one("p", role="alert").text)
        assert 303 == ann.post(path, date=today.isoformat()).status_code
        assert f"Sent on {today}" in ann.open(f"records/{decision}").root.one("section", aria_labelledby="letter").text
        assert (
            f"letter sent on {today}"
            in ann.open(f"records/{decision}").root.one("section", aria_labelledby="done").text
        )
        assert 422 == ann.post(path, date=before.isoformat()).status_code
        assert 303 == ann.post(path, date=before.isoformat(), correct="yes").status_code
        ledger = office.ledger()
        (entry,) = ledger.entries_of([from_text(decision)])
        assert (today, before) == standing(ledger.told([entry.id]), entry.key, office.ring).notices
        ledger.close()

    def test_template_that_fails_for_a_record(self, tmp_path: Path) -> None:
        """Is told on the page with its line, and the service goes on."""
        office = Office(tmp_path, Letter(f"{LIST}\n{{{{ application.price }}}}", "ours.html"))
        (decision,) = office.file([GOLDEN[2]])
        response = Clerk(office, "ann").get(f"records/{decision}/letter")
        assert (409, True) == (response.status_code, "ours.html, line 2:" in response.text)


def test_nothing_of_a_letter_is_stored() -> None:
    """Neither script nor form takes what is typed into it anywhere."""
    script = (ROOT / "desk" / "static" / "letter.js").read_text(encoding="utf-8")
    assert not [word for word in ("fetch", "Storage", "cookie", "innerHTML", "XMLHttp") if word in script]
