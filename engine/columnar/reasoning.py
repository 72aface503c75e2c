"""Reasons over columns: those that `decision.explain_decision` gives one by one.

What it is told of a row is little: the rules that matched, the outcome, and which of the score's reasons are true and
material, in their order. Rows of which all that is the same have the same codes, so it is asked once for all of them.
That order is told from sums that are close to the attributions; where they are too close to each other to tell, the
engine itself assesses the row.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from decision import Reason, explain_decision
from decision.policy import Decision
from decision.reasons import MAX_REASONS, ReasonCatalogue, ScoreFactors
from engine import Assessment, Engine
from engine.columnar.columns import NUMBER, Columns, Mask, application, names_of
from engine.columnar.deciding import APPROVED, OUTCOMES, Decided
from engine.columnar.lists import Lists
from engine.columnar.lowering import Asked, Lowering
from engine.columnar.model import Scored
from scoring.impacts import UNSURE

Told = tuple[tuple[str, Literal["policy", "score"]], ...]
"""Codes of reasons, and what gave each."""

MOST_REMEMBERED = 100_000
"""Kinds of rows whose codes are kept for the next table."""

MOST_WITH_TEXTS = 10_000
"""Lists of reasons kept with their texts; a kilobyte each."""

NOTHING = -1
"""Where a list of places among the catalogue's score reasons has ended."""


class Reasons(NamedTuple):
    """The reasons of some rows.

    Attributes:
        kinds: the different lists that there are; the first is empty.
        of_row: the place of each row's among them, shape (n,).
    """

    kinds: Sequence[Told]
    of_row: NDArray[np.intp]

    @property
    def codes(self) -> list[tuple[str, ...]]:
        """Of each kind, the codes."""
        return [tuple(code for code, _ in kind) for kind in self.kinds]


