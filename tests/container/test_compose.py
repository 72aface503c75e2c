"""deploy/compose as it is: the API alone, then with monitoring and a collector."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from serving import SERVICE_VERSION
from serving.settings import PREFIX, Settings
from tests import expect
from tests.container.containers import docker
from tests.container.stacks import COMPOSE, Stack, available, stack, tagged
from tests.deploy.monitoring import free_port, rules
from tests.servers import run_python, wait_for

FILES = sorted(COMPOSE.glob("*.yaml"))
TRACE = "0af7651916cd43dd8448eb211c80319c"


def api() -> dict[str, Any]:
    return yaml.safe_load((COMPOSE / "api.yaml").read_text(encoding="utf-8"))["services"]["api"]


def defaults() -> dict[str, str]:
    lines = (COMPOSE / ".env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


class TestFiles:
    """What can be seen without an engine."""

    def test_settings_exist(self) -> None:
        """Every variable with the service's prefix is one of its settings; paths and workers are the image's own."""
        # Each by its name alone: what it is comes from the shell or .env.
        passed = {name.removeprefix(PREFIX).lower() for name in api()["environment"] if name.startswith(PREFIX)}

        assert set(Settings.model_fields) - {"workers", "model_path", "policy_path", "trusted_key"} == passed

    def test_nothing_is_killed_that_drains(self) -> None:
        """SIGKILL comes later than the longest request that came in the last moment."""
        settings = Settings()

        assert settings.drain_seconds + settings.timeout_seconds < int(api()["stop_grace_period"].removesuffix("s"))

    def test_callers_need_keys(self) -> None:
        """The file of them is in the folder that is mounted; the proxy's colours have the same."""
        file, (mount,) = Path(defaults()["CREDIT_RISK_KEYS_FILE"]), api()["volumes"]

        assert "keys" == defaults()["CREDIT_RISK_ACCESS"]
        assert ["./secrets/api", str(file.parent), "ro"] == mount.split(":")

    def test_no_secret_can_be_committed(self) -> None:
        """What is put where compose looks for secrets is ignored by git."""
        for folder in (COMPOSE / "secrets").iterdir():
            assert ["*", "!.gitignore"] == (folder / ".gitignore").read_text(encoding="utf-8").split()

    def test_the_tag_is_this_version(self) -> None:
        """`up` takes what `make image` made."""
        assert SERVICE_VERSION == defaults()["TAG"]

    @pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
    def test_variables_have_defaults(self, file: Path) -> None:
        """What the files leave open is in .env."""
        assert set(re.findall(r"\$\{(\w+)\}", file.read_text(encoding="utf-8"))) <= defaults().keys()
        assert "$" not in re.sub(r"\$\{\w+\}", "", file.read_text(encoding="utf-8"))


