"""A decision on record as its page shows it, whichever of its forms was sent; and asking the records for a visit.

What brings cryptography is imported in the records' thread: see `desk.archive`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.responses import RedirectResponse, Response

from decision import Outcome
from desk.acts import Done, done
from desk.fields import labels
from desk.problems import refused
from desk.results import WORDS, result
from desk.roles import Role, may
from desk.visit import UnfitFormError, Visit

if TYPE_CHECKING:
    from desk.archive.cases import Case, Opened
    from records.events.reviewing import Who

T = TypeVar("T")

CONFLICTS = frozenset({"seen", "by", "proposal"})
"""What stands against an act through no fault of what was typed."""

_MOST = 2**63
"""What no number of the store reaches."""

NO_SUCH = "there is no decision of this id on record"


def number(text: str) -> int:
    """A number that a form of a page here has carried.

    Raises:
        UnfitFormError: it can be none.
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 20) or (found := int(text)) >= _MOST:
        raise UnfitFormError
    return found


async def ask(visit: Visit, work: Callable[[Opened, Who], T]) -> T:
    """What `work` finds in the records for whoever visits.

    Raises:
        RecordsError: they can't be used.
    """

    def found(opened: Opened) -> T:
        from records.events.reviewing import Who  # noqa: PLC0415  # as above

        # Whoever comes under another name next time is known by the browser that they come from, too.
        return work(opened, Who.known(visit.person.name, [*visit.person.known_as, f"browser {visit.secret}"]))

    return await visit.host.look_up(found)


def unrecorded(visit: Visit) -> Response:
    """What is said where decisions aren't recorded."""
    return visit.show("unrecorded.html", title="Not on record")


async def find_case(visit: Visit, what: str) -> Case | None:
    """The decision that a path names, for whoever visits to see; None where there is none."""

    def work(opened: Opened, who: Who) -> Case | None:
        from desk.archive.cases import case  # noqa: PLC0415  # as above

        return case(opened, visit.request.path_params["id"], who, what)

    return await ask(visit, work)


async def show(visit: Visit, against: Mapping[str, str] | None = None) -> Response:
    """The page of the decision that a path names.

    Args:
        visit: the request.
        against: what stands against what was sent, by field; that is shown as it was typed.
    """
    if not visit.host.kept:
        return unrecorded(visit)
    case = await find_case(visit, "record")
    if case is None:
        return visit.show_problem(refused(404, NO_SUCH))
    against = against or {}
    status = 409 if CONFLICTS & against.keys() else 422 if against else 200
    return visit.show("record.html", status=status, **_context(visit, case), against=against)


async def acted(visit: Visit, against: Mapping[str, str] | None) -> Response:
    """What is answered to an act: the decision's page anew, which a reload doesn't act by again."""
    if against is None:
        return visit.show_problem(refused(404, NO_SUCH))
    return await show(visit, against) if against else to_record(visit, "done")


def to_record(visit: Visit, part: str = "") -> Response:
    """To the page of the decision that the path names, where the part is that an act has changed."""
    there = f"records/{visit.request.path_params['id']}"
    return RedirectResponse(visit.url(f"{there}#{part}" if part else there), 303)


def may_have_letter(case: Case) -> bool:
    """Whether there is something to give notice of, and reasons of the record to give."""
    return Outcome.APPROVE.value not in {case.outcome, case.kept.entry.outcome} and case.told


def _context(visit: Visit, case: Case) -> dict[str, Any]:
    from records.events.reviewing import GROUNDS  # noqa: PLC0415  # loaded by now, in the records' thread

    record, engine = case.kept.record, case.engine
    read = None
    if engine is not None and case.application is not None and case.answer is not None:
        read = result(engine, case.application, case.answer)
    called = {} if engine is None else labels(engine.contract)
    fields = {} if record is None else record.fields(case.kept.basis)
    acts: list[Done] = [done(act) for act in reversed(case.acts)]
    return {
        "title": f"{WORDS[case.outcome]} · On record",
        "case": case,
        "document": case.kept.document(),
        "stands": case.stands.document(),
        "result": read,
        "stated": [(called.get(name, name), value) for name, value in fields.items()],
        "acts": [act for act in acts if act.kind != "viewed"],
        "looks": [act for act in acts if act.kind == "viewed"],
        "letter": may_have_letter(case),
        "may_act": record is not None and may(visit.person, Role.OFFICER),
        "may_review": record is not None and may(visit.person, Role.REVIEWER),
        "grounds": {ground.value: text for ground, text in GROUNDS.items()},
        "others_outcomes": [outcome for outcome in WORDS if outcome != case.outcome],
        "replayed": next((act for act in acts if act.kind == "replayed"), None),
        "typed": {name: visit.form.get(name, "") for name in ("outcome", "code", "text")},
        "words": WORDS,
    }
