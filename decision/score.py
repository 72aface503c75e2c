"""The credit score: the probability of default on a scale that people read."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Self

from pydantic import Field, model_validator

from preprocessing.documents import Strict

_LOG_2 = math.log(2)


class ScoreScale(Strict):
    """Points-to-double-the-odds scaling.

    score = base_score + (points_to_double_odds / ln 2) · (ln((1 - PD) / PD) - ln(base_odds)), rounded and clipped;
    see N. Siddiqi, Credit Risk Scorecards (Wiley, 2006), chapter 6, "Scorecard scaling".

    Attributes:
        base_score: the score at `base_odds`.
        base_odds: good to bad, such as 30 for 30:1.
        points_to_double_odds: points by which twice as good odds raise the score.
        minimum: no score lies below.
        maximum: no score lies above.
    """

    base_score: Annotated[float, Field(gt=0, le=1e6)]
    base_odds: Annotated[float, Field(gt=0, le=1e6)]
    points_to_double_odds: Annotated[float, Field(gt=0, le=1e6)]
    minimum: int
    maximum: int

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum >= self.maximum:
            raise ValueError("minimum must lie below maximum; swap or correct them")
        return self

    @cached_property
    def _base_log_odds(self) -> float:
        return math.log(self.base_odds)

    def score(self, pd: float) -> int:
        """The score of a probability of default, 0 to 1; a higher PD never scores higher."""
        if pd <= 0 or pd >= 1:
            return self.maximum if pd <= 0 else self.minimum
        doublings = (math.log1p(-pd) - math.log(pd) - self._base_log_odds) / _LOG_2
        points = math.floor(self.base_score + self.points_to_double_odds * doublings + 0.5)
        return min(max(points, self.minimum), self.maximum)
