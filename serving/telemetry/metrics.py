"""This service's own metrics, beside BentoML's on /metrics; the table in docs/monitoring.md describes them.

Names and units follow Prometheus's conventions. No label takes a value from a request: routes are templates, and a
field that the contract does not know is "unknown". Looking a series up by its labels costs as much as counting, so the
series of every request are looked up once, and each has a tally.
"""

from __future__ import annotations

import calendar
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving import SERVICE_VERSION
from serving.routes import SCORING
from serving.telemetry.buckets import DURATION_BUCKETS, PD_BUCKETS, ROW_BUCKETS, WAIT_BUCKETS
from serving.telemetry.tally import Observer, Tallies, Tally

Labels = Iterable[str]


class Metrics:
    """The metrics of one process. A registry takes them once."""

    def __init__(self, tallies: Tallies, registry: CollectorRegistry) -> None:
        def counter(name: str, documentation: str, labels: Labels = ()) -> Counter:
            return Counter(name, documentation, labels, registry=registry)

        def histogram(name: str, documentation: str, buckets: tuple[float, ...], labels: Labels = ()) -> Histogram:
            return Histogram(name, documentation, labels, buckets=buckets, registry=registry)

        def gauge(name: str, documentation: str, over_workers: str = "livemax", labels: Labels = ()) -> Gauge:
            mode: Any = over_workers
            return Gauge(name, documentation, labels, multiprocess_mode=mode, registry=registry)

        self._requests = histogram(
            "credit_risk_http_request_duration_seconds",
            "Time from a request's arrival to the end of its response, by route template and status.",
            DURATION_BUCKETS,
            ["route", "status"],
        )
        self._decisions = counter("credit_risk_decisions", "Decisions by outcome.", ["outcome"])
        self._applications = counter(
            "credit_risk_applications", "Applications answered, by route kind: single, batch or explain.", ["kind"]
        )
        pd = histogram(
            "credit_risk_probability_of_default", "Probability of default of answered applications.", PD_BUCKETS
        )
        self._batch_rows = histogram(
            "credit_risk_batch_rows", "Rows in a merged batch, by route.", ROW_BUCKETS, ["route"]
        )
        self._batch_wait = histogram(
            "credit_risk_batch_wait_seconds",
            "Time from a request's being read to the start of its batch, by route.",
            WAIT_BUCKETS,
            ["route"],
        )
        self._invalid_fields = counter(
            "credit_risk_invalid_fields", "Fields outside the contract, by field and kind of error.", ["field", "kind"]
        )
        self.dropped_log_lines = counter(
            "credit_risk_log_lines_dropped", "Log lines lost: the queue was full, or writing failed."
        )
        self.lost = gauge(
            "credit_risk_metrics_lost", "Workers whose metrics, or what others see of them, are incomplete.", "livesum"
        )
        self.start_time = gauge("credit_risk_start_time_seconds", "When the youngest worker started, Unix time.")
        self.ready = gauge("credit_risk_ready", "1 while every worker is ready to score, else 0.", "livemin")
        self.resident_memory = gauge("credit_risk_resident_memory_bytes", "Resident memory of all workers.", "livesum")
        self.memory_used = gauge(
            "credit_risk_memory_used_bytes",
            "Memory of the container that counts against its limit, 0 where there is no limit.",
        )
        self.memory_limit = gauge(
            "credit_risk_memory_limit_bytes", "The container's memory limit, 0 where there is none."
        )
        self._commit_seconds = histogram(
            "credit_risk_records_commit_seconds", "Time of a transaction of records, until it is durable.", WAIT_BUCKETS
        )
        self._commit_rows = histogram("credit_risk_records_commit_rows", "Records in a transaction.", ROW_BUCKETS)
        self._commit_failures = counter(
            "credit_risk_records_failures", "Transactions of records that failed, or whose end isn't known."
        )
        self._idempotent = counter(
            "credit_risk_idempotent_requests",
            "Requests with an Idempotency-Key, by what came of it: first, replayed, in_use or other_request.",
            ["result"],
        )
        self.records_waiting = gauge(
            "credit_risk_records_waiting", "Requests whose records are not being written yet.", "livesum"
        )
        self.records_spooled = gauge("credit_risk_records_spooled", "Records in the spool of this machine.", "livemax")
        self.records_spool_fill = gauge(
            "credit_risk_records_spool_fill_ratio", "How full the fullest worker's spool is, from 0 to 1.", "livemax"
        )
        self._challenged = counter(
            "credit_risk_challenger_assessed",
            "Decisions that the challenger assessed, by what was answered and what it would have answered.",
            ["champion", "challenger"],
        )
        self.challenger_dropped = counter(
            "credit_risk_challenger_dropped", "Decisions not assessed for lack of time, or of a challenger that runs."
        )
        self.challenger_failed = counter(
            "credit_risk_challenger_failed", "Decisions that the challenger could not assess, or whose result is lost."
        )
        self._challenger_running = gauge(
            "credit_risk_challenger_running", "1 while every worker's challenger runs, else 0.", "livemin", ["entries"]
        )
        self._build_info = gauge(
            "credit_risk_build_info",
            "Always 1; the labels say what is served.",
            labels=["service_version", "model_version", "policy_version"],
        )
        self._model_created = gauge(
            "credit_risk_model_created_timestamp_seconds",
            "The model's date, Unix time; subtract it from time() for its age.",
        )
        self._tallies = tallies
        self._pd_tally = tallies.histogram(pd)
        self._request_tallies: dict[tuple[str, int], Observer] = {}
        self._batch_tallies: dict[str, tuple[Observer, Observer]] = {}
        self._answer_tallies: dict[tuple[str, str], tuple[Tally, Tally]] = {}

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count one request, by the template of its route."""
        if (tally := self._request_tallies.get((route, status))) is None:
            tally = self._tallies.histogram(self._requests.labels(route, status))
            self._request_tallies[route, status] = tally
        tally.observe(seconds)

    def count_batch(self, route: str, rows: int, waits: Iterable[float]) -> None:
        """Count one merged batch, and how long each of its requests waited, in seconds."""
        if (tallies := self._batch_tallies.get(route)) is None:
            histogram = self._tallies.histogram
            tallies = histogram(self._batch_rows.labels(route)), histogram(self._batch_wait.labels(route))
            self._batch_tallies[route] = tallies
        row_tally, wait_tally = tallies
        row_tally.observe(rows)
        for wait in waits:
            wait_tally.observe(wait)

    def count(self, kind: str, outcome: str, pd: float) -> None:
        """Count one answered application.

        Args:
            kind: of its route.
            outcome: of its decision.
            pd: its probability of default.
        """
        for each in self._answer_tally(kind, outcome):
            each.add()
        self._pd_tally.observe(pd)

    def _answer_tally(self, kind: str, outcome: str) -> tuple[Tally, Tally]:
        if (tallies := self._answer_tallies.get((kind, outcome))) is None:
            tally = self._tallies.tally
            tallies = tally(self._applications.labels(kind)), tally(self._decisions.labels(outcome))
            self._answer_tallies[kind, outcome] = tallies
        return tallies

    def count_many(self, kind: str, outcomes: Mapping[str, int], pds: Sequence[float]) -> None:
        """Count some answered applications.

        Args:
            kind: of their route.
            outcomes: how many decisions have which.
            pds: their probabilities of default.
        """
        for outcome, number in outcomes.items():
            for each in self._answer_tally(kind, outcome):
                each.add(number)
        for pd in pds:
            self._pd_tally.observe(pd)

    def count_commit(self, rows: int, seconds: float) -> None:
        """Count one transaction of records, durable after `seconds`."""
        self._commit_seconds.observe(seconds)
        self._commit_rows.observe(rows)

    def count_commit_failure(self) -> None:
        """Count one that failed."""
        self._commit_failures.inc()

    def count_idempotent(self, result: str) -> None:
        """Count one request with an Idempotency-Key."""
        self._idempotent.labels(result).inc()

    def count_challenged(self, pairs: Iterable[tuple[str, str, int]]) -> None:
        """Count assessments, by the champion's outcome and the challenger's."""
        for champion, challenger, number in pairs:
            self._challenged.labels(champion, challenger).inc(number)

    def describe_challenger(self, entries: str, *, running: bool) -> None:
        """Say whether the one of these entries of the store runs."""
        self._challenger_running.labels(entries).set(running)

    def count_invalid(self, loc: Iterable[str | int], kind: str, known: Container[str]) -> None:
        """Count one wrong field, under its name where it is `known`; `loc` may begin with a row."""
        field = next((part for part in loc if isinstance(part, str)), None)
        label = "document" if field is None else field if field in known else "unknown"
        self._invalid_fields.labels(label, kind).inc()

    def describe(self, model_version: str, created: date, policy_version: str, outcomes: Iterable[str]) -> None:
        """Say what is served, and of what date the model is; and begin the counts that alerts watch at 0.

        A series that begins with its first event hides that event from `increase()`.
        """
        for outcome in outcomes:
            self._decisions.labels(outcome)
        for route in SCORING:
            self._applications.labels(route.kind)
            for status in (200, 408, 422, 429, 431, 500, 501, 503, 504):
                self._requests.labels(route.path, status)
        self._build_info.labels(SERVICE_VERSION, model_version, policy_version).set(1)
        self._model_created.set(calendar.timegm(created.timetuple()))
