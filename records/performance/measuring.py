"""Figures of a model, month by month and of all months together; what can't be told is NaN."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from records.figures.ranking import auc, brier, gini, kolmogorov_smirnov
from records.figures.statistics import Estimate, Floats, plain, population_shift, share
from records.performance.cohorts import Cohort, Model, all_months
from scoring.distribution import FieldBins

BAND_ENDS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5)
"""Between bands of the PD: the same for each model, policy and month, so that they can be compared."""

SURE = 3.2905267314918945
"""Quantile of the normal distribution at 99.95%: an interval at 99.9%, for what watches many months every day."""


@dataclass(frozen=True, slots=True)
class Band:
    """Outcomes of loans whose PDs lie close together.

    Attributes:
        low: end of the PDs, included.
        high: the other, not included.
        outcomes: how many.
        defaulted: of them.
        expected: mean PD.
        observed: share that defaulted.
    """

    low: float
    high: float
    outcomes: int
    defaulted: int
    expected: float
    observed: Estimate


@dataclass(frozen=True, slots=True)
class Figures:
    """How a model fared in a time.

    Attributes:
        decisions: all of them.
        refused: of them.
        erased: of the others, those that can't be read.
        untold: those of which nothing is known.
        unmatured: those of which what is known is not final.
        outcomes: the rest: what follows is of these.
        defaulted: how many of them did.
        auc: see `records.figures.ranking`.
        gini: the same.
        ks: the same.
        brier: the same.
        observed: share that defaulted.
        observed_surely: the same, its interval at 99.9%.
        expected: mean PD.
        psi: of the PDs of all decisions that can be read, against those of the training data.
        bands: of those that have outcomes.
    """

    decisions: int
    refused: int
    erased: int
    untold: int
    unmatured: int
    outcomes: int
    defaulted: int
    auc: Estimate
    gini: Estimate
    ks: float
    brier: Estimate
    observed: Estimate
    observed_surely: Estimate
    expected: float
    psi: float
    bands: tuple[Band, ...]


@dataclass(frozen=True, slots=True)
class Performance:
    """How one model fared.

    Attributes:
        model: which.
        compared: whether its training data's distribution is in the archive, so that there can be a PSI.
        total: of all months together.
        months: each.
    """

    model: Model
    compared: bool
    total: Figures
    months: Mapping[str, Figures]

    def document(self) -> dict[str, Any]:
        """For JSON, which has no NaN: that is null."""
        return {
            "model": self.model.name,
            "version": self.model.version,
            "manifest": self.model.manifest or None,
            "total": plain(asdict(self.total)),
            "months": [{"month": month, **plain(asdict(figures))} for month, figures in self.months.items()],
        }


def measured(model: Model, months: Mapping[str, Cohort], trained: FieldBins | None) -> Performance:
    """Measure one model's months.

    Args:
        model: whose.
        months: its decisions.
        trained: PDs of its training data; None where that isn't known.
    """
    return Performance(
        model,
        trained is not None,
        figures(all_months(months.values()), trained),
        {month: figures(cohort, trained) for month, cohort in months.items()},
    )


def figures(cohort: Cohort, trained: FieldBins | None) -> Figures:
    """Figures of decisions, against the PDs of the training data where these are known."""
    pd, defaulted = cohort.outcomes
    area, bad = auc(pd, defaulted), int(defaulted.sum())
    return Figures(
        decisions=cohort.refused + cohort.erased + cohort.untold + cohort.unmatured + len(pd),
        refused=cohort.refused,
        erased=cohort.erased,
        untold=cohort.untold,
        unmatured=cohort.unmatured,
        outcomes=len(pd),
        defaulted=bad,
        auc=area,
        gini=gini(area),
        ks=kolmogorov_smirnov(pd, defaulted),
        brier=brier(pd, defaulted),
        observed=share(bad, len(pd)),
        observed_surely=share(bad, len(pd), SURE),
        expected=float(pd.mean()) if len(pd) else math.nan,
        psi=math.nan if trained is None else _psi(np.array(cohort.said, dtype=np.float64), trained),
        bands=tuple(_bands(pd, defaulted)),
    )


def _bands(pd: Floats, defaulted: NDArray[np.bool_]) -> Iterator[Band]:
    of_each = np.searchsorted(BAND_ENDS, pd, side="right")
    for number, (low, high) in enumerate(pairwise((0.0, *BAND_ENDS, 1.0))):
        inside = of_each == number
        outcomes, bad = int(inside.sum()), int(defaulted[inside].sum())
        if outcomes:
            yield Band(low, high, outcomes, bad, float(pd[inside].mean()), share(bad, outcomes))


def _psi(said: Floats, trained: FieldBins) -> float:
    # The training data's bins hold their upper ends.
    counts = np.bincount(np.searchsorted(trained.edges, said, side="left"), minlength=len(trained.edges) + 1)
    return population_shift(trained.expected, counts)
