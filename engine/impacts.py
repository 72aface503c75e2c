"""What each reason that the score can give adds to the log-odds: of many rows quickly, as far as only the order counts.

Sums that are added up as it suits are several times sooner there than attributions, and settle the same order unless
two of them lie very near each other; then, and where fields are too many for such sums, attributions do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from decision import ReasonCatalogue
from decision.reasons import impacts_of
from scoring.attribution import Attributor
from scoring.impacts import UNSURE, Impacts
from scoring.scorer import Scorer, Scores

NO_WAY = 1e-6
"""A margin so near the reference population's that its way to the log-odds can't be divided by it."""


class ReasonImpacts:
    """A model and a catalogue, ready to weigh its reasons.

    Attributes:
        sums: quick ones by reason; None where fields are too many for them.
    """

    def __init__(self, scorer: Scorer, attributor: Attributor, catalogue: ReasonCatalogue) -> None:
        self._attributor = attributor
        self._catalogue = catalogue
        self.sums: Impacts | None = None
        ensemble = scorer.leaves.ensemble
        if ensemble.tables is not None and attributor.is_dense:
            groups = [entry.scores for entry in catalogue.scored]
            self.sums = Impacts(ensemble, ensemble.tables, attributor, groups)
            # Of those that never weigh anything each has the same 0, however it is added up: one stands for all.
            never = np.flatnonzero(self.sums.none)
            self._compared = np.setdiff1d(np.arange(len(groups)), never[1:])

    def in_order(self, scores: Scores, rows: Sequence[int], bounds: Sequence[float]) -> list[list[float]]:
        """One number for each of the catalogue's score reasons, for each of some rows.

        They have the order of the sums of the attributions, and lie on the same side of the row's bound.

        Args:
            scores: of all rows.
            rows: places of those to be weighed, one at least.
            bounds: one for each of them, in log-odds, not below 0.
        """
        chosen = np.array(rows)
        if self.sums is None or scores.tables is None:
            return self.exact(self._attributor.attribute_turns(scores.turns(chosen)))
        found, has_way = self.quick(scores.tables.take(chosen, axis=0), scores.margin.take(chosen))
        sure = has_way & self._told_apart(found, bounds)
        impacts: list[list[float]] = found.tolist()
        if not all(sure.tolist()):
            near = np.flatnonzero(~sure)
            exact = self.exact(self._attributor.attribute_turns(scores.turns(chosen[near])))
            for place, row in zip(near.tolist(), exact, strict=True):
                impacts[place] = row
        return impacts

    def quick(
        self, tables: NDArray[np.int64], margins: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Impacts of some rows by the quick sums, shape (n, reasons), and in which rows they are good to the last bits.

        Args:
            tables: the rows of the model's tables, shape (n, tables).
            margins: the rows' own.
        """
        assert self.sums is not None
        base = self._attributor.base_margin
        has_way = np.abs(margins - base) > NO_WAY
        return self._attributor.calibrated(self.sums.of(tables), np.where(has_way, margins, base + 1)), has_way

    def exact(self, attributions: NDArray[np.float64]) -> list[list[float]]:
        """The very sums of attributions, shape (n, fields)."""
        fields = self._attributor.fields
        return [impacts_of(self._catalogue, dict(zip(fields, row, strict=True))) for row in attributions.tolist()]

    def _told_apart(self, impacts: NDArray[np.float64], bounds: Sequence[float]) -> NDArray[np.bool_]:
        """In which rows the sums differ from each other and from the bound by more than they are unsure by."""
        compared = np.empty((len(impacts), len(self._compared) + 1))
        compared[:, 1:] = impacts.take(self._compared, axis=1)
        compared[:, 0] = bounds
        compared.sort(axis=1)
        told_apart: NDArray[np.bool_] = np.minimum.reduce(compared[:, 1:] - compared[:, :-1], axis=1) > UNSURE
        return told_apart
