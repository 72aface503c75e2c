"""Prometheus's rules, Alertmanager's routes, the dashboard and the runbooks agree with each other and the service."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from monitoring import (
    ALERTMANAGER,
    PROMETHEUS,
    RULE_TESTS,
    RULES,
    RUNBOOKS,
    annotation_queries,
    check,
    load,
    metrics_in,
    panels,
    queries,
    recorded_in,
    rules,
)

from records.performance.metrics import GAUGES, PREFIX
from tests.servers import ROOT

ALERTS = sorted({rule["alert"] for rule in rules("alert")})
PAGES = sorted(RUNBOOKS.glob("Credit*.md"))


def test_configuration() -> None:
    """Prometheus takes its configuration, with the files of targets and rules that it names."""
    code, output = check("promtool", "check", "config", "--lint-fatal", PROMETHEUS / "prometheus.yml")

    assert 0 == code, output
    assert "2 rule files found" in output


def test_rules_are_valid() -> None:
    """Prometheus takes the rules, and none is stated twice."""
    code, output = check("promtool", "check", "rules", "--lint-fatal", *sorted(RULES.glob("*.yml")))

    assert 0 == code, output


@pytest.mark.parametrize("file", RULE_TESTS, ids=lambda file: file.stem)
def test_rules_fire_and_stay_quiet(file: Path) -> None:
    """The alerts fire where they must, stay quiet where they must, and say what they should."""
    code, output = check("promtool", "test", "rules", file)

    assert 0 == code, output


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_tested_both_ways(alert: str) -> None:
    """For each alert there is a case in which it fires, and one in which it doesn't."""
    cases = [
        bool(case.get("exp_alerts"))
        for file in RULE_TESTS
        for group in load(file)["tests"]
        for case in group.get("alert_rule_test", [])
        if case["alertname"] == alert
    ]

    assert {True, False} == set(cases)


def test_every_window_and_severity_of_an_alert_fires() -> None:
    """Where several rules share an alert's name, each of them fires in a case."""
    stated = {(rule["alert"], *sorted(rule["labels"].items())) for rule in rules("alert")}
    fired = {
        (case["alertname"], *sorted((k, v) for k, v in fires["exp_labels"].items() if k in {"severity", "window"}))
        for file in RULE_TESTS
        for group in load(file)["tests"]
        for case in group.get("alert_rule_test", [])
        for fires in case.get("exp_alerts", [])
    }

    assert stated == fired


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_its_runbook(alert: str) -> None:
    """Each alert links to the page that has its name, and the page says what it means and what to do."""
    annotations = [rule["annotations"] for rule in rules("alert") if rule["alert"] == alert]
    page = (ROOT / annotations[0]["runbook_url"]).read_text(encoding="utf-8")

    assert {f"docs/runbooks/{alert}.md"} == {each["runbook_url"] for each in annotations}
    assert all(each["summary"] and each["description"] for each in annotations)
    assert page.startswith(f"# {alert}\n")
    assert ["Look at", "Do"] == re.findall(r"^## (.*)", page, re.MULTILINE)
    assert f"[{alert}]({alert}.md)" in (RUNBOOKS / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("alert", ALERTS)
def test_every_runbook_states_the_severity(alert: str) -> None:
    """A runbook's first words are the severities that its alert has."""
    severities = {rule["labels"]["severity"] for rule in rules("alert") if rule["alert"] == alert}
    meaning = (RUNBOOKS / f"{alert}.md").read_text(encoding="utf-8").partition("## ")[0].lower()

    assert severities == set(re.findall(r"\*\*(page|ticket)\b", meaning))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_runbook_is_left_over(page: Path) -> None:
    """Each runbook is some alert's, and all that it links to is there."""
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))

    assert page.stem in ALERTS
    assert [] == [link for link in links if not (page.parent / link).exists()]


