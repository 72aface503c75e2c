"""Plots of how a model fared, as SVG elements: see `reporting.svg`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from records.figures.statistics import Estimate
from records.performance.measuring import Band, Figures
from reporting.svg import HEIGHT, WIDTH, Drawing, Scale

FEW = 100
"""Of fewer outcomes a figure says little, and is drawn hollow."""

SHIFTED, SHIFTED_MUCH = 0.1, 0.25
"""PSIs from which a shift is called so (Siddiqi, "Credit Risk Scorecards", 2006)."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 48, WIDTH - 22, 40, HEIGHT - 44
_ROOM = 1.08
_NAMES = 6
"""Months that have room below an axis."""

Months = Mapping[str, Figures]


def rates_plot(months: Months) -> str | None:
    """Observed default rate with its interval, and the expected one; None where there are no outcomes."""
    known = {month: each for month, each in months.items() if each.outcomes}
    if not known:
        return None
    most = max(max(each.observed.high, each.expected) for each in known.values()) * _ROOM
    drawing = _by_month("Expected and observed default rate by month of decision", months, 0, most, "default rate")
    drawing.legend(("other", "expected"), ("model", "observed, 95%"))
    for place, each in _placed(months):
        if each.outcomes:
            _interval(drawing, place, each.observed, _kind(each))
            drawing.dot(place, each.expected, "other", 3)
    return drawing.svg()


def ranking_plot(months: Months) -> str | None:
    """AUC with its interval, and KS; None where no month has both kinds of outcomes."""
    known = [each for each in months.values() if not math.isnan(each.auc.value)]
    if not known:
        return None
    least = math.floor(min(0.4, *(min(each.auc.low, each.ks) for each in known)) * 10) / 10
    drawing = _by_month("AUC and KS by month of decision", months, least, 1, "AUC, KS")
    drawing.horizontal(0.5, "equal")
    drawing.legend(("other", "KS"), ("model", "AUC, 95%"))
    for place, each in _placed(months):
        if not math.isnan(each.auc.value):
            drawing.dot(place, each.ks, "other", 3)
            _interval(drawing, place, each.auc, _kind(each))
    return drawing.svg()


def shift_plot(months: Months) -> str | None:
    """PSI by month; None where there is none."""
    found = [each.psi for each in months.values() if not math.isnan(each.psi)]
    if not found:
        return None
    drawing = _by_month(
        "PSI of the PD against the training data by month of decision", months, 0, max(0.3, *found), "PSI of the PD"
    )
    drawing.horizontal(SHIFTED, "threshold", "shifted")
    drawing.horizontal(SHIFTED_MUCH, "threshold", "shifted much")
    for place, each in _placed(months):
        if not math.isnan(each.psi):
            drawing.dot(place, each.psi, "model")
    return drawing.svg()


def calibration_plot(bands: Sequence[Band]) -> str | None:
    """Observed default rate of each band against its mean PD, on log-odds axes; None where there are no outcomes."""
    if not bands:
        return None
    low = max(min(0.01, *(band.expected for band in bands)) / 2, 1e-3)
    high = min(max(0.2, *(max(band.observed.high, band.expected) for band in bands)) * 1.5, 1 - 1e-3)
    drawing = Drawing(
        "Observed default rate against mean PD by band",
        Scale(low, high, _LEFT, _RIGHT, log_odds=True),
        Scale(low, high, _BOTTOM, _TOP, log_odds=True),
    )
    drawing.axes("mean probability of default", "default rate")
    drawing.legend(("model", "observed, 95%"))
    drawing.line([(low, low), (high, high)], "equal")
    for band in bands:
        _interval(drawing, band.expected, band.observed, _kind(band))
    return drawing.svg()


def _by_month(title: str, months: Months, low: float, high: float, label: str) -> Drawing:
    names = list(months)
    step = math.ceil(len(names) / _NAMES)
    drawing = Drawing(
        title,
        Scale(-0.5, len(names) - 0.5, _LEFT, _RIGHT),
        Scale(low, high if high > low else low + 1, _BOTTOM, _TOP),
    )
    # Counted from the last, which is looked at first.
    drawing.axes(
        "month of decision", label, x_names={place: names[place] for place in range(len(names) - 1, -1, -step)}
    )
    return drawing


def _placed(months: Months) -> Iterator[tuple[int, Figures]]:
    return enumerate(months.values())


def _kind(each: Figures | Band) -> str:
    return "few" if each.outcomes < FEW else "model"


def _interval(drawing: Drawing, x: float, value: Estimate, kind: str) -> None:
    drawing.line([(x, value.low), (x, value.high)], kind)
    drawing.dot(x, value.value, kind)
