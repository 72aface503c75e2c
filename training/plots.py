"""The report's plots, as SVG elements: see `reporting.svg`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from decision import Policy
from reporting.svg import HEIGHT, WIDTH, Drawing, Scale
from training.evaluation import Spread
from training.metrics import Labels, Probabilities, equal_mass_bins
from training.report.alternatives import Search
from training.report.approvals import FOUR_FIFTHS, Approvals
from training.report.resampling import wilson

CALIBRATION_PLOT = "calibration.svg"
IMPORTANCE_PLOT = "importance.svg"
APPROVALS_PLOT = "approvals.svg"
ALTERNATIVES_PLOT = "alternatives.svg"
PLOTS = (CALIBRATION_PLOT, IMPORTANCE_PLOT, APPROVALS_PLOT, ALTERNATIVES_PLOT)

BINS = 20

_LEFT, _RIGHT, _TOP, _BOTTOM = 48, WIDTH - 12, 26, HEIGHT - 44
_LETTER, _CAPITAL = 7.6, 9.6
_ROW, _LINE = 22, 16
_NUMBER = 14  # pixels that a number takes: those that would lie on one another stand as one range


def calibration_plot(labels: Labels, pd: Probabilities, policy: Policy) -> str:
    """Default rate against mean PD of equal-mass bins, on log-odds axes.

    Args:
        labels: 1 where the loan defaulted, shape (n,).
        pd: out-of-fold probabilities of default, shape (n,).
        policy: whose thresholds are drawn.
    """
    bins = [(float(pd[rows].mean()), int(labels[rows].sum()), len(rows)) for rows in equal_mass_bins(pd, BINS)]
    least = min(0.01, *(mean for mean, _, _ in bins), 1 - max(mean for mean, _, _ in bins))
    low, high = max(least / 2, 1e-4), 1 - max(least / 2, 1e-4)
    drawing = Drawing(
        f"Default rate against mean PD in {len(bins)} bins of equal mass",
        Scale(low, high, _LEFT, _RIGHT, log_odds=True),
        Scale(low, high, _BOTTOM, _TOP + _LINE, log_odds=True),  # thresholds are named below what the axis is
    )
    drawing.axes("mean probability of default", "default rate")
    drawing.line([(low, low), (high, high)], "equal")
    thresholds = policy.thresholds
    drawing.vertical(thresholds.approve_below, "threshold", f"approve below {thresholds.approve_below:g}", left=True)
    if thresholds.reject_from > thresholds.approve_below:
        drawing.vertical(thresholds.reject_from, "threshold", f"reject from {thresholds.reject_from:g}")
    for mean, defaults, rows in bins:
        drawing.line([(mean, end) for end in wilson(defaults, rows)], "model")
        drawing.dot(mean, defaults / rows, "model")
    return drawing.svg()


def importance_plot(importance: Mapping[str, Spread]) -> str:
    """Loss of AUC per field when it is shuffled, with the standard deviation over folds.

    Args:
        importance: field to its spread, most important first.
    """
    ends = [(spread.mean - spread.sd, spread.mean + spread.sd) for spread in importance.values()]
    drawing = _listing(
        "Importance by field, out of fold",
        list(importance),
        min(0.0, *(low for low, _ in ends)),
        max(0.001, *(high for _, high in ends)) * 1.05,
        "loss of ROC AUC",
    )
    for row, (spread, whisker) in enumerate(zip(importance.values(), ends, strict=True)):
        drawing.bar(spread.mean, row, "quiet")
        drawing.line([(end, row) for end in whisker], "model")
        drawing.dot(spread.mean, row, "model", 2.5)
    return drawing.svg()


def approvals_plot(approvals: Sequence[Approvals]) -> str:
    """Each group's approval rate over the highest, with its interval."""
    groups = [(f"{by.title}: {group.name}", group) for by in approvals for group in by.groups]
    ratios = [group.ratio for _, group in groups]
    low = min([0.7, *(ratio.low - 0.02 for ratio in ratios)])
    high = max([1.05, *(ratio.high + 0.02 for ratio in ratios)])
    drawing = _listing(
        "Ratio of approval rates, by group", [name for name, _ in groups], low, high, "ratio of approval rates"
    )
    drawing.vertical(FOUR_FIFTHS, "threshold", "four fifths")
    for row, (_, group) in enumerate(groups):
        kind = "few" if group.few else "model"
        drawing.line([(group.ratio.low, row), (group.ratio.high, row)], kind)
        drawing.dot(group.ratio.value, row, kind)
    return drawing.svg()