def test_every_severity_has_a_receiver() -> None:
    """Pages go to the pager, all else to the tickets."""
    alertmanager = load(ALERTMANAGER)
    code, output = check("amtool", "check-config", ALERTMANAGER)
    routed = {
        severity: check("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", f"severity={severity}")
        for severity in {rule["labels"]["severity"] for rule in rules("alert")}
    }
    receivers = {severity: (code, output.split()[-1]) for severity, (code, output) in routed.items()}

    assert 0 == code, output
    assert {"page": (0, "pager"), "ticket": (0, "tickets")} == receivers
    assert {"pager", "tickets"} == {receiver["name"] for receiver in alertmanager["receivers"]}


def test_inhibitions_name_alerts_that_exist() -> None:
    """What holds an alert back, and what is held back, are alerts of the rules."""
    text = ALERTMANAGER.read_text(encoding="utf-8")
    named = set(re.findall(r'alertname="(\w+)"', text))
    alternatives = re.search(r'alertname=~"CreditRisk\((\S+)\)"', text)

    assert alternatives is not None
    assert set() == (named | {f"CreditRisk{name}" for name in alternatives[1].split("|")}) - set(ALERTS)


def test_dashboard_has_four_rows() -> None:
    """The dashboard goes from what is asked to what runs, and no panel is without a query or covers another."""
    rows = [panel["title"] for panel in panels() if panel["type"] == "row"]
    placed = [panel["gridPos"] for panel in panels()]
    cells = [
        (x, y)
        for place in placed
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert ["Traffic", "Decisions", "Model", "Process"] == rows
    assert [] == [panel["title"] for panel in panels() if panel["type"] != "row" and not panel["targets"]]
    assert len(cells) == len(set(cells))
    assert {panel["id"] for panel in panels()} == set(range(1, len(panels()) + 1))


def test_every_query_of_the_dashboard_is_valid(tmp_path: Path) -> None:
    """Prometheus takes every query of the dashboard."""
    expressions = [*(expression for _, expression in queries()), *annotation_queries()]
    records = [{"record": f"query:{number}", "expr": expr} for number, expr in enumerate(expressions)]
    file = tmp_path / "dashboard.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": records}]}), encoding="utf-8")

    code, output = check("promtool", "check", "rules", file)

    assert 0 == code, output
    assert f"{len(expressions)} rules found" in output


def test_only_what_is_recorded_is_used() -> None:
    """Each recorded name in an alert, the dashboard or a runbook is one that a rule records, and each is of use."""
    recorded = {rule["record"] for rule in rules("record")}
    expressions = [rule["expr"] for kind in ("alert", "record") for rule in rules(kind)]
    pages = [page.read_text(encoding="utf-8") for page in PAGES]
    used = set().union(*map(recorded_in, [*expressions, *(expression for _, expression in queries()), *pages]))

    assert recorded == used


def test_every_metric_is_the_services(client: httpx.Client, example: dict[str, Any]) -> None:
    """Each metric that a rule, the dashboard or a runbook reads is one that the service has, or a command writes."""
    for application in (example, example | {"loan_grade": "Z"}):  # what is counted by label appears with its first
        client.post("/predict", json=application)
    served = set(re.findall(r"^# TYPE (\S+)", client.get("/metrics").text, re.MULTILINE))
    served |= {f"{name}_{part}" for name in served for part in ("bucket", "count", "sum")} | {"up", "ALERTS"}
    served |= {f"{PREFIX}{name}" for name, *_ in GAUGES}
    expressions = [rule["expr"] for kind in ("alert", "record") for rule in rules(kind)]
    expressions += [*(expression for _, expression in queries()), *annotation_queries()]
    expressions += [
        code for page in PAGES for code in re.findall(r"`([^`]+)`", page.read_text(encoding="utf-8")) if "_" in code
    ]
    read = set().union(*map(metrics_in, expressions))

    assert set() == read - served


def test_metrics_follow_the_conventions(client: httpx.Client) -> None:
    """Prometheus finds nothing to say of the names and helps on /metrics, BentoML's included."""
    assert (0, "") == check("promtool", "check", "metrics", stdin=client.get("/metrics").text)
