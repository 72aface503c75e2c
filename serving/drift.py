"""Counts served applications by the training distribution's bins, so that Prometheus can tell how far they have moved.

Counting is on every answer's path, so it only adds to plain numbers; `flush` carries them over to the metrics.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from scoring.distribution import OTHER, PD, TrainingDistribution
from serving.engine import Assessment

binned = Counter("credit_risk_drift_values", "Values of answered applications by training bin.", ["field", "bin"])
missing = Counter("credit_risk_drift_missing", "Answered applications that lack a value.", ["field"])
expected_share = Gauge(
    "credit_risk_drift_expected_ratio",
    "Share of the training data's present values in a bin.",
    ["field", "bin"],
    multiprocess_mode="livemax",
)
expected_missing = Gauge(
    "credit_risk_drift_expected_missing_ratio",
    "Share of the training data that lacks a value.",
    ["field"],
    multiprocess_mode="livemax",
)


class DriftCounter:
    """Where served applications fall in the training distribution."""

    def __init__(self, distribution: TrainingDistribution) -> None:
        self._bins = distribution.bins
        self._counts: dict[tuple[str, str | None], int] = {}
        for bins in self._bins:
            expected_missing.labels(bins.field).set(bins.missing)
            missing.labels(bins.field)
            expected = dict(zip(bins.labels, bins.shares, strict=True))
            if bins.categories:
                expected[OTHER] = 0.0
            for label, share in expected.items():
                expected_share.labels(bins.field, label).set(share)
                binned.labels(bins.field, label)  # from 0 on, or the first increase would not be seen

    def observe(self, assessment: Assessment) -> None:
        """Count one answered application."""
        fields, pd = assessment.fields, assessment.pd
        counts = self._counts
        for bins in self._bins:
            label = bins.label(pd if bins.field == PD else fields[bins.field])
            key = bins.field, label
            counts[key] = counts.get(key, 0) + 1

    def flush(self) -> None:
        """Carry what was counted over to the metrics."""
        counts, self._counts = self._counts, {}
        for (field, label), number in counts.items():
            if label is None:
                missing.labels(field).inc(number)
            else:
                binned.labels(field, label).inc(number)


_counter: DriftCounter | None = None


def watch(distribution: TrainingDistribution) -> DriftCounter:
    """Count by this distribution from now on."""
    global _counter  # noqa: PLW0603  # as the metrics themselves, one for the process
    _counter = DriftCounter(distribution)
    return _counter


def count(assessment: Assessment) -> None:
    """Count one answered application, where there is a distribution to count by."""
    if _counter is not None:
        _counter.observe(assessment)
