"""Plots of a comparison, as SVG elements: see `reporting.svg`. A's marks are filled, B's are rings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from portfolio.comparing.comparison import Comparison, Floats
from portfolio.comparing.report import approvals, group_name
from portfolio.comparing.tally import PD_CENTRES
from records.figures.statistics import Estimate
from reporting.svg import HEIGHT, WIDTH, Drawing, Scale

_NAMES, _RIGHT, _TOP, _BELOW = 210, WIDTH - 24, 34, 46
_LEFT = 48
_ROW = 26
_LONGEST = 24
"""Letters of a name that have room; the table beside the plot has all."""
_ROOM = 1.06
_BESIDE = 0.17
"""Of a row, between its middle and an interval of each of the two."""
_MOST_POINTS = 200
_LEAST_SHARE = 0.02
"""Of applications: a bad rate of fewer jumps about."""


class Row(NamedTuple):
    """Values of the two that belong together; NaN where there is none.

    Attributes:
        name: of the row.
        a: A's.
        b: B's.
        interval_a: of A's, where it has one.
        interval_b: the same of B's.
    """

    name: str
    a: float
    b: float
    interval_a: Estimate | None = None
    interval_b: Estimate | None = None


def decisions_plot(comparison: Comparison) -> str | None:
    """Shares of the decisions."""
    rows = [Row(each.outcome.replace("_", " ").lower(), each.a.share, each.b.share) for each in comparison.given]
    return pairs_plot("Share of each decision, by A and by B", "share of applications", rows)


def approved_plot(comparison: Comparison) -> str | None:
    """Shares approved without conditions, by group."""
    rows = [Row(group_name(g.grouping, g.name), g.a.share, g.b.share) for g in comparison.groups]
    return pairs_plot("Share approved by group, by A and by B", "share approved without conditions", rows)


def bad_plot(comparison: Comparison) -> str | None:
    """Bad rate of those approved, by group: observed where there are outcomes, else expected."""
    if comparison.known:
        rows = [
            Row(group_name(g.grouping, g.name), g.a.observed_bad.value, g.b.observed_bad.value,
                g.a.observed_bad, g.b.observed_bad)
            for g in comparison.groups
        ]  # fmt: skip
        return pairs_plot("Observed bad rate of those approved, by group", "observed bad rate of approved, 95%", rows)
    rows = [Row(group_name(g.grouping, g.name), g.a.expected_bad, g.b.expected_bad) for g in comparison.groups]
    return pairs_plot("Expected bad rate of those approved, by group", "expected bad rate of approved", rows)


def rules_plot(comparison: Comparison) -> str | None:
    """Applications that each rule decides alone."""
    of_a, of_b = ({use.id: float(use.alone) for use in uses} for uses in comparison.rules)
    rows = [Row(rule, of_a.get(rule, math.nan), of_b.get(rule, math.nan)) for rule in dict.fromkeys([*of_a, *of_b])
            if of_a.get(rule) or of_b.get(rule)]  # fmt: skip
    return pairs_plot("Applications that each rule decides alone, by A and by B", "decided by the rule alone", rows)


def pairs_plot(title: str, label: str, rows: Sequence[Row]) -> str | None:
    """Values of the two side by side, a row each; None where there are none."""
    known = [row for row in rows if not (math.isnan(row.a) and math.isnan(row.b))]
    most = max((end for row in known for end in _ends(row)), default=0)
    if not most:
        return None
    bottom = _TOP + _ROW * len(known)
    drawing = Drawing(
        title,
        Scale(0, most * _ROOM, _NAMES, _RIGHT),
        Scale(len(known) - 0.5, -0.5, bottom, _TOP),
        height=bottom + _BELOW,
    )
    drawing.axes(label, y_ticks=False)
    drawing.legend(("model", "A"), ("ring", "B"))
    for place, row in enumerate(known):
        drawing.text(_NAMES - 8, drawing.y(place) + 4, _cut(row.name), anchor="end")
        if row.interval_a is None and not (math.isnan(row.a) or math.isnan(row.b)):
            drawing.line([(row.a, place), (row.b, place)], "axis")
        for value, interval, kind, radius, beside in (
            (row.a, row.interval_a, "model", 4, -_BESIDE),
            (row.b, row.interval_b, "ring", 5, _BESIDE),
        ):
            if math.isnan(value):
                continue
            at = place if interval is None else place + beside
            if interval is not None:
                drawing.line([(interval.low, at), (interval.high, at)], kind)
            drawing.dot(value, at, kind, radius)
    return drawing.svg()


def tradeoff_plot(comparison: Comparison) -> str | None:
    """The bad rate of the best by PD, the more of them are approved; where A and B stand on it.

    Observed where there are outcomes, else expected. What rules decide is not in the curves, but in the marks.
    """
    observed = comparison.known > 0
    curves = [_curve(comparison, side, observed=observed) for side in ((0,) if comparison.same_model else (0, 1))]
    marks = [
        (of.share, of.observed_bad.value if observed else of.expected_bad, kind, radius)
        for of, kind, radius in zip(approvals(comparison), ("model", "ring"), (4, 5), strict=True)
    ]
    marks = [mark for mark in marks if not math.isnan(mark[1])]
    most = max([y for curve in curves for _, y in curve] + [mark[1] for mark in marks], default=0)
    if not most or not any(curves):
        return None
    which = "observed" if observed else "expected"
    drawing = Drawing(
        f"{which.capitalize()} bad rate by share approved",
        Scale(0, 1, _LEFT, _RIGHT),
        Scale(0, most * _ROOM, HEIGHT - _BELOW, _TOP + 6),
    )
    drawing.axes("share approved, lowest PD first", f"{which} bad rate")
    drawing.legend(("model", "A"), ("ring", "B"))
    for curve, kind in zip(curves, ("axis",) if comparison.same_model else ("model", "other"), strict=True):
        if curve:
            drawing.line(curve, kind)
    for x, y, kind, radius in marks:
        drawing.dot(x, y, kind, radius)
    return drawing.svg()


def _curve(comparison: Comparison, side: int, *, observed: bool) -> list[tuple[float, float]]:
    counts: Floats = comparison.binned[side].astype(np.float64)
    applications = counts[:, 0].cumsum()
    of, bad = (counts[:, 1], counts[:, 2]) if observed else (counts[:, 0], counts[:, 0] * PD_CENTRES)
    share = applications / applications[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = bad.cumsum() / of.cumsum()
    places = np.flatnonzero((counts[:, 0] > 0) & (share >= _LEAST_SHARE) & np.isfinite(rate))
    step = max(1, math.ceil(len(places) / _MOST_POINTS))
    return [(float(share[i]), float(rate[i])) for i in [*places[::step][:-1], *places[-1:]]]


def _ends(row: Row) -> list[float]:
    values = [row.a, row.b, *(each.high for each in (row.interval_a, row.interval_b) if each is not None)]
    return [value for value in values if not math.isnan(value)]


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
