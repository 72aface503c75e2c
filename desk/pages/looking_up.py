"""Look up: decisions on record by what is known of them, and one of them as it was decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse, Response

from decision import Outcome
from desk.pages.on_record import NO_SUCH, ask, number, show, to_record, unrecorded
from desk.pages.page import Action, Page
from desk.problems import refused
from desk.results import WORDS
from desk.roles import Role
from desk.visit import UnfitFormError, Visit

if TYPE_CHECKING:
    from desk.archive.cases import Opened
    from desk.archive.finding import Listed
    from records.events.reviewing import Who

ID, REFERENCE, SINCE, UNTIL, OUTCOME, BEFORE = "id", "reference", "since", "until", "outcome", "before"

MOST_SKIPPED = 100_000
"""Decisions of one moment, ten times as many as a batch may have: those that are skipped are read, too."""


async def _latest(visit: Visit) -> Response:
    return await _listed(visit, {})


async def _find(visit: Visit) -> Response:
    """A form, since what is looked for has no place in an address; a decision's id may stand in one."""
    asked = {name: visit.form.get(name, "").strip() for name in (ID, REFERENCE, SINCE, UNTIL, OUTCOME, BEFORE)}
    if not asked[ID]:
        return await _listed(visit, asked)
    found = await ask(visit, lambda opened, _: _is_kept(opened, asked[ID]))
    if found is None:
        return _shown(visit, asked, None, {ID: NO_SUCH})
    return RedirectResponse(visit.url(f"records/{found}"), 303)


def _is_kept(opened: Opened, text: str) -> str | None:
    """The id as it is written, where there is a decision of it."""
    from records.identifiers import as_text, from_text  # noqa: PLC0415  # see desk.archive

    try:
        identifier = from_text(text)
    except ValueError:
        return None
    return as_text(identifier) if opened.ledger.get(identifier) is not None else None


async def _listed(visit: Visit, asked: Mapping[str, str]) -> Response:
    if not visit.host.kept:
        return unrecorded(visit)
    errors: dict[str, str] = {}
    first, last = (_day(asked.get(name, ""), name, errors) for name in (SINCE, UNTIL))
    if asked.get(OUTCOME) and asked[OUTCOME] not in set(Outcome):
        raise UnfitFormError
    before, skip = _where(asked.get(BEFORE, ""))
    if errors:
        return _shown(visit, asked, None, errors)

    def work(opened: Opened, _: Who) -> Listed:
        from desk.archive.finding import find  # noqa: PLC0415  # see desk.archive
        from records.moments import from_time  # noqa: PLC0415  # the same
        from records.stores.base import Query  # noqa: PLC0415  # the same

        since = None if first is None else from_time(first.isoformat())
        # The day itself is meant too; where older ones of the same are asked for, those before the last one shown.
        until = None if last in {None, date.max} else from_time((last + timedelta(days=1)).isoformat())
        query = Query(since=since, until=until if before is None else before, outcome=asked.get(OUTCOME) or None)
        return find(opened, query, asked.get(REFERENCE) or None, skip)

    return _shown(visit, asked, await ask(visit, work), {})


def _where(text: str) -> tuple[int | None, int]:
    """Where the next page begins: before a moment, and behind how many of those before it."""
    parts = text.split(".")
    if not text:
        return None, 0
    if len(parts) != 2 or number(parts[1]) > MOST_SKIPPED:
        raise UnfitFormError
    return number(parts[0]), number(parts[1])


def _day(text: str, name: str, errors: dict[str, str]) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        errors[name] = "no day; write it as 2026-11-30"
        return None


def _shown(visit: Visit, asked: Mapping[str, str], listed: Listed | None, errors: Mapping[str, str]) -> Response:
    return visit.show(
        "look-up.html",
        status=422 if errors else 200,
        title="Look up",
        asked={name: asked.get(name, "") for name in (ID, REFERENCE, SINCE, UNTIL, OUTCOME)},
        narrowed=any(asked.get(name) for name in (REFERENCE, SINCE, UNTIL, OUTCOME)),
        listed=listed,
        errors=errors,
        outcomes=WORDS,
        words=WORDS,
    )


async def _replay(visit: Visit) -> Response:
    def work(opened: Opened, who: Who) -> bool:
        from desk.archive.cases import replay  # noqa: PLC0415  # see desk.archive

        return replay(opened, visit.request.path_params["id"], who)

    return to_record(visit, "replay") if await ask(visit, work) else visit.show_problem(refused(404, NO_SUCH))


async def _again(visit: Visit) -> Response:
    """Somebody has come to where a form is sent, without one."""
    return to_record(visit)


PAGE = Page(
    "Look up",
    (
        Action("records", _latest),
        Action("records", _find, "POST"),
        Action("records/{id}", show),
        Action("records/{id}/replay", _again),
        Action("records/{id}/replay", _replay, "POST", Role.OFFICER),
    ),
)
