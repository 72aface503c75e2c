"""This service's own metrics, beside BentoML's on /metrics; the table in docs/monitoring.md describes them.

Names and units follow Prometheus's conventions. No label takes a value from a request: routes are templates, and a
field that the contract does not know is "unknown". Looking a series up by its labels costs as much as counting, so the
series of every request are looked up once, and each has a tally.
"""

from __future__ import annotations

import calendar
from collections.abc import Container, Iterable
from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from decision import Outcome
from preprocessing.application import FieldError
from scoring.artifact import Manifest
from serving import SERVICE_VERSION
from serving.engine import Assessment
from serving.telemetry.tally import Observer, Tally, histogram

KINDS = ("single", "batch", "explain")
SCORING_ROUTES = ("/predict", "/predict/batch", "/predict/explain")

PD_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 0.9)
DURATION_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds: from a lone prediction to half of the time limit."""
WAIT_BUCKETS = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
ROW_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

requests = Histogram(
    "credit_risk_http_request_duration_seconds",
    "Time from a request's arrival to the end of its response, by route template and status.",
    ["route", "status"],
    buckets=DURATION_BUCKETS,
)
decisions = Counter("credit_risk_decisions", "Decisions by outcome.", ["outcome"])
applications = Counter(
    "credit_risk_applications", "Applications answered, by route kind: single, batch or explain.", ["kind"]
)
probability_of_default = Histogram(
    "credit_risk_probability_of_default", "Probability of default of answered applications.", buckets=PD_BUCKETS
)
batch_rows = Histogram("credit_risk_batch_rows", "Rows in a merged batch, by route.", ["route"], buckets=ROW_BUCKETS)
batch_wait = Histogram(
    "credit_risk_batch_wait_seconds",
    "Time from a request's being read to the start of its batch, by route.",
    ["route"],
    buckets=WAIT_BUCKETS,
)
invalid_fields = Counter(
    "credit_risk_invalid_fields", "Fields outside the contract, by field and kind of error.", ["field", "kind"]
)
dropped_log_lines = Counter("credit_risk_log_lines_dropped", "Log lines lost: the queue was full, or writing failed.")
start_time = Gauge(
    "credit_risk_start_time_seconds", "When the youngest worker started, Unix time.", multiprocess_mode="livemax"
)
ready = Gauge("credit_risk_ready", "1 while every worker is ready to score, else 0.", multiprocess_mode="livemin")
build_info = Gauge(
    "credit_risk_build_info",
    "Always 1; the labels say what is served.",
    ["service_version", "model_version", "policy_version"],
    multiprocess_mode="livemax",
)
model_created = Gauge(
    "credit_risk_model_created_timestamp_seconds",
    "The model's date, Unix time; subtract it from time() for its age.",
    multiprocess_mode="livemax",
)


@cache
def _request_tally(route: str, status: int) -> Observer:
    return histogram(requests.labels(route, status))


def count_request(route: str, status: int, seconds: float) -> None:
    """Count one request, by the template of its route."""
    _request_tally(route, status).observe(seconds)


@cache
def _batch_tallies(route: str) -> tuple[Observer, Observer]:
    return histogram(batch_rows.labels(route)), histogram(batch_wait.labels(route))


def count_batch(route: str, rows: int, waits: Iterable[float]) -> None:
    """Count one merged batch, and how long each of its requests waited, in seconds."""
    row_tally, wait_tally = _batch_tallies(route)
    row_tally.observe(rows)
    for wait in waits:
        wait_tally.observe(wait)


@cache
def _answer_tallies(kind: str, outcome: Outcome) -> tuple[Tally, Tally]:
    return Tally(applications.labels(kind)), Tally(decisions.labels(outcome.value))


_pd_tally = histogram(probability_of_default)


def count(kind: str, assessment: Assessment) -> None:
    """Count one answered application.

    Args:
        kind: "single", "batch" or "explain".
        assessment: what was answered.
    """
    for tally in _answer_tallies(kind, assessment.decision.outcome):
        tally.add()
    _pd_tally.observe(assessment.pd)


def count_invalid(error: FieldError, known: Container[str]) -> None:
    """Count one wrong field, under its name where it is `known`; `loc` may begin with a row."""
    field = next((part for part in error.loc if isinstance(part, str)), None)
    label = "document" if field is None else field if field in known else "unknown"
    invalid_fields.labels(label, error.type).inc()


def describe(manifest: Manifest, policy_version: str) -> None:
    """Say what is served, and of what date the model is; and begin the counts that alerts watch at 0.

    A series that begins with its first event hides that event from `increase()`.
    """
    for outcome in Outcome:
        decisions.labels(outcome.value)
    for kind in KINDS:
        applications.labels(kind)
    for route in SCORING_ROUTES:
        for status in (200, 422, 429, 500, 503, 504):
            requests.labels(route, status)
    build_info.labels(SERVICE_VERSION, manifest.version, policy_version).set(1)
    model_created.set(calendar.timegm(manifest.created.timetuple()))