class Reasoner:
    """An engine's model, policy and catalogue, ready to give reasons for columns."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._policy = engine.policy
        self._catalogue = engine.catalogue
        self._impacts = engine.impacts
        self._lowering = Lowering(engine.scorer, engine.model, engine.improvements)
        self._alike = _fields_of_like_texts(engine.catalogue)
        self._told: dict[bytes, Told] = {}
        self._with_texts = lru_cache(MOST_WITH_TEXTS)(self._given)
        self._varying = {
            entry.code: entry.field
            for entry in engine.catalogue.reasons
            if entry.text_if_missing or entry.text_by_value
        }

    def reasons(self, columns: Columns, scored: Scored, decided: Decided) -> Reasons:
        """Each row's reasons, none for an approval."""
        steps = self.in_steps(columns, scored, decided)
        try:
            while True:
                next(steps)
        except StopIteration as end:
            found: Reasons = end.value
            return found

    def in_steps(self, columns: Columns, scored: Scored, decided: Decided) -> Generator[None, None, Reasons]:
        """The same, between whose steps something else may be done."""
        refused = np.flatnonzero(decided.outcome != APPROVED)
        ranked, sure = yield from self._ranked(columns, scored, decided, refused)
        kinds: dict[Told, int] = {(): 0}
        of_row = np.zeros(len(decided.outcome), dtype=np.intp)
        quick, slow, ranked = refused[sure], refused[~sure], ranked[sure]
        if len(self._told) > MOST_REMEMBERED:
            self._told.clear()
        places: dict[bytes, int] = {}
        for i, key in enumerate(keys := self._keys(columns, decided, ranked, quick)):
            if key not in places:
                if key not in self._told:
                    self._told[key] = self._tell(columns, decided, int(quick[i]), ranked[i])
                places[key] = kinds.setdefault(self._told[key], len(kinds))
        of_row[quick] = [places[key] for key in keys]
        for row, assessment in zip(slow.tolist(), self._assess(columns, slow), strict=True):
            of_row[row] = kinds.setdefault(_told(assessment.reasons), len(kinds))
        return Reasons([*kinds], of_row)

    def given(self, columns: Columns, reasons: Reasons) -> Lists[Reason]:
        """The reasons as each applicant is told them: some texts depend on the value of their field."""
        varying = [[self._varying[code] for code, _ in kind if code in self._varying] for kind in reasons.kinds]
        places = {field: columns[field].places for field in {field for fields in varying for field in fields}}
        of_names = {field: None if found is None else found.tolist() for field, found in places.items()}
        lists: dict[tuple[int, ...], int] = {(0,): 0}  # of each kind by the places that texts depend on
        of_row = [0] * len(reasons.of_row)
        for row in np.flatnonzero(reasons.of_row).tolist():
            kind = int(reasons.of_row[row])
            key = kind, *(NUMBER if (at := of_names[field]) is None else at[row] for field in varying[kind])
            of_row[row] = lists.setdefault(key, len(lists))
        told = [
            self._with_texts(reasons.kinds[kind], tuple(zip(varying[kind], at, strict=True))) for kind, *at in lists
        ]
        return Lists(told, of_row)

    def _given(self, told: Told, places: tuple[tuple[str, int], ...]) -> tuple[Reason, ...]:
        """Reasons with their texts, by the places of those values that texts depend on; a number has none."""
        fields = self._engine.contract.by_name
        values = {name: 0.0 if place == NUMBER else names_of(fields[name])[place] for name, place in places}
        entries = [(self._catalogue.codes[code], source) for code, source in told]
        return tuple([
            Reason(entry.code, entry.field, entry.told({entry.field: 0.0} | values), source)
            for entry, source in entries
        ])  # fmt: skip

    def _assess(self, columns: Columns, rows: NDArray[np.intp]) -> list[Assessment]:
        return self._engine.assess([self._application(columns, row) for row in rows.tolist()]) if len(rows) else []

    def _ranked(
        self, columns: Columns, scored: Scored, decided: Decided, rows: NDArray[np.intp]
    ) -> Generator[None, None, tuple[NDArray[np.int16], Mask]]:
        """Of refused rows, which of the score's reasons are true and material, in their order, and where that is sure.

        Of a row that no rule matched, no more than can be told.
        """
        entries = self._catalogue.scored
        found = np.full((len(rows), len(entries)), NOTHING, dtype=np.int16)
        sure = np.ones(len(rows), dtype=np.bool_)
        disclosed = np.flatnonzero(decided.discloses_score[rows])
        if not len(disclosed):
            return found, sure
        if self._impacts.sums is None or scored.tables is None:
            sure[disclosed] = False
            return found, sure
        at = rows[disclosed]
        impacts, has_way = self._impacts.quick(scored.tables[at], scored.margin[at])
        order, material, told_apart = _order(impacts, self._least_impact(scored.pd[at]), self._impacts.sums.none)
        sure[disclosed] = has_way & told_apart & material.any(axis=1)
        ruled = np.zeros(len(decided.outcome), dtype=np.bool_)
        for mask in decided.rules:
            if mask is not None:
                ruled |= mask
        yield
        # Where two may say the same, or a rule's reason may, a later one takes the place of one that isn't told.
        most = np.where(ruled[at] | bool(self._alike), len(entries), MAX_REASONS)
        true = self._true(columns, scored, _Case(at, order, material & sure[disclosed][:, np.newaxis], most))
        found[disclosed] = _gathered(order, true)
        # Where nothing is true and material, something else is told.
        sure[disclosed] &= true.any(axis=1)
        return found, sure

    def _true(self, columns: Columns, scored: Scored, case: _Case) -> Mask:
        """Of the reasons in order, those that are true, as far as they are asked for."""
        true = np.zeros(case.order.shape, dtype=np.bool_)
        asked = np.zeros(case.order.shape, dtype=np.bool_)
        # At most as many as may be told; where some of them aren't true, as many more.
        while True:
            room = case.most - np.count_nonzero(true, axis=1)
            open_ = case.material & ~asked
            now = open_ & (np.cumsum(open_, axis=1) <= room[:, np.newaxis])
            row, rank = np.nonzero(now)
            if not len(row):
                return true
            place = case.order[row, rank]
            entries = [(entry, np.flatnonzero(place == entry)) for entry in np.unique(place).tolist()]
            questions = [Asked(case.rows[row[of]], self._catalogue.scored[entry].scores) for entry, of in entries]
            for (_, of), lower in zip(entries, self._lowering.lower(columns, scored, questions), strict=True):
                true[row[of], rank[of]] = lower
            asked |= now

    def _least_impact(self, pd: NDArray[np.float64]) -> NDArray[np.float64]:
        """`Policy.least_impact` of each row but for its last bits, which `UNSURE` allows for."""
        least = math.ulp(0.5)
        bounded = np.clip(pd, least, 1 - least)
        return self._policy.reasons.materiality * (np.log(bounded / (1 - bounded)) - self._policy.thresholds.log_odds)

    def _keys(
        self, columns: Columns, decided: Decided, ranked: NDArray[np.int16], rows: NDArray[np.intp]
    ) -> list[bytes]:
        """All that settles a row's codes, as bytes."""
        parts: list[tuple[NDArray[Any] | None, int]] = [(decided.outcome, 0), (decided.band, 0)]
        parts += [(mask, 0) for mask in decided.rules]
        parts += [(columns[field].places, NUMBER) for field in self._alike]
        whole = np.empty((len(rows), ranked.shape[1] + len(parts)), dtype=np.int16)
        whole[:, : ranked.shape[1]] = ranked
        for i, (part, of_all) in enumerate(parts, ranked.shape[1]):
            whole[:, i] = of_all if part is None else part[rows]
        keys: list[bytes] = whole.view(f"V{whole.shape[1] * whole.itemsize}").ravel().tolist()
        return keys

    def _tell(self, columns: Columns, decided: Decided, row: int, ranked: NDArray[np.int16]) -> Told:
        """What is told of a row, and of all like it."""
        decision = Decision(
            OUTCOMES[decided.outcome[row]],
            OUTCOMES[decided.band[row]],
            0,
            0,
            tuple(
                rule
                for rule, mask in zip(self._policy.rules, decided.rules, strict=True)
                if mask is not None and mask[row]
            ),
        )
        # Impacts that rank these reasons in their order, and no other above 0.
        impacts = [0.0] * len(self._catalogue.scored)
        for rank, place in enumerate(ranked.tolist()):
            if place != NOTHING:
                impacts[place] = float(len(ranked) - rank)
        factors = ScoreFactors(impacts, 0.0, lambda groups: [True] * len(groups))
        return _told(explain_decision(decision, self._catalogue, self._application(columns, row), factors))

    def _application(self, columns: Columns, row: int) -> dict[str, object]:
        # Without what neither rules nor scores read.
        return {**dict.fromkeys(self._engine.contract.by_name), **application(columns, row)}


