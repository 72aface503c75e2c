"""The score on its scale, among the bands that the policy's thresholds make of it."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from decision import Outcome, Policy
from reporting.svg import Scale

MARGIN = 1.0


@dataclass(frozen=True, slots=True)
class Band:
    """What the score alone brings between two of its values.

    Attributes:
        outcome: that it brings.
        low: the least score.
        high: the greatest.
    """

    outcome: str
    low: int
    high: int


def bands(policy: Policy) -> tuple[Band, ...]:
    """From the worst to the best; where rounding puts one score into two of them, both name it."""
    least, greatest = policy.score.minimum, policy.score.maximum
    reject, approve = (
        policy.score.score(pd) for pd in (policy.thresholds.reject_from, policy.thresholds.approve_below)
    )
    return (
        Band(Outcome.REJECT.value, least, reject),
        Band(Outcome.CONDITIONAL_APPROVAL.value, reject, approve),
        Band(Outcome.APPROVE.value, approve, greatest),
    )


def score_bar(policy: Policy, score: int) -> Markup:
    """The bands side by side, and a mark at a score."""
    scale = Scale(policy.score.minimum, policy.score.maximum, MARGIN, 100 - MARGIN)
    parts = []
    for band in bands(policy):
        left, right = scale(band.low), scale(band.high)
        kind = f"of-{band.outcome}"
        parts.append(f'<rect class="{kind}" x="{left:.2f}%" y="26" width="{right - left:.2f}%" height="18"/>')
    place = scale(score)
    anchor = "start" if place < 15 else "end" if place > 85 else "middle"
    parts.append(f'<text class="mark" x="{place:.2f}%" y="14" text-anchor="{anchor}">{score}</text>')
    parts.append(f'<line class="mark" x1="{place:.2f}%" y1="19" x2="{place:.2f}%" y2="50"/>')
    drawn = "".join(parts)
    return Markup(f'<svg class="drawn score" aria-hidden="true" focusable="false">{drawn}</svg>')  # noqa: S704  # numbers
