"""Applications drawn from the model's training distribution, as far as its bins tell, or from one far from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from preprocessing.fields import PD
from scoring.distribution import FieldBins, TrainingDistribution
from scoring.scorer import Scorer
from tests.applications import parse_application

Shares = Mapping[str, Sequence[float]]

RATIO = "loan_percent_income"
"""Follows from amount and income, so that it is weighted instead of drawn."""


class Drawing:
    """Draws applications, and tells how far any are from the training distribution."""

    def __init__(self, distribution: TrainingDistribution, scorer: Scorer) -> None:
        self.bins = distribution.bins
        self._scorer = scorer

    def unshifted(self, n: int, seed: int) -> list[dict[str, Any]]:
        """`n` applications whose every field, the PD among them, is spread over the bins like the training data.

        Fields are drawn by themselves from many times as many candidates, which are then weighted until the ratio and
        the PD have the right shares, too (iterative proportional fitting).
        """
        rng = np.random.default_rng(seed)
        candidates = self._independent(10 * n, rng, {})
        found = self.bin_numbers(candidates)
        weights = np.full(len(candidates), 1 / len(candidates))
        for _ in range(100):
            for bins in self.bins:
                target = [share * (1 - bins.missing) for share in bins.shares] + [bins.missing]
                actual = np.bincount(found[bins.field], weights, minlength=len(target))
                weights *= (np.array(target) / np.maximum(actual, 1e-12))[found[bins.field]]
        steps = (np.arange(n) + rng.random()) / n
        chosen = np.searchsorted(np.cumsum(weights) / weights.sum(), steps)
        return [candidates[i] for i in rng.permutation(chosen)]

    def shifted(self, n: int, seed: int) -> list[dict[str, Any]]:
        """`n` applications, four in five of which are in the bin of each field that training saw least."""
        shares = {}
        for bins in self.bins:
            rarest = np.eye(len(bins.shares))[int(np.argmin(bins.shares))]
            shares[bins.field] = (0.8 * rarest + 0.2 * np.array(bins.shares)).tolist()
        return self._independent(n, np.random.default_rng(seed), shares)

    def psi(self, applications: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Population stability index by field."""
        found = self.bin_numbers(applications)
        return {bins.field: _psi(bins, found[bins.field]) for bins in self.bins}

    def bin_numbers(self, applications: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[np.int64]]:
        """Which bin of each field the applications are in; a missing value is in one after the last."""
        parsed = [parse_application(application) for application in applications]
        pds = self._scorer.score(parsed).pd.tolist()
        rows = [{**one, PD: pd} for one, pd in zip(parsed, pds, strict=True)]
        return {bins.field: np.array([bins.place(row[bins.field]) for row in rows]) for bins in self.bins}

    def _independent(self, n: int, rng: np.random.Generator, shares: Shares) -> list[dict[str, Any]]:
        columns = {
            bins.field: _values(bins, n, rng, shares.get(bins.field, bins.shares))
            for bins in self.bins
            if bins.field not in {RATIO, PD}
        }
        rest = {"person_age": 40, "cb_person_cred_hist_length": 10}
        return [
            rest | {field: values[i] for field, values in columns.items() if values[i] is not None} for i in range(n)
        ]


def _values(bins: FieldBins, n: int, rng: np.random.Generator, shares: Sequence[float]) -> list[Any]:
    chosen = rng.choice(len(shares), n, p=np.array(shares) / np.sum(shares))
    if bins.categories:
        values = [bins.categories[i] for i in chosen]
    else:
        first, last = bins.edges[0], bins.edges[-1]
        edges = np.array([first * 0.6, *bins.edges, last * 1.4])
        low, high = edges[chosen], edges[chosen + 1]
        values = (high - rng.random(n) * (high - low)).tolist()  # an upper edge belongs to its bin, a lower one doesn't
    return [None if absent else value for value, absent in zip(values, rng.random(n) < bins.missing, strict=True)]


def _psi(bins: FieldBins, found: NDArray[np.int64]) -> float:
    counts = np.bincount(found, minlength=len(bins.shares))[: len(bins.shares)]
    actual, expected = np.maximum(counts / counts.sum(), 1e-4), np.maximum(bins.shares, 1e-4)
    return float(np.sum((actual - expected) * np.log(actual / expected)))
