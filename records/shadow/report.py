"""A comparison as text."""

from __future__ import annotations

from collections.abc import Iterator

from records.figures.texts import estimate, number, percent, table
from records.shadow.comparing import OUTCOMES, Comparison


def lines(comparison: Comparison) -> Iterator[str]:
    """What to print, a line each."""
    yield from ("", "answered by the champion (down), by the challenger (across)")
    counts = {(swap.champion, swap.challenger): swap.decisions for swap in comparison.swaps}
    yield from table(["", *OUTCOMES], [[one, *(str(counts[one, two]) for two in OUTCOMES)] for one in OUTCOMES])
    yield f"same outcome: {percent(comparison.agreed)}"
    yield ""
    yield from table(
        ["share of decisions", "champion", "challenger", "difference"],
        [
            [rate.outcome, percent(rate.champion), percent(rate.challenger), percent(rate.difference, signed=True)]
            for rate in comparison.rates
        ],
    )
    yield ""
    pd = comparison.pd
    rows = [["mean", estimate(pd.champion), estimate(pd.challenger), estimate(pd.difference, signed=True)]]
    rows += [
        [f"{at:.0%} lie below", f"{one:.4f}", f"{two:.4f}", f"{between:+.4f}"] for at, one, two, between in pd.quantiles
    ]
    yield from table(["probability of default", "champion", "challenger", "difference"], rows)
    yield f"population stability index: {number(pd.stability_index)}"
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
        yield from table(["reason", "champion", "challenger", "difference"], rows)


def _of_performance(comparison: Comparison) -> Iterator[str]:
    performance = comparison.performance
    known, defaulted, unknown = performance.known, performance.defaulted, performance.unknown
    yield f"outcomes known: {known}, {defaulted} of them defaults; unknown: {unknown}"
    if not performance.known:
        return
    one, two = performance.expected
    rows = [
        ["AUC", *map(estimate, performance.auc[:2]), estimate(performance.auc[2], signed=True)],
        ["Brier score", *map(estimate, performance.brier[:2]), estimate(performance.brier[2], signed=True)],
        ["expected defaults, mean", estimate(one), estimate(two), ""],
    ]
    yield from table(["where they are known", "champion", "challenger", "difference"], rows)
    yield ""
    rows = [
        [swap.champion, swap.challenger, str(swap.decisions), str(swap.known), percent(swap.default_rate)]
        for swap in comparison.swaps
        if swap.decisions
    ]
    yield from table(["champion", "challenger", "decisions", "known", "default rate"], rows)
