"""How a portfolio lies, as gauges in Prometheus's text format, for a node exporter's textfile collector.

What is expected is called as in the service's own metrics, for it means the same. What is counted isn't: the service
counts on for ever, and this is one file's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from portfolio.monitoring.findings import Findings

EXPECTED, EXPECTED_MISSING = "credit_risk_drift_expected_ratio", "credit_risk_drift_expected_missing_ratio"
PREFIX = "credit_risk_portfolio_"

Values = Iterator[tuple[Sequence[str], float]]


class _Gauges(Collector):
    """Made at once, not counted: so that no setting of workers' metrics has a part in it."""

    def __init__(self, findings: Findings, portfolio: str) -> None:
        self._findings = findings
        self._portfolio = portfolio

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found, shifts = self._findings, self._findings.shifts
        yield self._one("rows", "Rows of the portfolio.", found.rows)
        yield self._one("quarantined", "Of them, those without an answer.", found.quarantined)
        yield self._one("mean_probability_of_default", "Mean of the others.", found.mean_pd)
        yield self._many(
            PREFIX + "decisions", "Decisions by outcome.", ["outcome"],
            (([outcome], n) for outcome, n in found.decisions.items()),
        )  # fmt: skip
        yield self._many(
            PREFIX + "invalid_fields", "Fields outside the contract, by field and kind of error.", ["field", "kind"],
            (([field or "", kind], n) for (field, kind), n in found.invalid.items()),
        )  # fmt: skip
        yield self._many(
            PREFIX + "psi", "Population stability index against the training data.", ["field"],
            (([shift.field], shift.psi) for shift in shifts if not math.isnan(shift.psi)),
        )  # fmt: skip
        yield self._many(
            PREFIX + "drift_values", "Values by training bin.", ["field", "bin"],
            (([shift.field, each.label], each.values) for shift in shifts for each in shift.bins),
        )  # fmt: skip
        yield self._many(
            EXPECTED, "Share of the training data's present values in a bin.", ["field", "bin"],
            (([shift.field, each.label], each.expected) for shift in shifts for each in shift.bins),
        )  # fmt: skip
        yield self._many(
            PREFIX + "drift_missing", "Applications that lack a value.", ["field"],
            (([shift.field], shift.missing) for shift in shifts),
        )  # fmt: skip
        yield self._many(
            EXPECTED_MISSING, "Share of the training data that lacks a value.", ["field"],
            (([shift.field], shift.expected_missing) for shift in shifts),
        )  # fmt: skip
        yield self._many(
            PREFIX + "outside_training_range", "Values beyond what the training data holds.", ["field"],
            (([shift.field], shift.outside) for shift in shifts if shift.outside is not None),
        )  # fmt: skip

    def _one(self, name: str, text: str, value: float) -> GaugeMetricFamily:
        return self._many(PREFIX + name, text, [], iter([([], value)]))

    def _many(self, name: str, text: str, labels: Sequence[str], values: Values) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name, text, labels=["portfolio", "model_version", *labels])
        for of, value in values:
            family.add_metric([self._portfolio, self._findings.identity.model_version, *of], value)
        return family


def exposition(findings: Findings, portfolio: str) -> bytes:
    """The file.

    Args:
        findings: of a portfolio.
        portfolio: what it is called, from month to month.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Gauges(findings, portfolio))
    return generate_latest(registry)
