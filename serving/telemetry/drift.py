"""Counts served applications by the training data's bins, so that Prometheus can tell how far they have moved."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from scoring.distribution import PD, FieldBins, TrainingDistribution
from serving.engine import Assessment
from serving.telemetry.tally import carry_over

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
        self._fields: list[tuple[FieldBins, list[int], list[Counter]]] = []
        for bins in distribution.bins:
            expected_missing.labels(bins.field).set(bins.missing)
            for label, share in zip(bins.labels, bins.expected, strict=True):
                expected_share.labels(bins.field, label).set(share)
            # From 0 on, or the first increase would not be seen.
            series = [*(binned.labels(bins.field, label) for label in bins.labels), missing.labels(bins.field)]
            self._fields.append((bins, [0] * len(series), series))
        carry_over(self._carry)

    def observe(self, assessment: Assessment) -> None:
        """Count one answered application."""
        fields, pd = assessment.fields, assessment.pd
        for bins, counts, _ in self._fields:
            counts[bins.place(pd if bins.field == PD else fields[bins.field])] += 1

    def _carry(self) -> None:
        for _, counts, series in self._fields:
            for place, number in enumerate(counts):
                if number:
                    series[place].inc(number)
                    counts[place] = 0


_counter: DriftCounter | None = None


def watch(distribution: TrainingDistribution) -> None:
    """Count by this distribution from now on."""
    global _counter  # noqa: PLW0603  # as the metrics themselves, one for the process
    _counter = DriftCounter(distribution)


def count(assessment: Assessment) -> None:
    """Count one answered application, where there is a distribution to count by."""
    if _counter is not None:
        _counter.observe(assessment)
