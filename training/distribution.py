"""The training distribution in bins: tenths of the applications for numbers, shares for categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from preprocessing.application import Application
from preprocessing.contract import Contract
from preprocessing.fields import PD
from scoring.distribution import FieldBins, TrainingDistribution
from training.metrics import Probabilities

BINS = 10


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
    return TrainingDistribution(format=1, rows=len(applications), bins=[*bins, _number_bins(PD, pds.tolist(), ())])


def _bins(contract: Contract, field: str, values: Sequence[float | str | None]) -> FieldBins:
    choices, states = contract.by_name[field].choices, contract.by_name[field].states
    if not choices:
        return _number_bins(field, values, states)
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
    numbers = np.array([value for value in present if not isinstance(value, str)], dtype=np.float64)
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
