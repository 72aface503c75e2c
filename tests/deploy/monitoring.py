"""The monitoring files of deploy/, and Debian's tools for them."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml

from tests.servers import ROOT, wait_for

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


def write(file: Path, content: Any) -> None:
    """Write a YAML file."""
    file.write_text(yaml.safe_dump(content), encoding="utf-8")


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


class Received(NamedTuple):
    """What reached the webhook: the path that it was posted to, and the document."""

    path: str
    document: dict[str, Any]


@contextmanager
def webhook() -> Iterator[tuple[str, list[Received]]]:
    """A receiver of Alertmanager's webhooks, and the list of what it got."""
    received: list[Received] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(Received(self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{receiver.server_port}", received
        finally:
            receiver.shutdown()
            thread.join(timeout=10)


@contextmanager
def running(home: Path, ready: str, *command: str) -> Iterator[None]:
    """A program, once a GET of `ready` is answered by no 5xx."""
    log = home / f"{Path(command[0]).name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=home, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)

    def is_ready() -> bool:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            return not httpx.get(ready, timeout=1).is_server_error
        except httpx.TransportError:
            return False

    try:
        wait_for(is_ready)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)


@contextmanager
def alerting(home: Path, receiver: str) -> Iterator[str]:
    """Alertmanager with the routes of deploy/, sending to `receiver` and waiting a second at most; its address."""
    program = tool("prometheus-alertmanager", "alertmanager")
    address = f"127.0.0.1:{free_port()}"
    routes = load(ALERTMANAGER)
    routes["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    for route in routes["route"]["routes"]:
        route["group_wait"] = "1s"
    for each in routes["receivers"]:
        for hook in each["webhook_configs"]:
            hook["url"] = receiver + httpx.URL(hook["url"]).path
    write(home / "alertmanager.yml", routes)
    with running(
        home,
        f"http://{address}/-/ready",
        program,
        f"--config.file={home / 'alertmanager.yml'}",
        f"--storage.path={home / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ):
        yield f"http://{address}"
