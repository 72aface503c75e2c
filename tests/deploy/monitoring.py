"""The monitoring files of deploy/, and Debian's tools for them."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = PROMETHEUS / "rules"
RULE_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
ALERTMANAGER = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboard.json"
RUNBOOKS = ROOT / "docs" / "runbooks"

_METRIC = re.compile(r"(?<![\w:])(?:up|ALERTS|(?:credit_risk|bentoml)_\w+)(?![\w:])")
_RECORDED = re.compile(r"\bjob\w*:credit_risk_\w+:\w+")


def tool(*names: str) -> str:
    """The path of an installed tool, by the first of its names that is; the test is skipped where none is."""
    for name in names:
        if path := shutil.which(name):
            return path
    pytest.skip(f"{names[0]} is not installed; .ci/observability-tools installs it")


def check(*command: str | Path, stdin: str | None = None) -> tuple[int, str]:
    """Exit code and output of a tool."""
    result = subprocess.run(
        [tool(str(command[0])), *map(str, command[1:])],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return result.returncode, result.stdout


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def load(file: Path) -> Any:
    """A YAML file's content."""
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def rules(kind: str) -> list[dict[str, Any]]:
    """All rules of a kind, "alert" or "record"."""
    return [
        rule
        for file in sorted(RULES.glob("*.yml"))
        for group in load(file)["groups"]
        for rule in group["rules"]
        if kind in rule
    ]


def panels() -> list[dict[str, Any]]:
    """All of the dashboard's panels, rows among them."""
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]


def queries() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard, with the panel's title and the query's letter."""
    for panel in panels():
        for target in panel.get("targets", []):
            yield f"{panel['title']} {target['refId']}", target["expr"]


def annotation_queries() -> list[str]:
    """The queries that mark moments in the dashboard."""
    return [
        entry["target"]["expr"] for entry in json.loads(DASHBOARD.read_text(encoding="utf-8"))["annotations"]["list"]
    ]


def metrics_in(expression: str) -> set[str]:
    """Names of the metrics that a query reads, without those that rules record."""
    return set(_METRIC.findall(re.sub(r'"[^"]*"', '""', expression)))


def recorded_in(expression: str) -> set[str]:
    """Names that rules record, in a query."""
    return set(_RECORDED.findall(expression))
