"""The manifests that score portfolios: a Job for one machine, a RayJob for many."""

from __future__ import annotations

import shlex
from typing import Any

import kubernetes_validate
import pytest
import yaml

from portfolio.__main__ import main
from tests.deploy.manifests import rendered
from tests.deploy.shipped import USER, quantity
from tests.servers import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
IN, OUT = "/portfolio/in", "/portfolio/out"
WORKER_BYTES = 400 * 2**20
"""What a worker stays under."""


def manifest(folder: str, kind: str) -> dict[str, Any]:
    """A folder's only manifest of a kind."""
    (found,) = (each for each in yaml.safe_load_all(rendered(FOLDER / folder)) if each["kind"] == kind)
    return found


def pods(kind: str) -> dict[str, dict[str, Any]]:
    """The pods' templates by what they are for."""
    if kind == "Job":
        return {"job": manifest("portfolio", "Job")["spec"]["template"]}
    spec = manifest("portfolio-ray", "RayJob")["spec"]
    cluster = spec["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    return {
        "submitter": spec["submitterPodTemplate"],
        "head": cluster["headGroupSpec"]["template"],
        "worker": workers["template"],
    }


@pytest.mark.parametrize(
    ("kind", "name"), [("Job", "job"), ("RayJob", "submitter"), ("RayJob", "head"), ("RayJob", "worker")]
)
class TestPods:
    def test_kubernetes_takes_it(self, kind: str, name: str) -> None:
        pod = {"apiVersion": "v1", "kind": "Pod", **pods(kind)[name]}
        pod["metadata"] = {"name": name, **pod["metadata"]}
        for version in ("1.31", kubernetes_validate.latest_version()):
            kubernetes_validate.validate(pod, version, strict=True)

    def test_it_has_no_rights(self, kind: str, name: str) -> None:
        """As the "restricted" Pod Security Standard asks, and no token; its files are the image's user's."""
        spec = pods(kind)[name]["spec"]
        (container,) = spec["containers"]
        user = spec["securityContext"]
        assert (True, USER, USER, USER) == tuple(
            user[k] for k in ("runAsNonRoot", "runAsUser", "runAsGroup", "fsGroup")
        )
        assert {"type": "RuntimeDefault"} == user["seccompProfile"]
        assert {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        } == container["securityContext"]
        assert spec["automountServiceAccountToken"] is False
        assert {"name": "BENTOML_HOME", "value": "/home/bentoml/bento"} in container["env"]
        assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]

    def test_it_has_input_and_answers(self, kind: str, name: str) -> None:
        spec = pods(kind)[name]["spec"]
        mounts = {each["mountPath"]: each["name"] for each in spec["containers"][0]["volumeMounts"]}
        volumes = {each["name"]: each for each in spec["volumes"]}
        assert mounts.items() >= {"/portfolio": "portfolio", "/tmp": "tmp"}.items()
        assert {"claimName": "credit-risk-portfolio"} == volumes["portfolio"]["persistentVolumeClaim"]
        assert volumes.keys() == set(mounts.values())

    def test_a_policy_is_for_it(self, kind: str, name: str) -> None:
        """It picks the pods; nobody gets in but them and the operator, nothing goes out but to them and to DNS."""
        policy = manifest("portfolio" if kind == "Job" else "portfolio-ray", "NetworkPolicy")["spec"]
        labels = pods(kind)[name]["metadata"]["labels"]
        assert policy["podSelector"]["matchLabels"] == labels
        assert {"Ingress", "Egress"} == set(policy["policyTypes"])
        if kind == "Job":
            assert {"podSelector", "policyTypes"} == policy.keys()
        else:
            us = {"podSelector": {"matchLabels": labels}}
            assert [us] == policy["ingress"][0]["from"] == policy["egress"][0]["to"]
            assert [[{"port": 8265}]] == [rule["ports"] for rule in policy["ingress"][1:]]
            assert {53} == {port["port"] for rule in policy["egress"][1:] for port in rule["ports"]}


class TestJob:
    def test_kubernetes_takes_all(self) -> None:
        for each in yaml.safe_load_all(rendered(FOLDER / "portfolio")):
            for version in ("1.31", kubernetes_validate.latest_version()):
                kubernetes_validate.validate(each, version, strict=True)

    def test_as_many_workers_as_it_has_cpus_and_memory_for(self) -> None:
        (container,) = pods("Job")["job"]["spec"]["containers"]
        arguments = container["args"]
        workers = int(arguments[arguments.index("--workers") + 1])
        assert quantity(container["resources"]["requests"]["cpu"]) == workers
        assert quantity(container["resources"]["limits"]["memory"]) >= (workers + 1) * WORKER_BYTES

    def test_the_command_takes_the_arguments(self, capsys: pytest.CaptureFixture[str]) -> None:
        (container,) = pods("Job")["job"]["spec"]["containers"]
        check_command([*container["command"], *container["args"]], capsys)

    def test_what_would_end_the_same_is_not_tried_again(self) -> None:
        """Exit codes of wrong arguments and of too many bad rows; a lost pod is followed by another."""
        spec = manifest("portfolio", "Job")["spec"]
        ignored, failed = spec["podFailurePolicy"]["rules"]
        assert ("Ignore", "DisruptionTarget") == (ignored["action"], ignored["onPodConditions"][0]["type"])
        assert ("FailJob", [2, 3]) == (failed["action"], failed["onExitCodes"]["values"])
        assert "Never" == spec["template"]["spec"]["restartPolicy"]


class TestRayJob:
    def test_the_command_takes_the_arguments(self, capsys: pytest.CaptureFixture[str]) -> None:
        check_command(shlex.split(manifest("portfolio-ray", "RayJob")["spec"]["entrypoint"]), capsys)

    def test_the_head_has_no_cpus_and_a_worker_has_memory_for_each(self) -> None:
        cluster = manifest("portfolio-ray", "RayJob")["spec"]["rayClusterSpec"]
        (container,) = pods("RayJob")["worker"]["spec"]["containers"]
        limits = container["resources"]["limits"]
        assert "0" == cluster["headGroupSpec"]["rayStartParams"]["num-cpus"]
        assert quantity(limits["memory"]) >= quantity(limits["cpu"]) * WORKER_BYTES + 1e9

    def test_nobody_else_runs_code_in_it_and_nothing_is_told_to_others(self) -> None:
        spec = manifest("portfolio-ray", "RayJob")["spec"]
        assert {"mode": "token"} == spec["rayClusterSpec"]["authOptions"]
        for pod in pods("RayJob").values():
            assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in pod["spec"]["containers"][0]["env"]

    def test_image_and_version_are_this_checkouts(self) -> None:
        cluster = manifest("portfolio-ray", "RayJob")["spec"]["rayClusterSpec"]
        assert f"ray[client,default]=={cluster['rayVersion']}" in (ROOT / "requirements-ray.in").read_text()
        images = {pod["spec"]["containers"][0]["image"] for pod in pods("RayJob").values()}
        (image,) = {pods("Job")["job"]["spec"]["containers"][0]["image"]}
        assert {image.replace("credit-risk-api:", "credit-risk-api-ray:")} == images


def check_command(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """It goes as far as the model, which is in the image and not here."""
    assert ["python", "-m", "portfolio"] == command[:3]
    assert {IN, OUT} < set(command)
    assert 1 == main([*command[3:], "--model", "/nowhere"])
    assert "--model: there is no /nowhere" in capsys.readouterr().err
