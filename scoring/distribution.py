"""The training distribution: in bins, for telling whether served applications still look like it, and its ranges.

A range says how far the training data reaches; what lies beyond it the model has not learned from.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from preprocessing.documents import Strict

OTHER = "other"
"""The bin of a category that the training data lacks."""

FORMAT: Final = 2
"""Of the file; 1 had no ranges."""

Share = Annotated[float, Field(ge=0, le=1)]


class Range(Strict):
    """How far a field's numbers reach in the training data, between two quantiles, rounded outward.

    Attributes:
        low: the lower end, included.
        high: the upper end, included.
    """

    low: float
    high: float

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"range: low {self.low:g} lies above high {self.high:g}")
        return self


class FieldBins(Strict):
    """One field's distribution: of numbers by edges, of categories and of special codes' states by name.

    Attributes:
        field: a scored field, or the probability of default.
        edges: upper bounds, included, of all bins of numbers but the last; without categories there is at least one.
        categories: one bin each; a field of categories has no numbers.
        states: of a number's special codes, one bin each, behind the numbers.
        shares: of present values by bin; they add up to 1.
        missing: share of applications without a value.
        range: of the numbers of a scored field.
    """

    field: str
    edges: list[float]
    categories: list[str]
    states: list[str] = Field(default=[])
    shares: Annotated[list[Share], Field(min_length=1)]
    missing: Share
    range: Range | None = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.categories and (self.edges or self.states or self.range):
            raise ValueError(f"{self.field} has either categories or numbers")
        if len(self.shares) != (len(self.categories) or len(self.edges) + 1 + len(self.states)):
            raise ValueError(f"{self.field} needs one share for each bin")
        if self.edges != sorted(set(self.edges)):
            raise ValueError(f"the edges of {self.field} must rise")
        return self

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Names of the bins: numbers from 0 in the order of the values, then names, and OTHER behind categories."""
        if self.categories:
            # A category of that name keeps it: two bins of one label would be counted as one.
            return (*self.categories, OTHER if OTHER not in self.categories else f"{OTHER} than these")
        return (*(str(i) for i in range(len(self.edges) + 1)), *self.states)

    @property
    def expected(self) -> tuple[float, ...]:
        """Shares by label; the training data has none in OTHER."""
        return (*self.shares, 0.0) if self.categories else tuple(self.shares)

    @property
    def seen(self) -> frozenset[str]:
        """The categories or states that the training data holds."""
        named = self.categories or self.states
        shares = self.shares[len(self.shares) - len(named) :]
        return frozenset(name for name, share in zip(named, shares, strict=True) if share)

    @cached_property
    def _place_of(self) -> dict[str | None, int]:
        named = self.categories or self.states
        first = len(self.labels) - len(self.states) if self.states else 0
        return {None: len(self.labels)} | {name: first + i for i, name in enumerate(named)}

    def place(self, value: Any) -> int:
        """The place among `labels` of the bin of a value; behind them all where it is missing."""
        if value is None or isinstance(value, str):
            return self._place_of.get(value, len(self.categories))
        return bisect_left(self.edges, value)


class TrainingDistribution(Strict):
    """`training_distribution.json`.

    Attributes:
        format: of the file.
        rows: applications of the training data.
        quantiles: between which the ranges lie.
        bins: one entry for each scored field, and one for the probability of default.
    """

    format: Literal[2]
    rows: Annotated[int, Field(ge=1)]
    quantiles: Annotated[list[Share], Field(min_length=2, max_length=2)]
    bins: Annotated[list[FieldBins], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _of_this_format(cls, document: Any) -> Any:
        # Before all else: that parts are missing from an older format would be told as if somebody could add them.
        if isinstance(document, dict) and document.get("format", FORMAT) != FORMAT:
            raise ValueError(f"it is of format {document['format']}, and this code reads {FORMAT}, which has ranges")
        return document
