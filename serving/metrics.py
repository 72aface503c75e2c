"""This service's own metrics, beside BentoML's on /metrics. Incremented in each request's own task, once per answer."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from serving.engine import Assessment

DURATION_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds: from a lone prediction to a request near its timeout."""

PD_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 0.9)

decisions = Counter("credit_risk_decisions", "Decisions by outcome.", ["outcome"])
applications = Counter(
    "credit_risk_applications", "Applications answered, by route kind: single, batch or explain.", ["kind"]
)
probability_of_default = Histogram(
    "credit_risk_probability_of_default", "Probability of default of answered applications.", buckets=PD_BUCKETS
)


def count(kind: str, assessment: Assessment) -> None:
    """Count one answered application.

    Args:
        kind: "single", "batch" or "explain".
        assessment: what was answered.
    """
    applications.labels(kind).inc()
    decisions.labels(assessment.decision.outcome.value).inc()
    probability_of_default.observe(assessment.pd)