def alternatives_plot(search: Search) -> str:
    """AUC against the lowest ratio of approval rates; the front is numbered as in its table, where there is room."""
    every = search.every
    aucs, ratios = [model.roc_auc for model in every], [model.lowest for model in every]
    drawing = Drawing(
        "ROC AUC against the lowest ratio of approval rates, model by model",
        Scale(*_room(ratios), _LEFT, _RIGHT),
        Scale(*_room(aucs), _BOTTOM, _TOP),
    )
    drawing.axes("lowest ratio of approval rates", "ROC AUC")
    if drawing.x.low <= FOUR_FIFTHS <= drawing.x.high:
        drawing.vertical(FOUR_FIFTHS, "threshold", "four fifths")
    drawing.line([(model.lowest, model.roc_auc) for model in search.front], "equal")
    for model in every:
        drawing.dot(model.lowest, model.roc_auc, "quiet", 3)
    places = [(drawing.x(model.lowest), drawing.y(model.roc_auc)) for model in search.front]
    for model in search.front:
        drawing.dot(model.lowest, model.roc_auc, "other", 3)
    for first, last in runs(places, _NUMBER):
        x = (places[first][0] + places[last][0]) / 2
        y = min(y for _, y in places[first : last + 1])
        drawing.text(x, y - 9, f"{first + 1}" if first == last else f"{first + 1}-{last + 1}", anchor="middle")
    drawing.dot(search.shipped.lowest, search.shipped.roc_auc, "model", 5.5)
    return drawing.svg()


def runs(places: Sequence[tuple[float, float]], apart: float) -> list[tuple[int, int]]:
    """First and last of each run of places that lie less than so many pixels from the one before."""
    made: list[tuple[int, int]] = []
    for i, (x, y) in enumerate(places):
        if i and abs(x - places[i - 1][0]) < apart and abs(y - places[i - 1][1]) < apart:
            made[-1] = (made[-1][0], i)
        else:
            made.append((i, i))
    return made


def _width(text: str) -> float:
    return sum(_CAPITAL if letter.isupper() else _LETTER for letter in text)


def _cut(name: str, room: float) -> str:
    if _width(name) <= room:
        return name
    kept = name
    while kept and _width(kept) > room - _CAPITAL:
        kept = kept[:-1]
    return f"{kept}…"


def _listing(title: str, names: Sequence[str], low: float, high: float, label: str) -> Drawing:
    """A drawing with a row for each name, the first on top."""
    # As wide as the names, within half of the picture.
    left = min(12 + max(map(_width, names), default=0), WIDTH / 2)
    height = _TOP + _ROW * len(names) + 44
    rows = Scale(len(names) - 0.5, -0.5, height - 44, _TOP)
    drawing = Drawing(title, Scale(low, high, left, _RIGHT), rows, height)
    drawing.axes(label, y_ticks=False)
    for row, name in enumerate(names):
        drawing.text(left - 6, drawing.y(row) + 4, _cut(name, left - 12 + 1e-9), anchor="end")
    return drawing


def _room(values: Sequence[float]) -> tuple[float, float]:
    """The ends of a scale on which all values have some room."""
    low, high = min(values), max(values)
    room = max((high - low) * 0.08, 0.002)
    return low - room, high + room
