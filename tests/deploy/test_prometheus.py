"""The service watched by a real Prometheus and a real Alertmanager, with the rules of deploy/ made to hurry."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from drawn import Drawing
from monitoring import (
    PROMETHEUS,
    Received,
    alerting,
    check,
    free_port,
    load,
    queries,
    running,
    tool,
    webhook,
    write,
)
from servers import Server, copy_store, serving, wait_for

from scoring.artifact import read_artifact
from scoring.scorer import Scorer
from tests.artifacts import MODEL_FOLDER

pytestmark = pytest.mark.slow

PSI = "job_field:credit_risk_drift:psi1h"


class Monitoring:
    """A server, the Prometheus that scrapes it, its Alertmanager, and what that one sent."""

    def __init__(self, server: Server, prometheus: str, received: list[Received]) -> None:
        self.server = server
        self.received = received
        self.sent: list[dict[str, Any]] = []
        self._prometheus = httpx.Client(base_url=prometheus, timeout=10)
        self._service = httpx.Client(base_url=server.url, timeout=30)

    def close(self) -> None:
        """Close the connections."""
        self._prometheus.close()
        self._service.close()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression has now."""
        answer = self._prometheus.get("/api/v1/query", params={"query": expression}).raise_for_status().json()
        return answer["data"]["result"]

    def values(self, expression: str, label: str) -> dict[str, float]:
        """The values of an expression's series by one of their labels."""
        return {series["metric"][label]: float(series["value"][1]) for series in self.query(expression)}

    def send(self, applications: list[dict[str, Any]]) -> None:
        """Have the service decide applications, in batches and, some of them, in every other way."""
        for start in range(0, len(applications), 500):
            self._service.post("/predict/batch", json=applications[start : start + 500]).raise_for_status()
        for route in ("/predict", "/predict/explain"):
            for application in applications[:10]:
                self._service.post(route, json=application).raise_for_status()
        self.sent += [*applications, *applications[:10], *applications[:10]]
        assert 422 == self._service.post("/predict", json=applications[0] | {"loan_grade": "Z"}).status_code

    def await_applications(self) -> None:
        """Wait until Prometheus has counted by bin all that was sent."""
        counted = 'sum(credit_risk_drift_values_total{field="person_income"})'
        wait_for(lambda: [str(len(self.sent))] == [series["value"][1] for series in self.query(counted)])

    def await_rules(self) -> None:
        """Wait until the rules have seen what there is now."""
        ((_, now),) = (series["value"] for series in self.query("vector(time())"))
        wait_for(lambda: self.query(f"min(timestamp({PSI})) > {now} + 1"))


