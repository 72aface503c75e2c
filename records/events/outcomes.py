"""Outcomes as lenders report them, line by line: all lines are kept or none, and each wrong one is named.

A reference can stand for several decisions, since an answer that never arrived is asked for again: the latest is meant,
where all of them decided the same. Where they didn't, which of them led to the loan can't be told from here.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from io import StringIO
from typing import NamedTuple

from records.chain import Entry
from records.errors import RecordsError
from records.events.naming import by_id, by_reference
from records.events.standing import Outcome
from records.events.telling import ContradictionError, Teller, Told
from records.identifiers import as_text, from_text
from records.keyring import KeyRing
from records.stores.ledger import Ledger

ID, REFERENCE, DEFAULTED, DATE, MATURED = "decision_id", "reference", "defaulted", "date", "matured"

_ANSWERS = {"yes": True, "no": False}


class Line(NamedTuple):
    """One outcome as it was reported.

    Attributes:
        place: of the line: its number in a file, or its row.
        decision: id of the decision; None where it is named by its reference.
        reference: the caller's own; None where there is none.
        outcome: what became of the loan.
    """

    place: int
    decision: bytes | None
    reference: str | None
    outcome: Outcome


class Problem(NamedTuple):
    """What is wrong with a line.

    Attributes:
        place: of the line.
        field: that is wrong.
        what: is wrong with it, and the remedy; never what stands there.
    """

    place: int
    field: str
    what: str


class OutcomesError(RecordsError):
    """Some lines are wrong; nothing was kept.

    Attributes:
        problems: all that were found.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(f"line {place}: {field}: {what}" for place, field, what in self.problems))


def read_outcomes(text: str) -> list[Line]:
    """The lines of a file: comma-separated, its first line naming the columns.

    Raises:
        OutcomesError: any of them is wrong.
    """
    reader = csv.reader(StringIO(text), strict=True)
    lines: list[Line] = []
    problems: list[Problem] = []
    columns: list[str] = []
    try:
        for row in reader:
            if not columns:
                columns = _columns(row)
            elif row:
                try:
                    lines.append(_line(reader.line_num, columns, row))
                except OutcomesError as exc:
                    problems += exc.problems
    except csv.Error as exc:
        raise OutcomesError(
            [*problems, Problem(reader.line_num, "line", f"no comma-separated values: {exc}")]
        ) from None
    if not columns:
        raise OutcomesError([Problem(1, "line", f"empty; its first line names the columns: {_HEADER}")])
    if problems:
        raise OutcomesError(problems)
    return lines


def keep_outcomes(ledger: Ledger, ring: KeyRing, lines: Sequence[Line], *, correct: bool = False) -> Told:
    """Keep what is new of reported outcomes.

    Args:
        ledger: of the decisions.
        ring: its keys.
        lines: as reported.
        correct: whether they replace what was told before.

    Raises:
        OutcomesError: any line is wrong, or contradicts another or what is known.
    """
    named, problems = _named(ledger, ring, lines)
    meant: dict[bytes, tuple[Line, Entry]] = {}
    for line, entry in named:
        other, _ = meant.setdefault(entry.id, (line, entry))
        if other.outcome != line.outcome:
            what = f"of the same decision as line {other.place}, which says otherwise; leave one of them"
            problems.append(Problem(line.place, DEFAULTED, what))
    if problems:
        raise OutcomesError(problems)
    outcomes: Mapping[bytes, Outcome] = {decision: line.outcome for decision, (line, _) in meant.items()}
    try:
        kept = Teller(ledger, ring).outcomes(outcomes, [entry for _, entry in meant.values()], correct=correct)
    except ContradictionError as exc:
        raise OutcomesError(
            Problem(meant[each.decision][0].place, each.field, each.what) for each in exc.contradictions
        ) from None
    return kept._replace(unchanged=kept.unchanged + len(named) - len(meant))


_HEADER = f"{ID} or {REFERENCE}, {DEFAULTED}, {DATE}, {MATURED}"


def _columns(row: Sequence[str]) -> list[str]:
    columns = [name.strip() for name in row]
    columns[0] = columns[0].removeprefix("\ufeff")  # as spreadsheets write it
    wanted, known = {DEFAULTED, DATE, MATURED}, {ID, REFERENCE, DEFAULTED, DATE, MATURED}
    if not wanted <= set(columns) or not {ID, REFERENCE} & set(columns):
        raise OutcomesError([Problem(1, "columns", f"the first line must name {_HEADER}")])
    if set(columns) - known or len(set(columns)) < len(columns):
        raise OutcomesError(
            [Problem(1, "columns", f"the first line may name each of these once, and no other: {_HEADER}")]
        )
    return columns


def _line(place: int, columns: Sequence[str], row: Sequence[str]) -> Line:
    if len(row) != len(columns):
        raise OutcomesError([Problem(place, "line", f"has {len(row)} values; the first line names {len(columns)}")])
    values = {name: value.strip() for name, value in zip(columns, row, strict=True)}
    problems = [Problem(place, field, what) for field, what in _wrong(values)]
    if problems:
        raise OutcomesError(problems)
    outcome = Outcome(
        _ANSWERS[values[DEFAULTED].lower()], date.fromisoformat(values[DATE]), _ANSWERS[values[MATURED].lower()]
    )
    decision = from_text(values[ID]) if values.get(ID) else None
    return Line(place, decision, values.get(REFERENCE) or None, outcome)


def _wrong(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if values.get(ID):
        try:
            from_text(values[ID])
        except ValueError as exc:
            yield ID, str(exc)
    elif not values.get(REFERENCE):
        yield (ID if ID in values else REFERENCE), "empty; name the decision by its id or its reference"
    for field in (DEFAULTED, MATURED):
        if values[field].lower() not in _ANSWERS:
            yield field, "must be yes or no"
    try:
        date.fromisoformat(values[DATE])
    except ValueError:
        yield DATE, "no date; write it as 2026-11-30"


def _named(ledger: Ledger, ring: KeyRing, lines: Sequence[Line]) -> tuple[list[tuple[Line, Entry]], list[Problem]]:
    """Each line with its decision; and what is wrong with those that have none."""
    entries = by_id(ledger, [line.decision for line in lines if line.decision is not None])
    references = {line.reference: None for line in lines if line.decision is None and line.reference is not None}
    referred = by_reference(ledger, ring, list(references))
    named: list[tuple[Line, Entry]] = []
    problems: list[Problem] = []
    for line in lines:
        if line.decision is not None:
            entry = entries.get(line.decision)
            if entry is None:
                problems.append(Problem(line.place, ID, "no such decision in this store"))
            elif line.reference is not None and entry.tag not in {None, ring.tag(line.reference)}:
                problems.append(
                    Problem(line.place, REFERENCE, "of another decision than decision_id; correct one of them")
                )
            else:
                named.append((line, entry))
        else:
            found = referred[line.reference or ""]
            if not found:
                problems.append(Problem(line.place, REFERENCE, "no decision of this reference in this store"))
            elif len({entry.outcome for entry in found}) > 1:
                told = ", ".join(f"{as_text(entry.id)} {entry.outcome}" for entry in found)
                problems.append(
                    Problem(line.place, REFERENCE, f"of several decisions; name one by decision_id: {told}")
                )
            else:
                named.append((line, found[-1]))
    return named, problems