class _Case(NamedTuple):
    """Rows whose score is disclosed: their reasons in order, which of them are material, and the most to be told."""

    rows: NDArray[np.intp]
    order: NDArray[np.int16]
    material: Mask
    most: NDArray[np.intp]


def _order(
    impacts: NDArray[np.float64], least: NDArray[np.float64], none: Mask
) -> tuple[NDArray[np.int16], Mask, Mask]:
    """Reasons from the greatest impact on, which of them are material, and in which rows that is told apart."""
    bound = np.maximum(least, 0.0)[:, np.newaxis]
    near: Mask = (np.abs(impacts - bound) <= UNSURE) & ~none
    order = np.argsort(-impacts, axis=1).astype(np.int16)
    ranked = np.take_along_axis(impacts, order, axis=1)
    material: Mask = (ranked > bound) & ~none[order]
    close: Mask = material[:, 1:] & (ranked[:, :-1] - ranked[:, 1:] <= UNSURE)
    told_apart: Mask = np.logical_not(near.any(axis=1) | close.any(axis=1))
    return order, material, told_apart


def _told(reasons: Sequence[Reason]) -> Told:
    return tuple([(reason.code, reason.source) for reason in reasons])


def _gathered(order: NDArray[np.int16], true: Mask) -> NDArray[np.int16]:
    """The places of those that are true, in order, from the left."""
    first = np.argsort(~true, axis=1, kind="stable")
    places = np.where(true, order, np.int16(NOTHING))
    return np.take_along_axis(places, first, axis=1)


def _fields_of_like_texts(catalogue: ReasonCatalogue) -> list[str]:
    """The fields whose values settle whether two reasons say the same."""
    texts = [{entry.text, entry.text_if_missing, *entry.text_by_value.values()} - {None} for entry in catalogue.reasons]
    return sorted(
        {
            entry.field
            for i, entry in enumerate(catalogue.reasons)
            if any(texts[i] & other for j, other in enumerate(texts) if j != i)
        }
    )
