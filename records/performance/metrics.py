"""How models fare as gauges, in Prometheus's text format, for a node exporter's textfile collector."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from records.performance.measuring import Figures, Performance

PREFIX = "credit_risk_performance_"
LABELS = ("model_version", "manifest", "month")
MANIFEST_DIGITS = 12

GAUGES: tuple[tuple[str, str, Callable[[Figures], float]], ...] = (
    ("decisions", "Decisions of the month.", lambda each: each.decisions),
    ("refused", "Decisions that refused.", lambda each: each.refused),
    ("unmatured", "Approvals whose outcome is not known, or not final.", lambda each: each.untold + each.unmatured),
    ("outcomes", "Final outcomes of loans.", lambda each: each.outcomes),
    ("auc", "Area under the ROC curve, of loans alone.", lambda each: each.auc.value),
    ("gini", "Gini coefficient, of loans alone.", lambda each: each.gini.value),
    ("ks", "Kolmogorov-Smirnov statistic, of loans alone.", lambda each: each.ks),
    ("brier", "Mean squared error of the probability of default.", lambda each: each.brier.value),
    ("expected_default_rate", "Mean probability of default.", lambda each: each.expected),
    ("observed_default_rate", "Share of loans that defaulted.", lambda each: each.observed.value),
    ("observed_default_rate_low", "Lower end of its interval at 99.9%.", lambda each: each.observed_surely.low),
    ("observed_default_rate_high", "Upper end of its interval at 99.9%.", lambda each: each.observed_surely.high),
    ("psi", "Population stability index of the PD against the training data.", lambda each: each.psi),
)
"""Name behind the prefix, help, and value; one that can't be told has no series."""


class _Gauges(Collector):
    """Made at once, not counted: so that no setting of workers' metrics has a part in it."""

    def __init__(self, performances: Sequence[Performance]) -> None:
        self._performances = performances

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, text, value in GAUGES:
            family = GaugeMetricFamily(PREFIX + name, text, labels=LABELS)
            for each in self._performances:
                for month, figures in each.months.items():
                    if not math.isnan(value(figures)):
                        labels = (each.model.version, each.model.manifest[:MANIFEST_DIGITS], month)
                        family.add_metric(labels, value(figures))
            yield family


def exposition(performances: Sequence[Performance]) -> bytes:
    """The file of all models and months."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Gauges(performances))
    return generate_latest(registry)
