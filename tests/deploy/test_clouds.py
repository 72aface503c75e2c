"""The clouds' files: of the form that each cloud publishes, and right for what the image exposes."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from azure.mgmt.appcontainers import models as azure_enums
from azure.mgmt.appcontainers import types as azure
from pydantic import ConfigDict, TypeAdapter

from serving.routes import ROUTES
from serving.settings import Settings
from tests.deploy.shipped import (
    PORT,
    SERVING_BYTES,
    USER,
    check_environment,
    check_image,
    check_probe,
    check_stop,
    quantity,
)
from tests.servers import ROOT, Server

CLOUDS = ROOT / "deploy" / "clouds"
FILES = {path.stem: path for path in sorted(CLOUDS.iterdir())}

CLOUD_RUN_STOP_SECONDS = 10
"""From SIGTERM to SIGKILL; not to be set."""

FARGATE_MEMORY = {256: range(512, 2049, 512), 512: range(1024, 4097, 1024), 1024: range(2048, 8193, 1024)}
"""MiB that can be had, by thousandths of a CPU (of 1024)."""


@functools.cache
def text(cloud: str) -> str:
    """A cloud's file."""
    return FILES[cloud].read_text(encoding="utf-8")


def document(cloud: str) -> dict[str, Any]:
    """What is in it."""
    return yaml.safe_load(text(cloud))  # JSON is YAML


def variables(container: dict[str, Any], key: str = "env") -> dict[str, str]:
    """A container's environment."""
    assert all(isinstance(each["value"], str) for each in container[key])
    return {each["name"]: each["value"] for each in container[key]}


def writable_home(environment: dict[str, str]) -> bool:
    """Whether BENTOML_HOME is under /tmp."""
    return Path("/tmp") in Path(environment["BENTOML_HOME"]).parents


def ecs_forms() -> Any:
    """Amazon's forms. Their package, which asks for boto3 (at odds with BentoML's dateutil), is not run itself."""
    spec = importlib.util.find_spec("types_boto3_ecs")
    sys.modules.setdefault("types_boto3_ecs", importlib.util.module_from_spec(spec))
    return importlib.import_module("types_boto3_ecs.type_defs")


class TestECS:
    @pytest.fixture
    def task(self) -> dict[str, Any]:
        """The task definition."""
        return json.loads(text("ecs"))

    @pytest.fixture
    def container(self, task: dict[str, Any]) -> dict[str, Any]:
        """Its only container."""
        (container,) = task["containerDefinitions"]
        return container

    def test_form(self, task: dict[str, Any]) -> None:
        """It is what RegisterTaskDefinition takes, without a field that it doesn't know."""
        form = TypeAdapter(list[ecs_forms().RegisterTaskDefinitionRequestTypeDef], config=ConfigDict(extra="forbid"))

        assert [task] == form.validate_python([task], strict=True)

    def test_fargate(self, task: dict[str, Any], container: dict[str, Any]) -> None:
        """Fargate takes it: its network mode, a combination of CPU and memory that it has, its log driver."""
        assert ["FARGATE"] == task["requiresCompatibilities"]
        assert "awsvpc" == task["networkMode"]
        assert int(task["memory"]) in FARGATE_MEMORY[int(task["cpu"])]
        assert "awslogs" == container["logConfiguration"]["logDriver"]

    def test_container(self, task: dict[str, Any], container: dict[str, Any]) -> None:
        """The image's port and user, no rights, a read-only root with a writable home, and memory to serve in."""
        (port,) = container["portMappings"]
        (tmp,) = container["linuxParameters"]["tmpfs"]

        check_image(container["image"])
        assert PORT == port["containerPort"]
        assert f"{USER}:{USER}" == container["user"]
        assert container["readonlyRootFilesystem"]
        assert {"drop": ["ALL"]} == container["linuxParameters"]["capabilities"]
        assert "/tmp" == tmp["containerPath"]
        assert writable_home(variables(container, "environment"))
        assert (int(task["memory"]) - tmp["size"]) * 2**20 > SERVING_BYTES

    def test_stop(self, container: dict[str, Any]) -> None:
        """The settings exist, and there is time to end well; Fargate waits for two minutes at most."""
        settings = check_environment(variables(container, "environment"))

        check_stop(settings, container["stopTimeout"])
        assert container["stopTimeout"] <= 120

    def test_health_check(self, container: dict[str, Any], server: Server) -> None:
        """Its command asks the route that says "alive", fails where nothing answers, and has time to start."""
        check = container["healthCheck"]
        kind, python, *arguments = check["command"]
        url = f"http://127.0.0.1:{PORT}"
        (asked,) = re.findall(rf"{url}([\w/]+)", arguments[-1])

        def run(base: str) -> int:
            code = arguments[-1].replace(url, base)
            return subprocess.run(
                [sys.executable, *arguments[:-1], code], capture_output=True, timeout=30, check=False
            ).returncode

        assert ("CMD", "python", "/livez") == (kind, python, asked)
        assert "GET" in ROUTES[asked].methods
        assert 100 <= check["startPeriod"] + check["interval"] * check["retries"]
        assert float(re.findall(r"timeout=([\d.]+)", arguments[-1])[0]) < check["timeout"] < check["interval"]
        assert 0 == run(server.url)
        assert 1 == run(f"{server.url}/nowhere")
        assert 1 == run("http://127.0.0.1:1")


