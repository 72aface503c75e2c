"""Which alerts a real Alertmanager sends, and which it holds back, with the routes of deploy/."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from monitoring import Received, alerting, rules, webhook

from tests.servers import wait_for

pytestmark = pytest.mark.slow

Alert = tuple[str, str]
"""An alert's name and severity."""

DOWN: Alert = ("CreditRiskDown", "page")
NOT_READY: Alert = ("CreditRiskNotReady", "page")
ERRORS: Alert = ("CreditRiskErrorBudgetBurn", "page")
ERRORS_SLOWLY: Alert = ("CreditRiskErrorBudgetBurn", "ticket")
SLOW: Alert = ("CreditRiskLatencyBudgetBurn", "page")
SLOW_SLOWLY: Alert = ("CreditRiskLatencyBudgetBurn", "ticket")
UNAVAILABLE: Alert = ("CreditRiskInstanceUnavailable", "ticket")
SHEDDING: Alert = ("CreditRiskShedding", "ticket")
DRIFT: Alert = ("CreditRiskDrift", "ticket")

EVERY: set[Alert] = {(rule["alert"], rule["labels"]["severity"]) for rule in rules("alert")}


class Alertmanager:
    """An Alertmanager, and what it has sent."""

    def __init__(self, url: str, received: list[Received]) -> None:
        self._url = url
        self._received = received

    def fire(self, job: str, alerts: Sequence[Alert], *, seconds: float = 600) -> None:
        """Post alerts of a job that fire from now on, as Prometheus does."""
        now = datetime.now(UTC)
        document = [
            {
                "labels": {"alertname": name, "severity": severity, "job": job},
                "startsAt": now.isoformat(),
                "endsAt": (now + timedelta(seconds=seconds)).isoformat(),
            }
            for name, severity in alerts
        ]
        httpx.post(f"{self._url}/api/v2/alerts", json=document, timeout=10).raise_for_status()

    def sent(self, job: str) -> set[Alert]:
        """The job's firing alerts that reached a receiver."""
        return {alert for alert, labels in self._labels() if labels["job"] == job}

    def held_back(self, job: str) -> set[Alert]:
        """The job's alerts that Alertmanager says are inhibited."""
        alerts = httpx.get(f"{self._url}/api/v2/alerts", params={"filter": f'job="{job}"'}, timeout=10).json()
        return {
            (each["labels"]["alertname"], each["labels"]["severity"])
            for each in alerts
            if each["status"]["state"] == "suppressed" and each["status"]["inhibitedBy"]
        }

    def settle(self, job: str) -> None:
        """Wait until an alert has been sent that began after all others."""
        self.fire(f"{job} settled", [DRIFT])
        wait_for(lambda: self.sent(f"{job} settled"))

    def _labels(self) -> Iterator[tuple[Alert, dict[str, Any]]]:
        for _, document in list(self._received):
            for each in document["alerts"]:
                if each["status"] == "firing":
                    yield (each["labels"]["alertname"], each["labels"]["severity"]), each["labels"]


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    """One for all tests: every test's alerts have a job of their own, and inhibition is by job."""
    with webhook() as (receiver, received), alerting(tmp_path_factory.mktemp("alertmanager"), receiver) as url:
        yield Alertmanager(url, received)


@pytest.mark.parametrize(
    ("firing", "held_back"),
    [
        pytest.param(EVERY, EVERY - {DOWN}, id="nothing runs"),
        pytest.param(
            {NOT_READY, UNAVAILABLE, ERRORS, ERRORS_SLOWLY, SLOW, SHEDDING, DRIFT},
            {UNAVAILABLE, ERRORS, ERRORS_SLOWLY, SLOW, SHEDDING},
            id="nothing is ready",
        ),
        pytest.param({ERRORS, ERRORS_SLOWLY, SLOW_SLOWLY}, {ERRORS_SLOWLY}, id="one budget burns fast"),
        pytest.param({UNAVAILABLE, SHEDDING, DRIFT, ERRORS, SLOW}, set(), id="nothing explains another"),
    ],
)
def test_one_cause_is_one_notification(
    alertmanager: Alertmanager, request: pytest.FixtureRequest, firing: set[Alert], held_back: set[Alert]
) -> None:
    """What another alert of the job explains is not sent, and Alertmanager says that it is inhibited."""
    job = request.node.callspec.id
    alertmanager.fire(job, sorted(firing))
    wait_for(lambda: firing - held_back <= alertmanager.sent(job))
    alertmanager.settle(job)

    assert firing - held_back == alertmanager.sent(job)
    assert held_back == alertmanager.held_back(job)


def test_another_job_is_not_held_back(alertmanager: Alertmanager) -> None:
    """That one job is down explains nothing of another."""
    alertmanager.fire("gone", [DOWN])
    alertmanager.fire("there", [SHEDDING])

    assert wait_for(lambda: alertmanager.sent("there"))


def test_held_back_no_longer_than_the_cause_lasts(alertmanager: Alertmanager) -> None:
    """What still fires when its explanation has ended is sent then."""
    alertmanager.fire("mended", [DOWN, DRIFT])
    wait_for(lambda: alertmanager.sent("mended"))
    alertmanager.settle("mended")
    before = alertmanager.sent("mended")
    alertmanager.fire("mended", [DOWN], seconds=0)

    assert {DOWN} == before
    assert wait_for(lambda: DRIFT in alertmanager.sent("mended"))
