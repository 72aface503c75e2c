"""What the alerts of deploy/prometheus watch, as the service's own counts have it since its start.

Prometheus fires by windows of minutes to days, over all instances; one instance knows its own sums. So a figure beyond
its limit here says where to look, and one within it doesn't say that no alert fires.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from desk.health import Figures, Shift, challenged, shifts
from desk.rendering import percentage, plain

RUNBOOKS = "docs/runbooks"

PSI, MISSING, ERRORS, SHED, SLOW, MEMORY, SPOOL, BEHIND = 0.25, 0.05, 0.001, 0.01, 0.01, 0.9, 0.8, 0.5
"""Limits of the rules; a test holds them against these."""

SLOW_SECONDS = "0.1"
"""From which on an answer is slow: the bucket of the metric."""

State = Literal["within", "beyond", "too few"]


@dataclass(frozen=True, slots=True)
class Alert:
    """What one alert watches.

    Attributes:
        name: of the alert, by which its runbook is called.
        what: it watches.
        state: how that stands.
        figure: now, and the limit.
    """

    name: str
    what: str
    state: State
    figure: str

    @property
    def runbook(self) -> str:
        """A file of the project's documentation."""
        return f"{RUNBOOKS}/{self.name}.md"


def alerts(figures: Figures, called: Mapping[str, str]) -> list[Alert]:
    """All that can be told from here, what is beyond its limit first.

    Args:
        figures: of the service.
        called: what a person calls each field.
    """
    order: list[State] = ["beyond", "within", "too few"]
    return sorted(_alerts(figures, called), key=lambda alert: order.index(alert.state))


def _alerts(figures: Figures, called: Mapping[str, str]) -> Iterator[Alert]:
    yield from _of_model(shifts(figures), called)
    yield from _of_requests(figures)
    yield from _of_process(figures)
    yield from _of_records(figures)
    if (challenger := challenged(figures)) is not None:
        decided = figures.total("credit_risk_decisions_total")
        share = challenger.missed / decided if decided else None
        yield _share("CreditRiskChallengerBehind", "decisions that the challenger has missed", share, BEHIND)


def _of_model(moved: list[Shift], called: Mapping[str, str]) -> Iterator[Alert]:
    known = [each for each in moved if each.psi is not None]
    worst = max(known, key=lambda each: each.psi or 0, default=None)
    name, what = "CreditRiskDrift", "how far applications have moved from the training data"
    if worst is None or worst.psi is None:
        yield Alert(name, what, "too few", "no PSI of fewer than 1,000 applications")
    else:
        said = f"PSI {worst.psi:.2f} of “{called.get(worst.field, worst.field)}”; limit {PSI:g}"
        yield Alert(name, what, "beyond" if worst.psi > PSI else "within", said)
    missing = [each for each in moved if each.difference is not None]
    most = max(missing, key=lambda each: abs(each.difference or 0), default=None)
    name, what = "CreditRiskMissingValues", "shares without a value, against the training data's"
    if most is None or most.difference is None:
        yield Alert(name, what, "too few", "no share of fewer than 1,000 applications")
    else:
        points = f"{most.difference * 100:+.1f}".replace("-", "\N{MINUS SIGN}")
        said = f"{points} points of “{called.get(most.field, most.field)}”; limit {MISSING * 100:g} points either way"
        yield Alert(name, what, "beyond" if abs(most.difference) > MISSING else "within", said)


def _of_requests(figures: Figures) -> Iterator[Alert]:
    name = "credit_risk_http_request_duration_seconds_count"
    of_scoring = [each for each in figures.of(name) if each.labels["route"].startswith("/predict")]
    total = sum(each.value for each in of_scoring)
    failed = sum(each.value for each in of_scoring if each.labels["status"].startswith("5"))
    shed = sum(each.value for each in of_scoring if each.labels["status"] in ("429", "503"))
    yield _share(
        "CreditRiskErrorBudgetBurn", "requests of programs that failed", failed / total if total else None, ERRORS
    )
    yield _share("CreditRiskShedding", "requests refused for want of capacity", shed / total if total else None, SHED)
    answered = quick = 0.0
    for route in ("/predict", "/predict/explain"):
        answered += figures.total(name, route=route, status="200")
        bucket = name.replace("_count", "_bucket")
        quick += figures.total(bucket, route=route, status="200", le=SLOW_SECONDS)
    slow = (answered - quick) / answered if answered else None
    yield _share(
        "CreditRiskLatencyBudgetBurn", f"single answers slower than {float(SLOW_SECONDS) * 1000:g} ms", slow, SLOW
    )


def _of_process(figures: Figures) -> Iterator[Alert]:
    ready = all(each.value for each in figures.of("credit_risk_ready"))
    yield Alert(
        "CreditRiskNotReady",
        "whether every worker can decide",
        "within" if ready else "beyond",
        "yes" if ready else "no",
    )
    limit = figures.total("credit_risk_memory_limit_bytes")
    if limit:
        used = figures.total("credit_risk_memory_used_bytes") / limit
        yield _share("CreditRiskMemoryNearLimit", "memory used, of the container's limit", used, MEMORY)
    yield _count(
        "CreditRiskLogLinesDropped", "lines of the log that were lost", figures, "credit_risk_log_lines_dropped_total"
    )
    yield _count("CreditRiskMetricsLost", "workers whose metrics are incomplete", figures, "credit_risk_metrics_lost")


def _of_records(figures: Figures) -> Iterator[Alert]:
    yield _count(
        "CreditRiskRecordsFailing", "records that could not be written", figures, "credit_risk_records_failures_total"
    )
    yield _count(
        "CreditRiskRecordsSpooled", "records that wait for their database", figures, "credit_risk_records_spooled"
    )
    fill = figures.total("credit_risk_records_spool_fill_ratio")
    yield _share("CreditRiskRecordsSpoolFilling", "the fullest spool of records", fill, SPOOL)


def _share(name: str, what: str, share: float | None, limit: float) -> Alert:
    if share is None:
        return Alert(name, what, "too few", "none yet")
    said = f"{percentage(share) if share else '0'}; limit {plain(limit * 100)}%"
    return Alert(name, what, "beyond" if share > limit else "within", said)


def _count(name: str, what: str, figures: Figures, metric: str) -> Alert:
    number = figures.total(metric)
    return Alert(name, what, "beyond" if number else "within", plain(number, 0))