class TestCloudRun:
    @pytest.fixture
    def revision(self) -> dict[str, Any]:
        """The revision's specification."""
        return document("cloud-run")["spec"]["template"]["spec"]

    @pytest.fixture
    def container(self, revision: dict[str, Any]) -> dict[str, Any]:
        """Its only container."""
        (container,) = revision["containers"]
        return container

    @pytest.fixture
    def settings(self, container: dict[str, Any]) -> Settings:
        """What the service makes of its environment."""
        return check_environment(variables(container))

    def test_form(self, revision: dict[str, Any], container: dict[str, Any]) -> None:
        """A revision is a Kubernetes pod with two fields more, and a probe's port need not be said."""
        assert {"containerConcurrency", "timeoutSeconds", "serviceAccountName", "containers"} == revision.keys()
        assert not {"securityContext", "envFrom", "lifecycle"} & container.keys()  # not Cloud Run's
        service = document("cloud-run")
        pod = {key: revision[key] for key in ("serviceAccountName", "containers")}
        for probe in ("startupProbe", "livenessProbe"):
            container[probe]["httpGet"]["port"] = PORT

        assert ("serving.knative.dev/v1", "Service") == (service["apiVersion"], service["kind"])
        assert {"name", "annotations"} == service["metadata"].keys()
        kubernetes_validate.validate(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "pod", "annotations": service["spec"]["template"]["metadata"]["annotations"]},
                "spec": pod,
            },
            kubernetes_validate.latest_version(),
            strict=True,
        )

    def test_container(self, container: dict[str, Any]) -> None:
        """The image's port, a writable home, and memory to serve in: no less than the second generation asks for."""
        (port,) = container["ports"]
        memory = quantity(container["resources"]["limits"]["memory"])

        check_image(container["image"])
        assert ("http1", PORT) == (port["name"], port["containerPort"])
        assert "PORT" not in variables(container)  # Cloud Run's own
        assert writable_home(variables(container))
        assert memory > SERVING_BYTES
        assert memory >= 512 * 2**20
        assert 1 <= quantity(container["resources"]["limits"]["cpu"])

    def test_probes(self, container: dict[str, Any]) -> None:
        """Traffic comes to what is ready; what lives is not restarted. Cloud Run waits four minutes at most."""
        startup, liveness = container["startupProbe"], container["livenessProbe"]

        assert ("/readyz", "/livez") == (startup["httpGet"]["path"], liveness["httpGet"]["path"])
        check_probe(startup, "/readyz", 100)
        check_probe(liveness, "/livez", 30)
        assert startup["periodSeconds"] * startup["failureThreshold"] <= 240

    def test_times(self, revision: dict[str, Any], settings: Settings) -> None:
        """The service ends in time by itself, gives up before Cloud Run does, and is not sent what it would refuse."""
        check_stop(settings, CLOUD_RUN_STOP_SECONDS)
        assert settings.timeout_seconds < revision["timeoutSeconds"]
        assert revision["containerConcurrency"] <= settings.max_concurrency


