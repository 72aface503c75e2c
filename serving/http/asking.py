"""What is asked of records, worked off in their thread; imported with the first question.

Brings cryptography and a database's client, which a service without records does without.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import to_json

from preprocessing.application import FieldError
from records.events.event import of_each
from records.events.outcomes import DATE, ID, Line, OutcomesError, keep_outcomes
from records.events.standing import Outcome, standing
from records.identifiers import from_text
from records.moments import from_time
from records.reading import Archive, Kept
from records.stores.base import Query
from serving.http.kept import FOUND, MOST_FOUND, OUTCOME_VALUES, ReportedOutcome
from serving.http.problems import InvalidRequestError, NoSuchDecisionError
from serving.http.refusals import Room, invalid
from serving.lookup import Opened

_AT_A_TIME, _PAUSE = 5, 0.001
"""How many decisions are opened, and for how many seconds scoring goes before the next."""

T = TypeVar("T")

_REPORTED = TypeAdapter(list[ReportedOutcome], config=ConfigDict(defer_build=True))


def found(opened: Opened, asked: Mapping[str, str]) -> bytes:
    """The decisions that query parameters ask for.

    Raises:
        InvalidRequestError: a parameter is wrong.
    """
    kept = list(_in_turn(Archive(opened.ledger, opened.ring).each(_query(asked), asked.get("reference"))))
    documents = []
    for document in _in_turn(_documents(opened, kept)):
        del document["basis"]  # the largest part, and the same in most
        documents.append(to_json(document))
    return b'{"decisions":[' + b",".join(documents) + b"]}"


def shown(opened: Opened, decision: str) -> bytes:
    """All of a decision.

    Raises:
        NoSuchDecisionError: there is none of this id.
    """
    (document,) = _documents(opened, [_one(opened, decision)])
    return to_json(document)


def replayed(opened: Opened, decision: str) -> bytes:
    """What comes of making it again.

    Raises:
        NoSuchDecisionError: as above.
    """
    (again,) = opened.replayer.replay([_one(opened, decision)])
    return to_json(again.document())


def reported(opened: Opened, rows: Sequence[Any], *, correct: bool) -> bytes:
    """What was new of outcomes.

    Raises:
        InvalidRequestError: any of them is wrong, or contradicts; nothing is kept.
    """
    try:
        kept = keep_outcomes(opened.ledger, opened.ring, _lines(rows), correct=correct)
    except OutcomesError as exc:
        errors = [FieldError((problem.place, problem.field), problem.what, "outcome") for problem in exc.problems]
        raise _refusal(errors, len(rows)) from None
    return to_json({"kept": kept.told, "unchanged": kept.unchanged, "erased": kept.erased})


def _query(asked: Mapping[str, str]) -> Query:
    errors = []
    moments: dict[str, int | None] = {"since": None, "until": None}
    for name in moments.keys() & asked.keys():
        try:
            moments[name] = from_time(asked[name])
        except ValueError:
            errors.append(FieldError((name,), "no time; write it as 2026-11-30 or 2026-11-30T12:00:00Z", "time"))
    outcome, most = asked.get("outcome"), asked.get("most", str(FOUND))
    if outcome is not None and outcome not in OUTCOME_VALUES:
        errors.append(FieldError(("outcome",), f"must be one of {', '.join(OUTCOME_VALUES)}", "enum"))
    if not (most.isascii() and most.isdecimal() and len(most) <= 3 and 1 <= int(most) <= MOST_FOUND):
        errors.append(FieldError(("most",), f"must be a number from 1 to {MOST_FOUND}", "number"))
    if errors:
        raise InvalidRequestError(f"{len(errors)} wrong query parameter(s); `errors` names each", errors=errors)
    return Query(
        since=moments["since"], until=moments["until"], outcome=outcome, caller=asked.get("caller"), most=int(most)
    )


def _one(opened: Opened, decision: str) -> Kept:
    try:
        kept = Archive(opened.ledger, opened.ring).get(from_text(decision))
    except ValueError:
        kept = None
    if kept is None:
        raise NoSuchDecisionError
    return kept


def _documents(opened: Opened, kept: Sequence[Kept]) -> Iterator[dict[str, Any]]:
    ids = [each.entry.id for each in kept]
    told = of_each(opened.ledger.told(ids), ids)
    for each in kept:
        yield each.document() | standing(told[each.entry.id], each.entry.key, opened.ring).document()


def _in_turn(items: Iterable[T]) -> Iterator[T]:
    """The items, the event loop's turn between any two of some: it would wait for five milliseconds otherwise."""
    for place, item in enumerate(items):
        if place % _AT_A_TIME == _AT_A_TIME - 1:
            time.sleep(_PAUSE)
        yield item


def _lines(rows: Sequence[Any]) -> list[Line]:
    try:
        reports = _REPORTED.validate_python(rows)
    except ValidationError as exc:
        wrong = exc.errors(include_url=False, include_context=False, include_input=False)
        raise _refusal([FieldError(each["loc"], each["msg"], each["type"]) for each in wrong], len(rows)) from None
    lines: list[Line] = []
    errors: list[FieldError] = []
    for row, report in enumerate(reports):
        try:
            day = date.fromisoformat(report.date)
        except ValueError:
            errors.append(FieldError((row, DATE), "no date; write it as 2026-11-30", "date"))
            continue
        try:
            decision = None if report.decision_id is None else from_text(report.decision_id)
        except ValueError as exc:
            errors.append(FieldError((row, ID), str(exc), "id"))
            continue
        if decision is None and not report.reference:
            errors.append(FieldError((row, ID), "name the decision by its id or its reference", "missing"))
        lines.append(Line(row, decision, report.reference, Outcome(report.defaulted, day, report.matured)))
    if errors:
        raise _refusal(errors, len(rows))
    return lines


def _refusal(errors: Sequence[FieldError], rows: int) -> InvalidRequestError:
    """As many of the errors as an answer has room for."""
    room = Room(0, rows, partial=False)
    for place, error in enumerate(errors):
        if not room.take(0, [error]):
            return invalid(errors[:place], unread=rows - int(error.loc[0]))
    return invalid(errors)