def hurried(home: Path, server: Server, alertmanager: str) -> None:
    """A copy of the configuration in which a second is enough for everything; the expressions stay as they are."""
    shutil.copytree(PROMETHEUS, home / "prometheus")
    prometheus = load(home / "prometheus" / "prometheus.yml")
    prometheus["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    write(home / "prometheus" / "prometheus.yml", prometheus)
    for name, url in (("credit-risk-api", server.url), ("alertmanager", alertmanager)):
        write(home / "prometheus" / "targets" / f"{name}.yml", [{"targets": [url.removeprefix("http://")]}])
    for file in (home / "prometheus" / "rules").glob("*.yml"):
        groups = load(file)
        for group in groups["groups"]:
            group.pop("interval", None)
            for rule in group["rules"]:
                if "for" in rule:
                    rule["for"] = "1s"
        write(file, groups)


@pytest.fixture(scope="module")
def monitoring(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    """A server of its own under watch, before anything is asked of it."""
    program = tool("prometheus")
    home = tmp_path_factory.mktemp("monitoring")
    address = f"127.0.0.1:{free_port()}"
    with (
        webhook() as (receiver, received),
        serving(copy_store(store, tmp_path_factory.mktemp("watched"))) as server,
        alerting(home, receiver) as alertmanager,
    ):
        hurried(home, server, alertmanager)
        with (
            running(
                home,
                f"http://{address}/-/ready",
                program,
                f"--config.file={home / 'prometheus' / 'prometheus.yml'}",
                f"--storage.tsdb.path={home / 'tsdb'}",
                f"--web.listen-address={address}",
            ),
            closing(Monitoring(server, f"http://{address}", received)) as monitored,
        ):
            yield monitored


@pytest.fixture(scope="module")
def drawing() -> Drawing:
    """Draws applications from the shipped artifact's bins."""
    artifact = read_artifact(MODEL_FOLDER)
    return Drawing(artifact.distribution, Scorer(artifact))


class Seen(NamedTuple):
    """What there was to see at one moment: PSI by field as Prometheus has it and as it is, and the rest."""

    psi: dict[str, float]
    true_psi: dict[str, float]
    panels: dict[str, list[float]]
    firing: set[str]
    delivered: list[tuple[str, dict[str, Any]]]
    metrics: str


def look(monitoring: Monitoring, true_psi: dict[str, float]) -> Seen:
    return Seen(
        psi=monitoring.values(PSI, "field"),
        true_psi=true_psi,
        panels={
            title: [float(series["value"][1]) for series in monitoring.query(expression)]
            for title, expression in queries()
        },
        firing={series["metric"]["alertname"] for series in monitoring.query('ALERTS{alertstate="firing"}')},
        delivered=_alerts(monitoring, "CreditRiskDrift"),
        metrics=httpx.get(f"{monitoring.server.url}/metrics", timeout=10).text,
    )


@pytest.fixture(scope="module")
def unshifted(monitoring: Monitoring, drawing: Drawing) -> Seen:
    """After 3,000 applications like the training data's."""
    applications = drawing.unshifted(3000, seed=1)
    wait_for(lambda: monitoring.query("credit_risk_drift_values_total"))
    monitoring.send(applications[:500])  # what is counted by label appears with its first, and grows from there
    monitoring.await_applications()
    monitoring.send(applications[500:])
    monitoring.await_applications()
    wait_for(lambda: len(monitoring.query(PSI)) == len(drawing.bins))
    monitoring.await_rules()
    wait_for(lambda: monitoring.query("job_outcome:credit_risk_decisions:ratio6h"))
    return look(monitoring, drawing.psi(monitoring.sent))


@pytest.fixture(scope="module")
def shifted(monitoring: Monitoring, drawing: Drawing, unshifted: Seen) -> Seen:
    """After 6,000 more that are mostly alike."""
    assert unshifted.psi
    monitoring.send(drawing.shifted(6000, seed=2))
    monitoring.await_applications()
    wait_for(lambda: monitoring.query('ALERTS{alertname="CreditRiskDrift",alertstate="firing"}'))
    wait_for(lambda: _alerts(monitoring, "CreditRiskDrift"))
    monitoring.await_rules()
    return look(monitoring, drawing.psi(monitoring.sent))


@pytest.fixture(scope="module")
def stopped(monitoring: Monitoring, shifted: Seen) -> dict[str, float]:
    """After the server has ended: the values of `up`."""
    assert shifted.psi
    monitoring.received.clear()
    monitoring.server.terminate()
    assert 0 == monitoring.server.wait()
    wait_for(lambda: _alerts(monitoring, "CreditRiskDown"))
    return monitoring.values("up", "job")


def _alerts(monitoring: Monitoring, name: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        (path, alert)
        for path, document in list(monitoring.received)
        for alert in document["alerts"]
        if alert["labels"]["alertname"] == name and alert["status"] == "firing"
    ]


def test_unshifted_applications_show_no_drift(unshifted: Seen, drawing: Drawing) -> None:
    """Traffic drawn from the artifact's bins has a PSI under .1 in every field and the PD, and drift doesn't fire."""
    print({field: round(value, 4) for field, value in unshifted.psi.items()})

    assert {bins.field for bins in drawing.bins} == unshifted.psi.keys()
    assert {} == {field: value for field, value in unshifted.psi.items() if value >= 0.1}
    assert set() == unshifted.firing & {"CreditRiskDrift", "CreditRiskMissingValues"}


def test_shifted_applications_do(shifted: Seen) -> None:
    """Traffic in which most applications are alike has a PSI over .25 in every field and the PD; the alert fires."""
    print({field: round(value, 2) for field, value in shifted.psi.items()})

    assert {} == {field: value for field, value in shifted.psi.items() if value <= 0.25}
    assert "CreditRiskDrift" in shifted.firing


def test_prometheus_has_the_psi_that_was_sent(unshifted: Seen, shifted: Seen) -> None:
    """The recorded PSI is the one worked out from the applications themselves."""
    for seen in (unshifted, shifted):
        assert pytest.approx(seen.true_psi, rel=0.05, abs=0.005) == seen.psi


def test_every_query_of_the_dashboard_has_series(unshifted: Seen) -> None:
    """With traffic, each query of the dashboard gives series, and each of them numbers."""
    empty = [title for title, values in unshifted.panels.items() if not any(map(math.isfinite, values))]

    assert dict(queries()).keys() == unshifted.panels.keys()
    assert [] == empty


def test_metrics_under_traffic_follow_the_conventions(shifted: Seen) -> None:
    """Prometheus finds nothing to say of the names and helps on /metrics when all that is counted has been."""
    assert (0, "") == check("promtool", "check", "metrics", stdin=shifted.metrics)


def test_drift_is_delivered_as_a_ticket(shifted: Seen) -> None:
    """Alertmanager sends drift to the tickets, with the field and the runbook."""
    annotations = [alert["annotations"] for _, alert in shifted.delivered]

    assert {"/ticket"} == {path for path, _ in shifted.delivered}
    assert {alert["labels"]["field"] for _, alert in shifted.delivered} <= shifted.psi.keys()
    assert {"docs/runbooks/CreditRiskDrift.md"} == {each["runbook_url"] for each in annotations}


def test_an_end_is_delivered_as_a_page(monitoring: Monitoring, stopped: dict[str, float]) -> None:
    """A service that ends is found, and Alertmanager sends one page."""
    delivered = _alerts(monitoring, "CreditRiskDown")

    assert {"credit-risk-api": 0.0} == stopped
    assert {"/page"} == {path for path, _ in delivered}
    assert {"credit-risk-api"} == {alert["labels"]["job"] for _, alert in delivered}
    assert {"docs/runbooks/CreditRiskDown.md"} == {alert["annotations"]["runbook_url"] for _, alert in delivered}