class TestContainerApps:
    @pytest.fixture
    def app(self) -> dict[str, Any]:
        """The app's properties."""
        return document("container-apps")["properties"]

    @pytest.fixture
    def container(self, app: dict[str, Any]) -> dict[str, Any]:
        """Its only container."""
        (container,) = app["template"]["containers"]
        return container

    def test_form(self, app: dict[str, Any]) -> None:
        """It is what Azure's API takes, without a field that it doesn't know."""
        form = TypeAdapter(
            list[azure.ContainerAppProperties], config=ConfigDict(extra="forbid", strict=True, defer_build=True)
        )
        form.rebuild(_types_namespace=vars(azure_enums) | vars(azure))

        assert [app] == form.validate_python([app])
        assert "Microsoft.App/containerApps" == document("container-apps")["type"]

    def test_container(self, app: dict[str, Any], container: dict[str, Any]) -> None:
        """The image's port, a writable home, and two GiB for each CPU, as Azure has it."""
        ingress = app["configuration"]["ingress"]
        memory = quantity(container["resources"]["memory"])

        check_image(container["image"])
        assert PORT == ingress["targetPort"]
        assert not ingress["allowInsecure"]
        assert writable_home(variables(container))
        assert memory > SERVING_BYTES
        assert memory == container["resources"]["cpu"] * 2 * 2**30

    def test_probes(self, container: dict[str, Any]) -> None:
        """Starting and staying alive don't hang on being ready. Azure counts to ten failures at most."""
        probes = {probe["type"]: probe for probe in container["probes"]}

        assert {"Startup": "/livez", "Liveness": "/livez", "Readiness": "/readyz"} == {
            kind: probe["httpGet"]["path"] for kind, probe in probes.items()
        }
        assert {PORT} == {probe["httpGet"]["port"] for probe in probes.values()}
        for kind, shortest in {"Startup": 100, "Liveness": 30, "Readiness": 4}.items():
            check_probe(probes[kind], probes[kind]["httpGet"]["path"], shortest)
            assert probes[kind]["failureThreshold"] <= 10

    def test_stop(self, app: dict[str, Any], container: dict[str, Any]) -> None:
        """The settings exist; replicas go on until they are out of the ingress, and there is time to end well."""
        settings = check_environment(variables(container))
        (readiness,) = (probe for probe in container["probes"] if probe["type"] == "Readiness")

        assert settings.drain_seconds >= readiness["periodSeconds"] * readiness["failureThreshold"]
        check_stop(settings, app["template"]["terminationGracePeriodSeconds"])

    def test_scale(self, app: dict[str, Any], container: dict[str, Any]) -> None:
        """A replica is not sent what it would refuse, and one is left when another goes."""
        scale = app["template"]["scale"]
        (rule,) = scale["rules"]
        requests = int(rule["http"]["metadata"]["concurrentRequests"])

        assert requests <= check_environment(variables(container)).max_concurrency
        assert 2 <= scale["minReplicas"] <= scale["maxReplicas"]


@pytest.mark.parametrize("cloud", FILES)
def test_page(cloud: str) -> None:
    """Its page has three commands, the file among them, and a row for each word that is to be set."""
    page = (ROOT / "docs" / "clouds" / f"{cloud}.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    words = set(re.findall(r"\$\{(\w+)\}", text(cloud)))

    assert 3 == len(commands.splitlines())
    assert f"envsubst < deploy/clouds/{FILES[cloud].name}" in commands
    assert f"](../../deploy/clouds/{FILES[cloud].name})" in page
    assert words == set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))
    assert words >= set(re.findall(r"\$(\w+)", commands))
