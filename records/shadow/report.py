"""A comparison as text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from records.shadow.comparing import OUTCOMES, Comparison
from records.shadow.statistics import Estimate

_UNKNOWN = "-"


def lines(comparison: Comparison) -> Iterator[str]:
    """What to print, a line each."""
    yield from ("", "answered by the champion (down), by the challenger (across)")
    number = {(swap.champion, swap.challenger): swap.decisions for swap in comparison.swaps}
    yield from _table(["", *OUTCOMES], [[one, *(str(number[one, two]) for two in OUTCOMES)] for one in OUTCOMES])
    yield f"same outcome: {_percent(comparison.agreed)}"
    yield ""
    yield from _table(
        ["share of decisions", "champion", "challenger", "difference"],
        [
            [rate.outcome, _percent(rate.champion), _percent(rate.challenger), _percent(rate.difference, signed=True)]
            for rate in comparison.rates
        ],
    )
    yield ""
    pd = comparison.pd
    rows = [["mean", _value(pd.champion), _value(pd.challenger), _value(pd.difference, signed=True)]]
    rows += [
        [f"{at:.0%} lie below", f"{one:.4f}", f"{two:.4f}", f"{between:+.4f}"] for at, one, two, between in pd.quantiles
    ]
    yield from _table(["probability of default", "champion", "challenger", "difference"], rows)
    yield f"population stability index: {_number(pd.stability_index)}"
    yield ""
    yield from _of_reasons(comparison)
    yield ""
    yield from _of_performance(comparison)


def _of_reasons(comparison: Comparison) -> Iterator[str]:
    reasons = comparison.reasons
    yield (
        f"approved by neither: {reasons.decisions}; the same reasons {reasons.same_set}, in the same order "
        f"{reasons.same}, the same one first {reasons.same_first}"
    )
    if reasons.by_code:
        rows = [[code, str(one), str(two), f"{two - one:+}"] for code, (one, two) in reasons.by_code.items()]
        yield from _table(["reason", "champion", "challenger", "difference"], rows)


def _of_performance(comparison: Comparison) -> Iterator[str]:
    performance = comparison.performance
    known, defaulted, unknown = performance.known, performance.defaulted, performance.unknown
    yield f"outcomes known: {known}, {defaulted} of them defaults; unknown: {unknown}"
    if not performance.known:
        return
    one, two = performance.expected
    rows = [
        ["AUC", *map(_value, performance.auc[:2]), _value(performance.auc[2], signed=True)],
        ["Brier score", *map(_value, performance.brier[:2]), _value(performance.brier[2], signed=True)],
        ["expected defaults, mean", _value(one), _value(two), ""],
    ]
    yield from _table(["where they are known", "champion", "challenger", "difference"], rows)
    yield ""
    rows = [
        [swap.champion, swap.challenger, str(swap.decisions), str(swap.known), _percent(swap.default_rate)]
        for swap in comparison.swaps
        if swap.decisions
    ]
    yield from _table(["champion", "challenger", "decisions", "known", "default rate"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        first, *others = (
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join((first, *others)).rstrip()


def _number(value: float, *, signed: bool = False) -> str:
    return _UNKNOWN if math.isnan(value) else f"{value:{'+' if signed else ''}.4f}"


def _value(estimate: Estimate, *, signed: bool = False) -> str:
    if math.isnan(estimate.value):
        return _UNKNOWN
    value, low, high = (_number(each, signed=signed) for each in estimate)
    return f"{value} [{low}, {high}]"


def _percent(estimate: Estimate, *, signed: bool = False) -> str:
    if math.isnan(estimate.value):
        return _UNKNOWN
    value, low, high = (f"{each:{'+' if signed else ''}.2%}" for each in estimate)
    return f"{value} [{low}, {high}]"
