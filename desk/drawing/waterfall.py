"""What moved the probability of default (PD): a bar for each field, on one scale of log-odds, where they add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from reporting.svg import Scale

LEAST_PD = 1e-6
"""A PD that lies nearer to 0 or 1 is drawn as if it lay here."""

MARGIN = 1.5
"""Share of the width, in percent, that is left free at either end."""

APART = 14.0
"""The same between two ticks, so that their texts don't touch on a telephone."""

_TICKS = (0.5, 0.1, 0.9, 0.01, 0.99, 0.2, 0.8, 0.05, 0.95, 0.001, 0.999, 0.02, 0.98, 0.0001, 0.9999)


@dataclass(frozen=True, slots=True)
class Step:
    """What one field did.

    Attributes:
        label: of the field.
        value: the applicant's own.
        impact: log-odds.
        begin: PD before it.
        end: PD with it.
    """

    label: str
    value: Any
    impact: float
    begin: float
    end: float


def waterfall(steps: Sequence[Step], pd: float, approve: float, reject: float) -> tuple[tuple[Markup, ...], Markup]:
    """A bar for each step, and the axis below them.

    Args:
        steps: in order, each beginning where the one before ended.
        pd: of the application, where the last one ends.
        approve: the policy's threshold.
        reject: the other one.
    """
    shown = [_inside(share) for step in steps for share in (step.begin, step.end)]
    shown += [_inside(pd), approve, reject]
    low, high = min(shown), max(shown)
    if low == high:
        low, high = low / 2, high + (1 - high) / 2
    scale = Scale(low, high, MARGIN, 100 - MARGIN, log_odds=True)
    lines = "".join(_line(scale(threshold), "threshold") for threshold in (approve, reject))
    return tuple(_bar(scale, step, lines) for step in steps), _axis(scale, (approve, reject))


def _inside(share: float) -> float:
    return min(max(share, LEAST_PD), 1 - LEAST_PD)


def _bar(scale: Scale, step: Step, lines: str) -> Markup:
    begin, end = scale(_inside(step.begin)), scale(_inside(step.end))
    left, width = min(begin, end), max(abs(end - begin), 0.4)
    kind = "raises" if step.impact > 0 else "lowers"
    bar = f'<rect class="{kind}" x="{left:.2f}%" y="5" width="{width:.2f}%" height="14" rx="2"/>'
    return _svg(lines + bar + _line(end, "link"), "bar")


def _axis(scale: Scale, thresholds: Sequence[float]) -> Markup:
    kept: list[tuple[float, str]] = []
    for share in (*thresholds, *_TICKS):
        place = scale(share)
        if scale.low <= share <= scale.high and all(abs(place - other) >= APART for other, _ in kept):
            kept.append((place, f"{share * 100:g}%"))
    texts = "".join(
        f'<text x="{place:.2f}%" y="14" text-anchor="{_anchor(place)}">{text}</text>' for place, text in kept
    )
    return _svg(texts, "axis")


def _anchor(place: float) -> str:
    return "start" if place < 8 else "end" if place > 92 else "middle"


def _line(place: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{place:.2f}%" y1="0" x2="{place:.2f}%" y2="100%"/>'


def _svg(parts: str, kind: str) -> Markup:
    return Markup(f'<svg class="drawn {kind}" aria-hidden="true" focusable="false">{parts}</svg>')  # noqa: S704  # numbers
