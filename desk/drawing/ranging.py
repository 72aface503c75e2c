"""The decision along a number's range: the probability of default (PD) above, what is decided below."""

from __future__ import annotations

from itertools import pairwise

from markupsafe import Markup

from decision import Policy
from desk.drawing.waterfall import LEAST_PD
from desk.rendering import plain
from engine import Along
from reporting.svg import Scale

TOP, BOTTOM = 8.0, 112.0
"""Of the curve, in pixels; the strip stands below it."""

STRIP = 20
ROOM = 6.0
"""Share of the width, in percent, in which an outcome's first letter has room: colour alone does not tell everybody."""

WIDTH = 1000
"""Of the curve's own units, stretched to whatever the screen has."""


def ranged(found: Along, policy: Policy, value: float, span: tuple[float, float]) -> Markup:
    """A drawing of a part of the range.

    Args:
        found: along the whole of it.
        policy: whose thresholds are drawn.
        value: the application's own.
        span: the part.
    """
    low, high = span
    x = Scale(low, high, 0, 100)
    thresholds = (policy.thresholds.approve_below, policy.thresholds.reject_from)
    steps = _within(found, low, high)
    pds = [min(max(pd, LEAST_PD), 1 - LEAST_PD) for _, _, pd in steps]
    y = Scale(min(*pds, thresholds[0] / 2), max(*pds, _of_twice_the_odds(thresholds[1])), BOTTOM, TOP, log_odds=True)
    parts = [
        f'<line class="threshold" x1="0" x2="100%" y1="{y(each):.1f}" y2="{y(each):.1f}"/>'
        f'<text x="0" y="{y(each) - 3:.1f}">{each * 100:g}%</text>'
        for each in thresholds
    ]
    across = Scale(low, high, 0, WIDTH)
    way = " ".join(
        f"{'L' if i else 'M'}{across(begin):.1f} {y(pd):.1f} H{across(end):.1f}"
        for i, ((begin, end, _), pd) in enumerate(zip(steps, pds, strict=True))
    )
    parts.append(
        f'<svg viewBox="0 0 {WIDTH} {BOTTOM:g}" width="100%" height="{BOTTOM:g}" preserveAspectRatio="none">'
        f'<path class="curve" d="{way}"/></svg>'
    )
    for stretch in found.stretches:
        left, right = x(stretch.low), x(stretch.high)
        if stretch.high >= low and stretch.low <= high:
            parts.append(
                f'<rect class="of-{stretch.outcome.value}" x="{left:.2f}%" y="{BOTTOM + 6:g}" '
                f'width="{max(right - left, 0.3):.2f}%" height="{STRIP}"/>'
            )
            if right - left >= ROOM:
                parts.append(
                    f'<text class="on" x="{left + 1:.2f}%" y="{BOTTOM + 20:g}">{stretch.outcome.value[0]}</text>'
                )
    place, bottom = x(value), BOTTOM + STRIP + 10
    parts.append(f'<line class="mark" x1="{place:.2f}%" x2="{place:.2f}%" y1="0" y2="{bottom:g}"/>')
    parts += [
        f'<text x="{where}" y="{bottom + 14:g}" text-anchor="{anchor}">{plain(each, 2)}</text>'
        for where, anchor, each in (("0", "start", low), ("100%", "end", high))
    ]
    drawn = "".join(parts)
    return Markup(f'<svg class="drawn ranged" aria-hidden="true" focusable="false">{drawn}</svg>')  # noqa: S704  # numbers


def _within(found: Along, low: float, high: float) -> list[tuple[float, float, float]]:
    """From where to where which PD holds, in a part of the range."""
    ends = [*found.steps, (high, 0.0)]
    return [(max(a, low), min(b, high), pd) for (a, pd), (b, _) in pairwise(ends) if b > low and a < high]


def _of_twice_the_odds(share: float) -> float:
    return 2 * share / (1 + share)
