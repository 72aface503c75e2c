"""From the ensemble's own log-odds, its margin, to calibrated ones: an increasing, piecewise linear function.

Being increasing it keeps the order of applicants, and the directions of fields. It is learned out of fold (see
`training.calibration`), and makes a probability of default mean what it says.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from preprocessing.documents import Strict

Slope = Annotated[float, Field(gt=0, le=100)]
LogOdds = Annotated[float, Field(ge=-100, le=100)]


class _Segments(NamedTuple):
    """Of each segment, the lowest first: a point on it, its slope, and what it must not exceed."""

    at: NDArray[np.float64]
    value: NDArray[np.float64]
    slope: NDArray[np.float64]
    most: NDArray[np.float64]


class Calibration(Strict):
    """`calibration.json`.

    Attributes:
        format: of the file.
        knots: margins where the slope changes, rising.
        values: calibrated log-odds there, rising.
        slope_below: of the function below the first knot.
        slope_above: the same above the last.
    """

    format: Literal[1]
    knots: Annotated[list[LogOdds], Field(min_length=1, max_length=100)]
    values: list[LogOdds]
    slope_below: Slope
    slope_above: Slope

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if len(self.values) != len(self.knots):
            raise ValueError("there is one value for each knot")
        for what, numbers in (("knots", self.knots), ("values", self.values)):
            if any(low >= high for low, high in pairwise(numbers)):
                raise ValueError(f"{what} must rise, or a lower margin could get a higher probability of default")
        if not np.isfinite(self._segments.slope).all():
            raise ValueError("knots lie so close that the slope between them is no number; move them apart")
        return self

    @cached_property
    def _segments(self) -> _Segments:
        knots, values = np.array(self.knots), np.array(self.values)
        with np.errstate(over="ignore"):  # refused when it was read
            within = np.diff(values) / np.diff(knots)
        return _Segments(
            at=np.append(knots[:1], knots),
            value=np.append(values[:1], values),
            slope=np.concatenate([[self.slope_below], within, [self.slope_above]]),
            most=np.append(values, np.inf),
        )

    def apply(self, margins: NDArray[np.float64]) -> NDArray[np.float64]:
        """Margins to calibrated log-odds of the same shape, each by itself; never falling, in floating point too."""
        at, value, slope, most = self._segments
        segment = at[1:].searchsorted(margins, side="right")
        found = slope.take(segment) * (margins - at.take(segment))
        # Rounding could lift the end of a segment above the beginning of the next.
        return np.asarray(np.minimum(value.take(segment) + found, most.take(segment)))

    def stretch(self, start: float, ends: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean slope between a margin and others: what a change of the margin between them is worth in log-odds."""
        segments = self._segments
        same = segments.slope[np.searchsorted(segments.at[1:], start, side="right")]
        slopes = np.full(len(ends), same)
        np.divide(self.apply(ends) - self.apply(np.array(start)), ends - start, out=slopes, where=ends != start)
        return slopes


UNCALIBRATED = Calibration(format=1, knots=[0.0], values=[0.0], slope_below=1.0, slope_above=1.0)
"""Leaves every margin as it is."""
