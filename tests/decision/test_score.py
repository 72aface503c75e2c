"""The credit score's scale."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from decision.score import ScoreScale

SCALE = ScoreScale(base_score=600, base_odds=30, points_to_double_odds=20, minimum=300, maximum=850)


@pytest.mark.parametrize(
    ("good", "expected"),
    [(30, 600), (60, 620), (15, 580), (120, 640), (1, 502), (2**-12, 300), (2**30, 850)],
)
def test_twenty_points_double_the_odds_from_600_at_30_to_1(good: float, expected: int) -> None:
    assert expected == SCALE.score(1 / (1 + good))


@given(st.floats(0, 1))
def test_every_pd_has_a_score_within_the_range(pd: float) -> None:
    assert 300 <= SCALE.score(pd) <= 850


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_score_never_runs_with_the_pd(a: float, b: float) -> None:
    assert SCALE.score(min(a, b)) >= SCALE.score(max(a, b))


def test_certainty_is_clipped_and_not_an_error() -> None:
    assert (SCALE.score(0.0), SCALE.score(1.0)) == (850, 300)


def test_a_scale_upside_down_is_refused() -> None:
    with pytest.raises(ValidationError, match="minimum must lie below maximum"):
        ScoreScale(base_score=600, base_odds=30, points_to_double_odds=20, minimum=850, maximum=300)
