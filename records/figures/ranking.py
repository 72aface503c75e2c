"""How well PDs part defaults from the rest, and how far they are off."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from records.figures.statistics import Estimate, Floats, auc_pair, mean


def auc(pd: Floats, defaulted: NDArray[np.bool_]) -> Estimate:
    """Area under the ROC curve (DeLong's interval); NaN of fewer than two defaults or two others."""
    return auc_pair(pd, pd, defaulted)[0]


def gini(area: Estimate) -> Estimate:
    """2 AUC - 1."""
    return Estimate(*(2 * each - 1 for each in area))


def kolmogorov_smirnov(pd: Floats, defaulted: NDArray[np.bool_]) -> float:
    """The largest gap between the PD's cumulative distributions among defaults and among the rest.

    The two-sample Kolmogorov-Smirnov statistic (Thomas, Edelman and Crook, "Credit Scoring and Its Applications", 2002,
    chapter 7). NaN where only one of the two occurs.
    """
    bad = int(defaulted.sum())
    good = len(defaulted) - bad
    if min(bad, good) == 0:
        return math.nan
    order = np.argsort(pd)
    of_bad = np.cumsum(defaulted[order]) / bad
    of_good = np.cumsum(~defaulted[order]) / good
    last = np.flatnonzero(np.diff(pd[order], append=np.inf))  # equal PDs are passed together
    return float(np.abs(of_bad - of_good)[last].max())


def brier(pd: Floats, defaulted: NDArray[np.bool_]) -> Estimate:
    """Mean squared error of the PDs (Brier, "Verification of forecasts expressed in terms of probability", 1950)."""
    return mean((pd - defaulted) ** 2)
