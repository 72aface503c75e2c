"""The training distribution: tenths of the applications for numbers, shares for categories, and how far they reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import numpy as np
from numpy.typing import NDArray

from preprocessing.application import Application
from preprocessing.contract import Contract
from preprocessing.fields import PD
from scoring.distribution import FORMAT, FieldBins, Range, TrainingDistribution
from training.metrics import Probabilities

BINS = 10

QUANTILES = (0.001, 0.999)
"""Ranges end here: the thousandth beyond each end is too few rows to have learned from, and may be slips of a pen."""

DIGITS = 2
"""The ends of a range are rounded outward to so many digits: more would be the values of single rows."""


def training_distribution(
    contract: Contract, applications: Sequence[Application], pds: Probabilities
) -> TrainingDistribution:
    """The distribution of every scored field and of the PD.

    Args:
        contract: says which fields are scored, and what they may hold.
        applications: n of them.
        pds: what the model gives them, shape (n,): served applications are scored by the same model.
    """
    bins = [_bins(contract, field, [application[field] for application in applications]) for field in contract.scored]
    bins.append(_number_bins(PD, pds.tolist(), ()))
    return TrainingDistribution(format=FORMAT, rows=len(applications), quantiles=list(QUANTILES), bins=bins)


def _bins(contract: Contract, field: str, values: Sequence[float | str | None]) -> FieldBins:
    choices, states = contract.by_name[field].choices, contract.by_name[field].states
    if not choices:
        bins = _number_bins(field, values, states)
        return bins.model_copy(update={"range": reach(_numbers(values))})
    present = [str(value) for value in values if value is not None]
    counts = Counter(present)
    # In alphabetical order, and only what there is: OTHER is for what the training data lacks.
    categories = sorted(counts) or [choices[0]]
    shares = [counts[category] / max(1, len(present)) for category in categories]
    return FieldBins(
        field=field, edges=[], categories=categories, shares=shares, missing=1 - len(present) / len(values)
    )


def _number_bins(field: str, values: Sequence[float | str | None], states: Sequence[str]) -> FieldBins:
    present = [value for value in values if value is not None]
    numbers = _numbers(values)
    # Six digits say where a tenth ends; more would be the values of single rows.
    quantiles = np.quantile(numbers, np.arange(1, BINS) / BINS)
    edges = sorted({float(f"{quantile:.6g}") for quantile in quantiles.tolist()} - {float(numbers.max())})
    counts = np.bincount(np.searchsorted(edges, numbers), minlength=len(edges) + 1)
    counted = np.append(counts, [present.count(state) for state in states])
    return FieldBins(
        field=field,
        edges=edges,
        categories=[],
        states=list(states),
        shares=(counted / len(present)).tolist(),
        missing=1 - len(present) / len(values),
    )


def reach(numbers: NDArray[np.float64]) -> Range:
    """How far numbers reach between `QUANTILES`, rounded outward: no more than the stated share lies beyond an end."""
    low, high = QUANTILES
    return Range(
        low=_outward(float(np.quantile(numbers, low, method="lower")), ROUND_FLOOR),
        high=_outward(float(np.quantile(numbers, high, method="higher")), ROUND_CEILING),
    )


def _outward(value: float, rounding: str) -> float:
    exact = Decimal(repr(value))  # as it is written, where its binary digits go on
    return float(exact.quantize(Decimal(1).scaleb(exact.adjusted() - DIGITS + 1), rounding)) if exact else 0.0


def _numbers(values: Sequence[float | str | None]) -> NDArray[np.float64]:
    return np.array([v for v in values if v is not None and not isinstance(v, str)], dtype=np.float64)
