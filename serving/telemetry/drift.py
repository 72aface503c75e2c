"""Counts served applications by the training data's bins, so that Prometheus can tell how far they have moved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from serving.telemetry.tally import Tallies, Tally


class Bins(Protocol):
    """One field's training distribution."""

    @property
    def field(self) -> str:
        """Its name."""

    @property
    def missing(self) -> float:
        """Share of the training data that lacks a value."""

    @property
    def labels(self) -> Sequence[str]:
        """Names of the bins."""

    @property
    def expected(self) -> Sequence[float]:
        """Shares of present values, by label."""

    def place(self, value: Any) -> int:
        """The place among the labels of the bin of a value; behind them all where it is missing."""


Placed = tuple[str, Callable[[Any], int], list[int]]
"""A field, the bin of a value of it, and how many values have fallen into each."""


class Drift:
    """Where served applications fall in the training distribution, once there is one to count by."""

    def __init__(self, tallies: Tallies, registry: CollectorRegistry) -> None:
        of_bin, of_field = ["field", "bin"], ["field"]
        self._binned = Counter(
            "credit_risk_drift_values", "Values of answered applications by training bin.", of_bin, registry=registry
        )
        self._missing = Counter(
            "credit_risk_drift_missing", "Answered applications that lack a value.", of_field, registry=registry
        )
        self._expected_share = Gauge(
            "credit_risk_drift_expected_ratio",
            "Share of the training data's present values in a bin.",
            of_bin,
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._expected_missing = Gauge(
            "credit_risk_drift_expected_missing_ratio",
            "Share of the training data that lacks a value.",
            of_field,
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._outside = Counter(
            "credit_risk_outside_training_range",
            "Values of answered applications beyond what the training data holds.",
            of_field,
            registry=registry,
        )
        self._of_fields: list[Placed] = []
        self._of_pd: list[Placed] = []
        self._outside_tallies: dict[str, Tally] = {}
        self._tally = tallies.tally
        self._carry_over = tallies.carry_over

    def watch(self, distribution: Iterable[Bins], pd: str) -> None:
        """Count by this distribution from now on; `pd` is the probability of default's name among its fields."""
        self._of_fields, self._of_pd = [], []
        for bins in distribution:
            self._expected_missing.labels(bins.field).set(bins.missing)
            for label, share in zip(bins.labels, bins.expected, strict=True):
                self._expected_share.labels(bins.field, label).set(share)
            # From 0 on, or the first increase would not be seen.
            series = [self._binned.labels(bins.field, label) for label in bins.labels]
            series.append(self._missing.labels(bins.field))
            counts = [0] * len(series)
            (self._of_pd if bins.field == pd else self._of_fields).append((bins.field, bins.place, counts))
            if bins.field != pd and bins.field not in self._outside_tallies:
                self._outside_tallies[bins.field] = self._tally(self._outside.labels(bins.field))
            self._carry_over(partial(_carry, counts, series))

    def count(self, fields: Mapping[str, Any], pd: float, outside: Iterable[str] = ()) -> None:
        """Count one answered application: its values by field, those `outside`, and its probability of default."""
        for field, place, counts in self._of_fields:
            counts[place(fields[field])] += 1
        for _, place, counts in self._of_pd:
            counts[place(pd)] += 1
        for field in outside:
            self._outside_tallies[field].add()

    def count_many(self, binned: Mapping[str, Sequence[int]], outside: Mapping[str, int]) -> None:
        """Count some answered applications.

        Args:
            binned: of each field, and of the probability of default, how many values fall into each bin, and behind
                them how many are missing.
            outside: how many values of which field lie outside.
        """
        for field, _, counts in (*self._of_fields, *self._of_pd):
            for place, number in enumerate(binned[field]):
                counts[place] += number
        for field, number in outside.items():
            self._outside_tallies[field].add(number)


def _carry(counts: list[int], series: Sequence[Counter]) -> None:
    for place, number in enumerate(counts):
        if number:
            series[place].inc(number)
            counts[place] = 0
