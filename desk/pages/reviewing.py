"""Reviews: decisions that wait for somebody, and what is done about one: overridden by two people, or left as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.responses import Response

from desk.fields import labels
from desk.pages.on_record import acted, ask, number, to_record, unrecorded
from desk.pages.page import Action, Answer, Page
from desk.results import WORDS
from desk.roles import Role
from desk.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from desk.archive.cases import Opened
    from desk.archive.finding import Listed
    from records.events.reviewing import Reviewer, Who
    from records.reading import Kept

SEEN, OUTCOME, CODE, TEXT, BEFORE = "seen", "outcome", "code", "text", "before"
"""Fields of the forms."""


async def _waiting(visit: Visit) -> Response:
    return await _listed(visit, None)


async def _older(visit: Visit) -> Response:
    return await _listed(visit, number(visit.form.get(BEFORE, "")))


async def _listed(visit: Visit, before: int | None) -> Response:
    if not visit.host.kept:
        return unrecorded(visit)

    def work(opened: Opened, _: Who) -> Listed:
        from desk.archive.finding import waiting  # noqa: PLC0415  # see desk.archive

        return waiting(opened, before)

    listed = await ask(visit, work)
    called = labels(visit.engine.contract)
    return visit.show("reviews.html", title="Reviews", listed=listed, called=called, words=WORDS)


def _acting(do: Callable[[Visit, Reviewer, Kept, int], None]) -> Answer:
    """What answers the form of an act."""

    async def answer(visit: Visit) -> Response:
        seen = number(visit.form.get(SEEN, ""))

        def work(opened: Opened, who: Who) -> Mapping[str, str] | None:
            from desk.archive.cases import act  # noqa: PLC0415  # see desk.archive

            decision = visit.request.path_params["id"]
            return act(opened, decision, who, lambda reviewer, kept: do(visit, reviewer, kept, seen))

        return await acted(visit, await ask(visit, work))

    return answer


def _propose(visit: Visit, reviewer: Reviewer, kept: Kept, seen: int) -> None:
    outcome, code = visit.form.get(OUTCOME, ""), visit.form.get(CODE, "")
    reviewer.propose(kept.entry, seen, outcome, code, _text(visit))


def _confirm(visit: Visit, reviewer: Reviewer, kept: Kept, seen: int) -> None:
    reviewer.confirm(kept.entry, seen, _text(visit))


def _decline(visit: Visit, reviewer: Reviewer, kept: Kept, seen: int) -> None:
    reviewer.decline(kept.entry, seen, _text(visit))


def _stands(visit: Visit, reviewer: Reviewer, kept: Kept, seen: int) -> None:
    reviewer.review(kept.entry, seen, _text(visit))


def _text(visit: Visit) -> str:
    return visit.form.get(TEXT, "").replace("\r\n", "\n")


async def _again(visit: Visit) -> Response:
    """Somebody has come to where a form is sent, without one."""
    return to_record(visit)


ACTS = (
    ("propose", _propose, Role.OFFICER),
    ("confirm", _confirm, Role.REVIEWER),
    ("decline", _decline, Role.REVIEWER),
    ("stands", _stands, Role.REVIEWER),
)

PAGE = Page(
    "Reviews",
    (
        Action("reviews", _waiting),
        Action("reviews", _older, "POST"),
        *(Action(f"records/{{id}}/{name}", _again) for name, _, _ in ACTS),
        *(Action(f"records/{{id}}/{name}", _acting(do), "POST", role) for name, do, role in ACTS),
    ),
)
