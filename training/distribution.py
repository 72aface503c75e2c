"""The training distribution in bins: tenths of the applications for numbers, shares for categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from preprocessing.application import LoanApplication
from preprocessing.cleaning import policy_fields
from preprocessing.features import FeatureSchema
from scoring.distribution import PD, FieldBins, TrainingDistribution
from training.metrics import Probabilities

BINS = 10


def training_distribution(
    schema: FeatureSchema, applications: Sequence[LoanApplication], pds: Probabilities
) -> TrainingDistribution:
    """The distribution of every scored field and of the PD.

    Args:
        schema: says which fields are scored.
        applications: n of them.
        pds: what the model gives them, shape (n,): served applications are scored by the same model.
    """
    rows = [policy_fields(application) for application in applications]
    fields = [_bins(field, [row[field] for row in rows]) for field in schema.fields]
    return TrainingDistribution(format=1, rows=len(rows), bins=[*fields, _bins(PD, pds.tolist())])


def _bins(field: str, values: Sequence[float | str | None]) -> FieldBins:
    present = [value for value in values if value is not None]
    missing = 1 - len(present) / len(values)
    if isinstance(present[0], str):
        categories = sorted({str(value) for value in present})
        counts = Counter(present)
        shares = [counts[category] / len(present) for category in categories]
        return FieldBins(field=field, edges=[], categories=categories, shares=shares, missing=missing)
    numbers = np.array(present, dtype=np.float64)
    # Six digits say where a tenth ends; more would be the values of single rows.
    quantiles = np.quantile(numbers, np.arange(1, BINS) / BINS)
    edges = sorted({float(f"{quantile:.6g}") for quantile in quantiles.tolist()} - {float(numbers.max())})
    shares = (np.bincount(np.searchsorted(edges, numbers), minlength=len(edges) + 1) / len(numbers)).tolist()
    return FieldBins(field=field, edges=edges, categories=[], shares=shares, missing=missing)
