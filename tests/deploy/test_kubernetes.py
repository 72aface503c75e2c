"""The Kubernetes manifests as kustomize renders them: valid, and right where schemas can't see it."""

from __future__ import annotations

import functools
import os
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml
from monitoring import RULES, load, rules

from serving.routes import ROUTES
from serving.settings import SettingsError
from tests.deploy.manifests import FOLDER, Labels, Manifests, render
from tests.deploy.shipped import PORT, SERVING_BYTES, USER, check_image, check_probe, check_stop, quantity
from tests.servers import ROOT

OVERLAYS = sorted(path.name for path in FOLDER.iterdir())
PAGE = ROOT / "docs" / "kubernetes.md"
UNKNOWN_KINDS = {"ServiceMonitor"}
"""Custom resources, of which kubernetes-validate has no schemas."""


def selects(selector: dict[str, Any], labels: Labels) -> bool:
    """Whether a label selector picks what has these labels; one that picks everything picks nothing here."""
    assert {"matchLabels"} >= selector.keys()
    return bool(selector) and selector["matchLabels"].items() <= labels.items()


def admits(peer: dict[str, Any], namespace: Labels, pod: Labels) -> bool:
    """Whether a network policy's peer is such a pod in such a namespace."""
    labels = {"namespaceSelector": namespace, "podSelector": pod}
    return bool(peer) and all(selects(selector, labels[kind]) for kind, selector in peer.items())


def allows(policy: dict[str, Any], direction: str, namespace: Labels, pod: Labels, port: str | int) -> bool:
    """Whether a network policy lets such a pod through on a port, "from" or "to" it."""
    return any(
        port in [each["port"] for each in rule["ports"]]
        and any(admits(peer, namespace, pod) for peer in rule[direction])
        for rule in policy["spec"][{"from": "ingress", "to": "egress"}[direction]]
    )


def check_schemas(manifests: Manifests) -> None:
    """The oldest Kubernetes that the page names takes every manifest, as does the latest, each field being known."""
    (oldest,) = re.findall(r"for Kubernetes (\d+\.\d+) and later", PAGE.read_text(encoding="utf-8"))
    for manifest in manifests.all:
        if manifest["kind"] not in UNKNOWN_KINDS:
            for version in (oldest, kubernetes_validate.latest_version()):
                kubernetes_validate.validate(manifest, version, strict=True)


def check_selectors(manifests: Manifests) -> None:
    """Whatever picks pods, or the Service, by labels picks ours."""
    labels = manifests.pod["metadata"]["labels"]
    specs = {kind: manifests[kind]["spec"] for kind in ("Deployment", "PodDisruptionBudget", "ServiceMonitor")}

    assert manifests["Service"]["spec"]["selector"].items() <= labels.items()
    assert selects(specs["Deployment"]["selector"], labels)
    assert selects(specs["PodDisruptionBudget"]["selector"], labels)
    assert selects(manifests["NetworkPolicy"]["spec"]["podSelector"], labels)
    assert all(selects(each["labelSelector"], labels) for each in manifests.pod["spec"]["topologySpreadConstraints"])
    assert selects(specs["ServiceMonitor"]["selector"], manifests["Service"]["metadata"]["labels"])


