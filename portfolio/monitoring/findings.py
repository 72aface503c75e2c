"""What is said of a portfolio against what the model was trained on."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import Identity
from records.figures.statistics import plain, population_shift
from scoring.distribution import FieldBins


@dataclass(frozen=True, slots=True)
class Bin:
    """Values that lie together.

    Attributes:
        label: as in the service's metrics: numbers from 0 on, then names.
        name: what it holds, for people.
        values: how many.
        share: of all present values; NaN where there are none.
        expected: share of the training data's.
    """

    label: str
    name: str
    values: int
    share: float
    expected: float


@dataclass(frozen=True, slots=True)
class Shift:
    """How a field's values lie against the training data's.

    Attributes:
        field: a scored field, or the probability of default.
        psi: population stability index over the bins, as the alert on drift reckons it; NaN of fewer than 1,000 values.
        missing: applications without a value.
        missing_share: of all.
        expected_missing: share of the training data.
        outside: values beyond the training range; None of the probability of default, which has none.
        bins: in order.
    """

    field: str
    psi: float
    missing: int
    missing_share: float
    expected_missing: float
    outside: int | None
    bins: tuple[Bin, ...]

    @classmethod
    def of(cls, bins: FieldBins, counts: NDArray[np.int64], outside: int | None) -> Shift:
        """From counts by bin, and behind them the number of missing values."""
        present, missing = counts[:-1], int(counts[-1])
        values = int(present.sum())
        shares = (present / values).tolist() if values else [math.nan] * len(present)
        return cls(
            field=bins.field,
            psi=population_shift(bins.expected, present),
            missing=missing,
            missing_share=missing / (values + missing) if values + missing else math.nan,
            expected_missing=bins.missing,
            outside=outside,
            bins=tuple(
                Bin(*each)
                for each in zip(bins.labels, _names(bins), present.tolist(), shares, bins.expected, strict=True)
            ),
        )


@dataclass(frozen=True, slots=True)
class Findings:
    """All of it.

    Attributes:
        identity: the model and policy.
        trained_on: applications of the training data.
        trained_defaults: of them; None where the model's manifest doesn't say.
        rows: of the input.
        quarantined: those without an answer.
        invalid: field (None for the row as a whole) and kind to the number of errors, most frequent first.
        mean_pd: mean probability of default of the others.
        decisions: each decision to how often it is given.
        shifts: of each scored field, and of the probability of default.
    """

    identity: Identity
    trained_on: int
    trained_defaults: int | None
    rows: int
    quarantined: int
    invalid: dict[tuple[str | None, str], int]
    mean_pd: float
    decisions: dict[str, int]
    shifts: tuple[Shift, ...]

    @property
    def answered(self) -> int:
        """Applications that have an answer."""
        return self.rows - self.quarantined

    def document(self) -> dict[str, Any]:
        """For JSON, which has no NaN: that is null."""
        document = asdict(self)
        document["invalid"] = [
            {"field": field, "kind": kind, "count": count} for (field, kind), count in self.invalid.items()
        ]
        found: dict[str, Any] = plain(document)
        return found


def _names(bins: FieldBins) -> list[str]:
    """What each bin holds."""
    if bins.categories:
        return list(bins.labels)
    if not bins.edges:
        return ["any number", *bins.states]
    first, last = bins.edges[0], bins.edges[-1]
    between = [f"above {low:g} to {high:g}" for low, high in zip(bins.edges, bins.edges[1:], strict=False)]
    return [f"to {first:g}", *between, f"above {last:g}", *bins.states]
