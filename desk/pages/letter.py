"""The letter of one decision: written from the record, printed by the browser, and marked as sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from starlette.responses import Response

from decision import Outcome
from desk.letters import Facts, LetterError, texts
from desk.pages.on_record import NO_SUCH, ask, find_case, may_have_letter, to_record, unrecorded
from desk.pages.page import Action, Page
from desk.problems import refused
from desk.results import WORDS
from desk.roles import Role
from desk.visit import Visit

if TYPE_CHECKING:
    from markupsafe import Markup

    from desk.archive.cases import Case, Opened
    from records.events.reviewing import Who

DATE, CORRECT = "date", "correct"
"""Fields of the form."""


async def _letter(visit: Visit) -> Response:
    return await _shown(visit, {})


async def _sent(visit: Visit) -> Response:
    """On which day the letter went out, from which on the time runs for which the record is kept."""
    try:
        day = date.fromisoformat(visit.form.get(DATE, "").strip())
    except ValueError:
        return await _shown(visit, {DATE: "no day; write it as 2026-11-30"})

    def work(opened: Opened, who: Who) -> Mapping[str, str] | None:
        from desk.archive.cases import notify  # noqa: PLC0415  # see desk.archive

        return notify(opened, visit.request.path_params["id"], who, day, correct=CORRECT in visit.form)

    against = await ask(visit, work)
    return to_record(visit, "letter") if against == {} else await _shown(visit, against or {})


async def _shown(visit: Visit, against: Mapping[str, str]) -> Response:
    if not visit.host.kept:
        return unrecorded(visit)
    case = await find_case(visit, "letter")
    if case is None:
        return visit.show_problem(refused(404, NO_SUCH))
    letter, why = _written(visit, case) if may_have_letter(case) else (None, _why_not(case))
    today = datetime.now(UTC).date().isoformat()
    return visit.show(
        "letter.html",
        status=(422 if against else 200) if letter is not None else 409,
        title="Letter",
        case=case,
        letter=letter,
        why=why,
        notified=case.stands.notified,
        day=visit.form.get(DATE, today),
        against=against,
        words=WORDS,
    )


def _written(visit: Visit, case: Case) -> tuple[Markup | None, str]:
    record, answer, engine = case.kept.record, case.answer, case.engine
    assert record is not None
    assert answer is not None
    assert engine is not None
    from records.moments import as_datetime  # noqa: PLC0415  # loaded by now, in the records' thread

    facts = Facts(
        decision=case.outcome,
        reasons=[reason["text"] for reason in answer["reasons"]],
        decided=as_datetime(case.kept.entry.time).date(),
        today=datetime.now(UTC).date(),
        decision_id=case.id,
        reference=record.reference or "",
        score=record.credit_score,
        score_minimum=engine.policy.score.minimum,
        score_maximum=engine.policy.score.maximum,
        application=texts(record.fields(case.kept.basis)),
    )
    try:
        return visit.letter.written(facts), ""
    except LetterError as exc:
        return None, f"The template of the letter fails for this record: {exc}."


def _why_not(case: Case) -> str:
    if case.kept.record is None:
        return "The content of the record was destroyed: its reasons can not be told any more."
    if case.outcome == Outcome.APPROVE.value:
        return "This is an approval: there is no adverse action to give notice of."
    if case.kept.entry.outcome == Outcome.APPROVE.value:
        return (
            "The record is an approval and holds no reasons. People have overridden it, and what they had for reasons "
            "is theirs to write."
        )
    missing = case.missing or "what there is of them gives other reasons now"
    return f"The words of its reasons are not known here; of the model and policy that decided it: {missing}."


PAGE = Page(
    "Letter",
    (
        Action("records/{id}/letter", _letter, role=Role.OFFICER),
        Action("records/{id}/letter", _sent, "POST", Role.OFFICER),
    ),
    listed=False,
)