def check_names(manifests: Manifests) -> None:
    """What refers to a manifest by name refers to one that is there, and all are in one namespace."""
    spec = manifests.pod["spec"]
    target = manifests["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]

    assert 1 == len({manifest["metadata"]["namespace"] for manifest in manifests.all})
    assert target["name"] == manifests[target["kind"]]["metadata"]["name"]
    assert spec["serviceAccountName"] == manifests["ServiceAccount"]["metadata"]["name"]
    check_image(manifests.container["image"])


def check_ports(manifests: Manifests) -> None:
    """The Service leads to the port that the image listens on, and Prometheus to the Service's."""
    (port,) = manifests["Service"]["spec"]["ports"]
    (endpoint,) = manifests["ServiceMonitor"]["spec"]["endpoints"]

    assert manifests.port(port["targetPort"]) == PORT
    assert port["name"] == endpoint["port"]
    assert "GET" in ROUTES[endpoint["path"]].methods


def check_scraping(manifests: Manifests) -> None:
    """Metrics are stored under the job that the rules look for."""
    label = manifests["ServiceMonitor"]["spec"]["jobLabel"]
    job = manifests["Service"]["metadata"]["labels"][label]

    assert any(f'job="{job}"' in rule["expr"] for rule in rules("alert"))


def check_probes(manifests: Manifests) -> None:
    """Starting and staying alive don't hang on being ready, and a slow start is waited for."""
    probes = {kind: manifests.container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")}

    assert {PORT} == {manifests.port(probe["httpGet"]["port"]) for probe in probes.values()}
    assert {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"} == {
        kind: probe["httpGet"]["path"] for kind, probe in probes.items()
    }
    for kind, shortest in {"startup": 100, "liveness": 30, "readiness": 4}.items():
        check_probe(probes[kind], probes[kind]["httpGet"]["path"], shortest)


def check_settings(manifests: Manifests) -> None:
    """The service takes its settings, and a changed one makes another ConfigMap, so that it rolls out."""
    name = manifests["ConfigMap"]["metadata"]["name"]

    assert [{"configMapRef": {"name": name}}] == manifests.container["envFrom"]
    assert re.fullmatch(r"credit-risk-settings-[a-z0-9]{10}", name)
    assert manifests.settings


def check_access(manifests: Manifests) -> None:
    """Where callers need keys, the file of them is mounted from a Secret, as a folder so that changes show.

    Prometheus sends one then, too.
    """
    settings = manifests.settings
    (endpoint,) = manifests["ServiceMonitor"]["spec"]["endpoints"]
    if settings.keys_file is not None:
        secrets = {each["name"] for each in manifests.pod["spec"]["volumes"] if "secret" in each}
        mounts = {
            Path(each["mountPath"]): each for each in manifests.container["volumeMounts"] if each["name"] in secrets
        }
        mount = mounts[settings.keys_file.parent]
        assert mount["readOnly"]
        assert "subPath" not in mount
        assert {"name", "key"} == endpoint["authorization"]["credentials"].keys()


def check_rolling_update(manifests: Manifests) -> None:
    """No pod goes before another is ready, nor before routers have noticed and its last request is answered."""
    spec = manifests["Deployment"]["spec"]
    readiness = manifests.container["readinessProbe"]

    assert "RollingUpdate" == spec["strategy"].get("type", "RollingUpdate")
    assert 0 == spec["strategy"]["rollingUpdate"]["maxUnavailable"]
    assert spec["strategy"]["rollingUpdate"]["maxSurge"] >= 1
    assert manifests.settings.drain_seconds >= readiness["periodSeconds"] * readiness["failureThreshold"]
    check_stop(manifests.settings, manifests.pod["spec"]["terminationGracePeriodSeconds"])


def check_disruptions(manifests: Manifests) -> None:
    """A node can be drained at any time, with a pod left that serves."""
    scale = manifests["HorizontalPodAutoscaler"]["spec"]
    budget = manifests["PodDisruptionBudget"]["spec"]
    least = scale["minReplicas"]
    allowed = budget["maxUnavailable"] if "maxUnavailable" in budget else least - budget["minAvailable"]

    assert 1 <= allowed < least <= scale["maxReplicas"]
    assert "replicas" not in manifests["Deployment"]["spec"]  # or each rollout would undo the autoscaler's


def check_resources(manifests: Manifests) -> None:
    """Memory for serving beside a full /tmp, all of it reserved; a CPU request, which the autoscaler needs."""
    requests, limits = (manifests.container["resources"][kind] for kind in ("requests", "limits"))
    (volume,) = manifests.writable
    (metric,) = manifests["HorizontalPodAutoscaler"]["spec"]["metrics"]

    assert quantity(limits["memory"]) - quantity(volume["emptyDir"]["sizeLimit"]) > SERVING_BYTES
    assert limits["memory"] == requests["memory"]
    assert 0.5 <= quantity(requests["cpu"]) <= quantity(limits.get("cpu", requests["cpu"]))
    assert ("cpu", "Utilization") == (metric["resource"]["name"], metric["resource"]["target"]["type"])


def check_security(manifests: Manifests) -> None:
    """The pod has the image's user and no rights, as the "restricted" Pod Security Standard asks, and no token."""
    spec = manifests.pod["spec"]
    expected = {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }

    assert expected == spec["securityContext"]
    assert {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    } == manifests.container["securityContext"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()


def check_writable(manifests: Manifests) -> None:
    """Only a bounded /tmp can be written to, and BENTOML_HOME is in it."""
    (mount,) = (each for each in manifests.container["volumeMounts"] if not each.get("readOnly"))
    (volume,) = manifests.writable

    assert ("/tmp", volume["name"]) == (mount["mountPath"], mount["name"])
    assert {"emptyDir", "name"} == volume.keys()
    assert Path("/tmp") in Path(manifests.environment["BENTOML_HOME"]).parents


def check_network(manifests: Manifests) -> None:
    """Only clients and Prometheus get in, and only DNS and the collector can be reached."""
    policy = manifests["NetworkPolicy"]
    dns = [port for rule in policy["spec"]["egress"] for port in rule["ports"] if port["port"] == 53]
    monitoring = {"kubernetes.io/metadata.name": "monitoring"}
    system = {"kubernetes.io/metadata.name": "kube-system"}
    collector = {"app.kubernetes.io/name": "opentelemetry-collector"}

    assert {"Ingress", "Egress"} == set(policy["spec"]["policyTypes"])
    assert allows(policy, "from", {"credit-risk-api/client": "true"}, {}, "http")
    assert allows(policy, "from", monitoring, {"app.kubernetes.io/name": "prometheus"}, "http")
    assert not allows(policy, "from", monitoring, {}, "http")
    assert not allows(policy, "from", {}, {"app.kubernetes.io/name": "prometheus"}, "http")
    assert allows(policy, "to", system, {"k8s-app": "kube-dns"}, 53)
    assert {"UDP", "TCP"} == {port["protocol"] for port in dns}
    assert allows(policy, "to", monitoring, collector, 4318)
    assert not allows(policy, "to", {}, {}, 4318)
    if endpoint := manifests.environment.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        url = urlsplit(endpoint)
        assert url.hostname is not None
        namespace = {"kubernetes.io/metadata.name": url.hostname.split(".")[1]}
        assert url.port is not None
        assert allows(policy, "to", namespace, collector, url.port)


CHECKS = {
    name.removeprefix("check_"): value
    for name, value in globals().items()
    if name.startswith("check_") and value.__module__ == __name__
}

CONTAINER = "spec.template.spec.containers.0"
CARELESS: dict[str, tuple[str, str, str, Any]] = {
    "a misspelt field": ("schemas", "Deployment", "spec.minReadySecond", 5),
    "a Service of other pods": ("selectors", "Service", "spec.selector", {"app": "credit-risk-api"}),
    "a budget of no pods": ("selectors", "PodDisruptionBudget", "spec.selector", {}),
    "an autoscaler of nothing": ("names", "HorizontalPodAutoscaler", "spec.scaleTargetRef.name", "credit-risk"),
    "any image": ("names", "Deployment", f"{CONTAINER}.image", "registry.example.com/credit-risk-api:latest"),
    "a port where nothing listens": ("ports", "Deployment", f"{CONTAINER}.ports.0.containerPort", 8080),
    "a port that isn't there": ("ports", "Service", "spec.ports.0.targetPort", "web"),
    "another job": ("scraping", "ServiceMonitor", "spec.jobLabel", "app"),
    "restarts while not ready": ("probes", "Deployment", f"{CONTAINER}.livenessProbe.httpGet.path", "/readyz"),
    "a probe of no route": ("probes", "Deployment", f"{CONTAINER}.readinessProbe.httpGet.path", "/ready"),
    "a second to answer in": ("probes", "Deployment", f"{CONTAINER}.livenessProbe.timeoutSeconds", 1),
    "no time to start": ("probes", "Deployment", f"{CONTAINER}.startupProbe.failureThreshold", 3),
    "a misspelt setting": ("settings", "ConfigMap", "data.CREDIT_RISK_DRAIN_SECOND", "5"),
    "a value out of range": ("settings", "ConfigMap", "data.CREDIT_RISK_TIMEOUT_SECONDS", "0"),
    "a misspelt variable": ("settings", "ConfigMap", "data.OTEL_TRACE_SAMPLER", "parentbased_always_on"),
    "keys that nobody mounts": ("access", "ConfigMap", "data.CREDIT_RISK_KEYS_FILE", "/run/secrets/keys.json"),
    "keys that don't change": ("access", "Deployment", f"{CONTAINER}.volumeMounts.0.subPath", "keys.json"),
    "Prometheus without a key": ("access", "ServiceMonitor", "spec.endpoints.0.authorization", {}),
    "a second worker": ("settings", "ConfigMap", "data.CREDIT_RISK_WORKERS", "2"),
    "settings that don't roll out": ("settings", "ConfigMap", "metadata.name", "credit-risk-settings"),
    "too few pods in a rollout": ("rolling_update", "Deployment", "spec.strategy.rollingUpdate.maxUnavailable", "25%"),
    "all pods at once": ("rolling_update", "Deployment", "spec.strategy.type", "Recreate"),
    "no time to finish": ("rolling_update", "Deployment", "spec.template.spec.terminationGracePeriodSeconds", 25),
    "a short drain": ("rolling_update", "ConfigMap", "data.CREDIT_RISK_DRAIN_SECONDS", "5"),
    "a budget that lets none go": ("disruptions", "PodDisruptionBudget", "spec", {"minAvailable": 3}),
    "a single pod": ("disruptions", "HorizontalPodAutoscaler", "spec.minReplicas", 1),
    "replicas beside the autoscaler's": ("disruptions", "Deployment", "spec.replicas", 3),
    "too little memory": ("resources", "Deployment", f"{CONTAINER}.resources.limits.memory", "350Mi"),
    "memory that others may have": ("resources", "Deployment", f"{CONTAINER}.resources.requests.memory", "256Mi"),
    "root": ("security", "Deployment", "spec.template.spec.securityContext.runAsUser", 0),
    "another user": ("security", "Deployment", "spec.template.spec.securityContext.runAsUser", 1000),
    "a writable root": ("security", "Deployment", f"{CONTAINER}.securityContext.readOnlyRootFilesystem", False),
    "service links": ("security", "Deployment", "spec.template.spec.enableServiceLinks", True),
    "a home that is read-only": ("writable", "Deployment", f"{CONTAINER}.env.0.value", "/home/bentoml"),
    "a disk of the node": ("writable", "Deployment", "spec.template.spec.volumes.1.hostPath", {"path": "/tmp"}),
    "a policy for Prometheus that is us": (
        "network",
        "NetworkPolicy",
        "spec.ingress.0.from.1.podSelector.matchLabels",
        {"app.kubernetes.io/name": "credit-risk-api"},
    ),
    "open to the namespace": ("network", "NetworkPolicy", "spec.ingress.0.from.1", {"namespaceSelector": {}}),
    "no names by TCP": ("network", "NetworkPolicy", "spec.egress.0.ports.1.protocol", "UDP"),
    "spans to a closed port": (
        "network",
        "ConfigMap",
        "data.OTEL_EXPORTER_OTLP_ENDPOINT",
        "http://otlp.monitoring:4317",
    ),
}
"""What must not pass: the check that sees it, and what is put where."""


def put(manifest: Any, path: str, value: Any) -> None:
    """Set what the dotted path leads to; numbers are places in a list."""
    *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
    functools.reduce(lambda part, step: part[step], way, manifest)[last] = value


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlay(overlay: str, check: str) -> None:
    """What the check says holds."""
    CHECKS[check](Manifests(render(overlay)))


@pytest.mark.parametrize("change", CARELESS)
def test_careless_change_is_seen(change: str) -> None:
    """A change that a schema lets through, or a typing error, fails the check that is there for it."""
    check, kind, path, value = CARELESS[change]
    manifests = Manifests(render("production"))
    put(manifests[kind], path, value)

    with pytest.raises((AssertionError, KeyError, ValueError, SettingsError, kubernetes_validate.ValidationError)):
        CHECKS[check](manifests)


def test_production_is_not_open() -> None:
    """Whoever reaches a pod needs a key."""
    assert "keys" == Manifests(render("production")).settings.access


def test_every_check_can_fail() -> None:
    """For each check there is a change that fails it."""
    assert CHECKS.keys() == {check for check, *_ in CARELESS.values()}


def test_rules_as_custom_resources(tmp_path: Path) -> None:
    """The page's loop hands Prometheus's rules over to the Prometheus Operator, as they are."""
    (loop,) = re.findall(r"^(for file in .*?^done)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\ncat\necho ---\n", encoding="utf-8")
    kubectl.chmod(0o700)

    output = subprocess.run(
        ["bash", "-euc", loop],
        cwd=ROOT,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    applied = [document for document in yaml.safe_load_all(output) if document]

    assert {"PrometheusRule"} == {document["kind"] for document in applied}
    assert {f"credit-risk-{file.stem}": load(file) for file in RULES.glob("*.yml")} == {
        document["metadata"]["name"]: document["spec"] for document in applied
    }


def test_page_names_what_is_there() -> None:
    """Each folder and file that the page names is there."""
    named = re.findall(r"(?<![\w/])(?:deploy|docs|tests)/[\w./-]*\w", PAGE.read_text(encoding="utf-8"))

    assert named
    assert [] == [path for path in named if not (ROOT / path).exists()]
