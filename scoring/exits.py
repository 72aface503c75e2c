"""From rows of an ensemble's tables to log-odds without the turns: the same bits.

A turn to the right at a split rules out the leaves to its left; the leaf that an application comes to is the first one
of its tree that no split rules out (Lucchese et al. 2015). The leaves ruled out are looked up and put together by OR as
turns are, and the first that is left is found by counting bits, where turns are walked level by level.
"""

from __future__ import annotations

import threading
from typing import Self

import numpy as np
from numpy.typing import NDArray

from scoring.boosting import Ensemble, add_in_order
from scoring.turns import Turns, TurnTables

FEW_ROWS_AT_ONCE = 32
"""Up to so many applications are looked up in all tables at once: fewer steps. Of more, what they need meanwhile costs
more than the steps do."""

ROWS_AT_ONCE = 256
"""What they need meanwhile stays in a processor's own cache, whatever the number of trees."""


class Exits:
    """An ensemble that turns are looked up in tables for, ready to score.

    Attributes:
        tables: what turns are looked up in.

    Args:
        ensemble: whose leaves they are.
        tables: its own.
    """

    def __init__(self, ensemble: Ensemble, tables: TurnTables) -> None:
        self.tables = tables
        self._value = ensemble.value.copy()
        self._value[:1] += ensemble.prior
        self._one = ensemble.word.type(1)
        self._all = np.concatenate([_ruled_out(turns, ensemble.depth) for turns in tables.tables])
        self._ruled_out = np.split(self._all, tables.first_rows[1:])
        self._workspace = _Workspace(len(self._value), ensemble.word)
        # Of the leaves up to the first that is left there is one more than of those ruled out before it.
        self._first = np.arange(len(self._value)) * self._value.shape[1] - 1

    @classmethod
    def of(cls, ensemble: Ensemble) -> Self | None:
        """An ensemble's; None where features are too many for tables."""
        return None if ensemble.tables is None else cls(ensemble, ensemble.tables)

    def log_odds(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Rows of the tables, shape (n, tables), to the ensemble's own log-odds, shape (n,)."""
        if len(rows) <= FEW_ROWS_AT_ONCE:
            return self._log_odds_of_few(rows)
        log_odds = np.empty(len(rows))
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            log_odds[part] = self._log_odds(rows[part])
        return log_odds

    def _log_odds(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        n, workspace = len(rows), self._workspace
        out, other, terms = workspace.out[:n], workspace.other[:n], workspace.terms[:n]
        self._ruled_out[0].take(rows[:, 0], axis=0, out=out, mode="clip")  # the only mode that needs no copy
        for number, table in enumerate(self._ruled_out[1:], 1):
            table.take(rows[:, number], axis=0, out=other, mode="clip")
            out |= other
        # All bits up to the first that is 0.
        np.add(out, self._one, out=other)
        other ^= out
        count, place = workspace.count[:n], workspace.place[:n]
        np.bitwise_count(other, out=count)
        np.add(count, self._first, out=place)
        self._value.take(place, out=terms, mode="clip")
        return add_in_order(terms, workspace.columns[: n * terms.shape[1]].reshape(-1, n))

    def _log_odds_of_few(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        out = np.bitwise_or.reduce(self._all.take(rows + self.tables.first_rows, axis=0), axis=1)
        place = np.bitwise_count(out ^ (out + self._one)).astype(np.intp)
        place += self._first
        return add_in_order(self._value.take(place))


class _Workspace(threading.local):
    """One thread's arrays for what is only needed meanwhile; made anew, they would be mapped anew."""

    def __init__(self, trees: int, word: np.dtype[np.unsignedinteger]) -> None:
        shape = ROWS_AT_ONCE, trees
        self.out, self.other = np.empty(shape, dtype=word), np.empty(shape, dtype=word)
        self.count = np.empty(shape, dtype=np.uint8)
        self.place = np.empty(shape, dtype=np.intp)
        self.terms = np.empty(shape)
        self.columns = np.empty(ROWS_AT_ONCE * trees)


def _ruled_out(turns: Turns, depth: int) -> Turns:
    """The slots that turns to the right rule out, a bit for each."""
    ruled_out = np.zeros_like(turns)
    one = turns.dtype.type(1)
    for number in range(1, 1 << depth):
        below = depth - number.bit_length()  # levels between the split's children and the leaves
        first = (2 * number << below) - (1 << depth)
        slots = turns.dtype.type(((1 << (1 << below)) - 1) << first)
        ruled_out |= np.where(turns >> turns.dtype.type(number) & one, slots, turns.dtype.type(0))
    return ruled_out