class Deployment:
    """A copy of deploy/, with keys where they belong."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(COMPOSE.parent, folder)
        self.file = folder / "compose" / "compose.yaml"
        secrets = folder / "compose" / "secrets"
        self.caller = {"Authorization": f"Bearer {self._new(secrets, 'core-banking', 'decide')}"}
        (secrets / "prometheus" / "metrics.key").write_text(
            self._new(secrets, "prometheus", "metrics"), encoding="utf-8"
        )

    def _new(self, secrets: Path, name: str, scopes: str) -> str:
        file = secrets / "api" / "keys.json"
        arguments = ("keys", "new", "--name", name, "--scopes", scopes, "--expires", "2999-12-31", "--file", file)
        key = run_python("-m", "serving", *arguments, home=secrets).strip()
        file.chmod(0o644)  # the image's user is another one
        return key


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """As an operator would have it."""
    return Deployment(tmp_path_factory.mktemp("deployment") / "deploy")


@pytest.fixture(scope="module")
def alone(image: str, deployment: Deployment) -> Iterator[Stack]:
    """`up` without a profile."""
    ports = {name: str(free_port()) for name in ("PORT", "PROMETHEUS_PORT", "ALERTMANAGER_PORT")}
    tracing = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
        "ROTEL_EXPORTER": "otlp",
        "ROTEL_OTLP_EXPORTER_ENDPOINT": "http://sink:4318",
        "ROTEL_OTLP_EXPORTER_PROTOCOL": "http",
    }
    with tagged(image) as tag, stack(deployment.file, TAG=tag, **ports, **tracing) as project:
        project.up()
        yield project


@pytest.fixture(scope="module")
def monitored(alone: Stack) -> Iterator[Stack]:
    """The same with Prometheus and Alertmanager."""
    config = alone.config()
    with available(*(config[service]["image"] for service in ("prometheus", "alertmanager"))):
        alone.up("--profile", "monitoring")
        yield alone
        alone.run("--profile", "monitoring", "rm", "--stop", "--force", "prometheus", "alertmanager")


@pytest.mark.container
class TestAlone:
    def test_answers(self, alone: Stack, deployment: Deployment, example: dict[str, Any]) -> None:
        """One container, and it decides for whoever has a key."""
        assert {"api"} == alone.services()
        answer = httpx.post(f"{alone.url}/predict", json=example, headers=deployment.caller)
        assert "probability_of_default" in expect.answer(answer)
        assert 401 == httpx.post(f"{alone.url}/predict", json=example).status_code

    def test_is_restricted(self, alone: Stack) -> None:
        """What compose.yaml says has reached the engine."""
        host = alone.container("api").inspect()["HostConfig"]

        assert {
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "Memory": 512 << 20,
            "MemorySwap": 512 << 20,
            "NanoCpus": 10**9,
            "PidsLimit": 100,
            "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0},
        }.items() <= host.items()
        assert ["127.0.0.1"] == [each["HostIp"] for each in host["PortBindings"]["3000/tcp"]]

    def test_becomes_healthy(self, alone: Stack) -> None:
        """The engine asks for readiness by itself."""
        health = wait_for(
            lambda: (state := alone.container("api").inspect()["State"]["Health"])["Status"] != "starting" and state, 40
        )

        assert "healthy" == health["Status"], health["Log"]


@pytest.mark.container
class TestMonitoring:
    def test_prometheus_scrapes_with_the_rules(self, monitored: Stack) -> None:
        """The API is up as the job that the rules look for, every rule is loaded, and Alertmanager is known."""
        prometheus = f"http://127.0.0.1:{monitored.variables['PROMETHEUS_PORT']}"

        def ask(path: str, **parameters: str) -> Any:
            return httpx.get(f"{prometheus}/api/v1/{path}", params=parameters).json()["data"]

        def answers() -> bool:
            try:
                return httpx.get(f"{prometheus}/-/ready").status_code == 200
            except httpx.TransportError:
                return False

        wait_for(answers, 30)
        (up,) = wait_for(lambda: ask("query", query='up{job="credit-risk-api"} == 1')["result"], 40)
        loaded = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
        (manager,) = wait_for(lambda: ask("alertmanagers")["activeAlertmanagers"], 40)

        assert "api:3000" == up["metric"]["instance"]
        assert len(rules("alert")) + len(rules("record")) == len(loaded)
        assert [] == [rule["name"] for rule in loaded if rule.get("lastError")]
        assert "http://alertmanager:9093/api/v2/alerts" == manager["url"]

    def test_alertmanager_has_the_routes(self, monitored: Stack) -> None:
        """It runs with the project's receivers."""
        manager = f"http://127.0.0.1:{monitored.variables['ALERTMANAGER_PORT']}/api/v2"

        assert {"pager", "tickets"} == {each["name"] for each in httpx.get(f"{manager}/receivers").json()}


@pytest.mark.container
def test_spans_go_through_the_collector(alone: Stack, deployment: Deployment, example: dict[str, Any]) -> None:
    """A trace that a caller began reaches the collector, and what the collector sends on to."""
    alone.run("--profile", "tracing", "up", "--detach", "--build", "collector")
    collector = alone.container("collector")
    sink = docker(
        *("run", "--detach", "--network", f"{alone.name}_default", "--network-alias", "sink"),
        *("--env", "ROTEL_DEBUG_LOG_VERBOSITY=detailed", collector.inspect()["Image"]),
    ).stdout.strip()
    try:
        headers = deployment.caller | {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        response = httpx.post(f"{alone.url}/predict", json=example, headers=headers)
        seen = wait_for(lambda: TRACE in (log := docker("logs", sink)).stdout + log.stderr, 30)
    finally:
        docker("rm", "--force", sink)

    assert TRACE == response.headers["X-Trace-ID"]
    assert seen
    assert collector.inspect()["HostConfig"]["ReadonlyRootfs"]
