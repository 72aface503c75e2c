"""Counts and sums over applications, of a size that no number of rows changes."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from decision import Policy
from engine.columnar.columns import Columns
from engine.columnar.deciding import OUTCOMES
from portfolio.comparing.borrowing import Known, Worth
from portfolio.comparing.grouping import groupings
from portfolio.comparing.rules import alone, matches
from portfolio.comparing.verdicts import Both, Verdicts
from preprocessing.contract import Contract

Floats = NDArray[np.float64]

ALL = ("all", "")
"""What the first group is called: everybody."""

PD_BINS = 4_000
_FAR = 20.0
"""Log-odds that the bins of the PD reach to on both sides; what lies beyond is in the last."""

PD_CENTRES: Floats = 1 / (1 + np.exp(-(np.linspace(-_FAR, _FAR, PD_BINS + 1)[:-1] + _FAR / PD_BINS)))
"""The PD in the middle of each bin."""


class Measure(IntEnum):
    """What is summed, by group, A's decision and B's."""

    APPLICATIONS = 0
    PD_A = 1
    PD_B = 2
    KNOWN = 3
    DEFAULTED = 4
    VALUED = 5
    AMOUNT = 6
    EXPECTED_A = 7
    EXPECTED_B = 8
    EARNING = 9
    EARNED = 10


class Tally:
    """Takes in rows, a table at a time.

    Attributes:
        policies: of A and B.
        groups: title and name of each, in order; the first is everybody.
        sums: by group, A's decision, B's decision and measure, shape (groups, 3, 3, measures).
        binned: by side and bin of its PD: applications, those with an outcome, defaults; shape (2, bins, 3).
        holds: how often each rule of A's holds, and of B's.
        decides: the same of each that decides by itself.
        squares: of applications with an outcome, squared errors of both sides' PDs and by how much B's is larger: sum
            and sum of squares, shape (3, 2).
        rows: of all tables.
        unread: of them, those that A can't read, and those that B can't.
        strange: those whose label the contract doesn't name.
    """

    def __init__(self, contract: Contract, policies: tuple[Policy, Policy]) -> None:
        self._groupings = groupings(contract)
        self.policies = policies
        self.groups = [ALL, *((grouping.title, name) for grouping in self._groupings for name in grouping.names)]
        self.sums: Floats = np.zeros((len(self.groups), len(OUTCOMES), len(OUTCOMES), len(Measure)))
        self.binned = np.zeros((2, PD_BINS, 3), dtype=np.int64)
        self.holds, self.decides = ([np.zeros(len(each.rules), dtype=np.int64) for each in policies] for _ in range(2))
        self.squares: Floats = np.zeros((3, 2))
        self.rows = self.strange = 0
        self.unread = (0, 0)

    def add(self, both: Both, known: Known, worth: Worth | None, rows: int) -> None:
        """Take a table in.

        Args:
            both: what is said of the n rows that both read.
            known: what became of these.
            worth: what these bring; None where nobody asked.
            rows: that there were, with those that are no rows of any table.
        """
        self.rows += rows
        misfits = rows - both.size
        self.unread = (self.unread[0] + both.unread[0] + misfits, self.unread[1] + both.unread[1] + misfits)
        self.strange += known.strange
        measures = _measures(both, known, worth)
        pair = both.a.decided.outcome.astype(np.intp) * len(OUTCOMES) + both.b.decided.outcome
        for groups in (np.zeros(len(pair), dtype=np.intp), *self._places(both.columns)):
            self._sum(groups, pair, measures)
        for side, verdicts in enumerate((both.a, both.b)):
            place = pd_bin(verdicts.pd)
            for i, mask in enumerate((np.ones(len(place), dtype=bool), known.known, known.defaulted)):
                self.binned[side, :, i] += np.bincount(place[mask], minlength=PD_BINS)
            self.holds[side] += matches(verdicts.decided).sum(axis=0)
            self.decides[side] += alone(self.policies[side], verdicts.decided).sum(axis=0)
        self._square(both.a, both.b, known)

    def _places(self, columns: Columns) -> Iterator[NDArray[np.intp]]:
        """Each application's place among the groups, everybody's first, then that of each grouping."""
        first = 1
        for grouping in self._groupings:
            yield grouping.places(columns) + first
            first += len(grouping.names)

    def _sum(self, groups: NDArray[np.intp], pair: NDArray[np.intp], measures: Floats) -> None:
        cells = len(OUTCOMES) ** 2
        cell = groups * cells + pair
        for measure, values in enumerate(measures):
            found = np.bincount(cell, weights=values, minlength=len(self.groups) * cells)
            self.sums[..., measure] += found.reshape(self.sums.shape[:-1])

    def _square(self, a: Verdicts, b: Verdicts, known: Known) -> None:
        of_a, of_b = ((each.pd[known.known] - known.defaulted[known.known]) ** 2 for each in (a, b))
        for i, values in enumerate((of_a, of_b, of_b - of_a)):
            self.squares[i] += values.sum(), (values**2).sum()


def pd_bin(pd: Floats) -> NDArray[np.intp]:
    """The bin of each PD; bins are as wide as one another in log-odds."""
    with np.errstate(divide="ignore"):
        place = (np.log(pd / (1 - pd)) + _FAR) * (PD_BINS / (2 * _FAR))
    return np.clip(np.floor(place), 0, PD_BINS - 1).astype(np.intp)


def _measures(both: Both, known: Known, worth: Worth | None) -> Floats:
    n = len(both.rows)
    measures: Floats = np.zeros((len(Measure), n))
    measures[Measure.APPLICATIONS] = 1
    measures[Measure.PD_A], measures[Measure.PD_B] = both.a.pd, both.b.pd
    measures[Measure.KNOWN], measures[Measure.DEFAULTED] = known.known, known.defaulted
    if worth is not None:
        valued = np.isfinite(worth.gain) & np.isfinite(worth.loss)
        earning = valued & known.known
        measures[Measure.VALUED], measures[Measure.EARNING] = valued, earning
        measures[Measure.AMOUNT] = np.where(valued, worth.amount, 0)
        for measure, pd in ((Measure.EXPECTED_A, both.a.pd), (Measure.EXPECTED_B, both.b.pd)):
            measures[measure] = np.where(valued, (1 - pd) * worth.gain - pd * worth.loss, 0)
        measures[Measure.EARNED] = np.where(earning, np.where(known.defaulted, -worth.loss, worth.gain), 0)
    return measures
