"""The model card's plots, as PNG bytes. They are illustration: no digest is promised of them."""

from __future__ import annotations

import io
from collections.abc import Mapping

from matplotlib.figure import Figure

from training.evaluation import Spread
from training.metrics import Labels, Probabilities, equal_mass_bins

CALIBRATION_PLOT = "calibration.png"
IMPORTANCE_PLOT = "importance.png"

_BINS = 20
_DPI = 120


def calibration_plot(labels: Labels, pd: Probabilities) -> bytes:
    """Default rate against mean PD of equal-mass bins.

    Args:
        labels: 1 where the loan defaulted, shape (n,).
        pd: out-of-fold probabilities of default, shape (n,).
    """
    bins = equal_mass_bins(pd, _BINS)
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="perfect")
    axes.plot(
        [pd[rows].mean() for rows in bins], [labels[rows].mean() for rows in bins], marker="o", label="out of fold"
    )
    axes.set(
        title=f"Calibration, {len(bins)} bins of equal mass",
        xlabel="mean probability of default",
        ylabel="default rate",
        xlim=(0, 1),
        ylim=(0, 1),
        aspect="equal",
    )
    axes.legend(loc="upper left")
    return _png(figure)


def importance_plot(importance: Mapping[str, Spread]) -> bytes:
    """Loss of AUC per field when it is shuffled, with the standard deviation over folds.

    Args:
        importance: field to its spread, most important first.
    """
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.barh(
        list(importance), [spread.mean for spread in importance.values()],
        xerr=[spread.sd for spread in importance.values()],
    )  # fmt: skip
    axes.invert_yaxis()
    axes.set(title="Importance by field, out of fold", xlabel="ROC AUC lost when the field is shuffled")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()
