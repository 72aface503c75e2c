"""The training distribution in bins, for telling whether served applications still look like it."""

from __future__ import annotations

from bisect import bisect_left
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

PD = "probability_of_default"
"""Takes its place among the fields: the model's own output drifts too."""

OTHER = "other"
"""The bin of a category that the training data lacks."""

Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class FieldBins(_Strict):
    """One field's distribution: of numbers by edges, of categories by name.

    Attributes:
        field: a scored field, or the probability of default.
        edges: upper bounds, included, of all bins but the last; empty for categories.
        categories: one bin each; empty for numbers.
        shares: of present values by bin; they add up to 1.
        missing: share of applications without a value.
    """

    field: str
    edges: list[float]
    categories: list[str]
    shares: Annotated[list[Share], Field(min_length=1)]
    missing: Share

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if bool(self.edges) == bool(self.categories):
            raise ValueError(f"{self.field} needs either edges or categories")
        if len(self.shares) != (len(self.edges) + 1 if self.edges else len(self.categories)):
            raise ValueError(f"{self.field} needs one share for each bin")
        if self.edges != sorted(set(self.edges)):
            raise ValueError(f"the edges of {self.field} must rise")
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the bins: numbers from 0 in the order of the values, or categories, and OTHER behind them."""
        return (*self.categories, OTHER) if self.categories else tuple(str(i) for i in range(len(self.shares)))

    @property
    def expected(self) -> tuple[float, ...]:
        """Shares by label; the training data has none in OTHER."""
        return (*self.shares, 0.0) if self.categories else tuple(self.shares)

    def place(self, value: Any) -> int:
        """The place among `labels` of the bin of a value; behind them all where it is missing."""
        if value is None:
            return len(self.shares) + bool(self.categories)
        if self.edges:
            return bisect_left(self.edges, value)
        return self.categories.index(value) if value in self.categories else len(self.categories)


class TrainingDistribution(_Strict):
    """`training_distribution.json`."""

    format: Literal[1]
    rows: Annotated[int, Field(ge=1)]
    bins: Annotated[list[FieldBins], Field(min_length=1)]
