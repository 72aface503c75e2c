"""How good probabilities of default are: ranking, calibration, and both at once.

Labels are 1 where the loan defaulted and PDs are probabilities of default, both of shape (n,).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score, roc_curve

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float64]

CALIBRATION_BINS = 10


class Metrics(NamedTuple):
    """What one set of PDs achieves.

    Attributes:
        roc_auc: probability that a defaulter's PD exceeds a repayer's.
        pr_auc: average precision with default as the positive class.
        ks: see `kolmogorov_smirnov`.
        gini: 2 AUC - 1.
        brier: mean squared error of the PD.
        log_loss: mean negative log-likelihood, in nats.
        ece: see `expected_calibration_error`.
    """

    roc_auc: float
    pr_auc: float
    ks: float
    gini: float
    brier: float
    log_loss: float
    ece: float


NAMES: dict[str, str] = {
    "roc_auc": "ROC AUC",
    "pr_auc": "PR-AUC",
    "ks": "KS",
    "gini": "Gini",
    "brier": "Brier",
    "log_loss": "log loss",
    "ece": "ECE",
}
"""Attribute of `Metrics` to the name that a reader knows it by."""


def measure(labels: Labels, pd: Probabilities) -> Metrics:
    """All metrics of one set of PDs; both labels must occur."""
    auc = float(roc_auc_score(labels, pd))
    return Metrics(
        roc_auc=auc,
        pr_auc=float(average_precision_score(labels, pd)),
        ks=kolmogorov_smirnov(labels, pd),
        gini=2 * auc - 1,
        brier=float(brier_score_loss(labels, pd)),
        log_loss=float(log_loss(labels, pd)),
        ece=expected_calibration_error(labels, pd),
    )


def kolmogorov_smirnov(labels: Labels, pd: Probabilities) -> float:
    """The largest gap between the PD's cumulative distributions among repayers and among defaulters.

    The two-sample Kolmogorov-Smirnov statistic, read off the ROC curve as max |TPR - FPR| (Thomas, Edelman and Crook,
    "Credit Scoring and Its Applications", 2002, chapter 7).
    """
    false_positive_rate, true_positive_rate, _ = roc_curve(labels, pd)
    return float(np.abs(true_positive_rate - false_positive_rate).max())


def expected_calibration_error(labels: Labels, pd: Probabilities, bins: int = CALIBRATION_BINS) -> float:
    """The mean over rows of |mean PD - default rate| of the row's bin.

    Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015, but with
    bins of equal mass, since most PDs lie near 0 and bins of equal width would be nearly empty. Noise alone makes it
    positive: a perfectly calibrated model on a fold of 6,500 rows has .006 on average.
    """
    return sum(
        len(rows) / len(labels) * abs(float(labels[rows].mean()) - float(pd[rows].mean()))
        for rows in equal_mass_bins(pd, bins)
    )


def equal_mass_bins(pd: Probabilities, bins: int) -> list[NDArray[np.intp]]:
    """The rows of each bin when PDs are sorted and cut into `bins` parts of equal size, lowest PDs first."""
    return [rows for rows in np.array_split(np.argsort(pd, kind="stable"), bins) if len(rows)]
