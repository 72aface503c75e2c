"""The image runs under what Kubernetes's manifests and the clouds' files state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import yaml

from tests.container.containers import run_container
from tests.deploy.manifests import Manifests, render
from tests.deploy.shipped import quantity
from tests.servers import ROOT

pytestmark = pytest.mark.container

CLOUDS = ROOT / "deploy" / "clouds"


@dataclass(frozen=True)
class Terms:
    """What a platform's file states, as options of `docker run`.

    Attributes:
        restrictions: rights and limits.
        environment: variables.
        stop_seconds: from SIGTERM to SIGKILL.
        health: a command that says whether it is healthy, where there is one.
    """

    restrictions: tuple[str, ...]
    environment: dict[str, str]
    stop_seconds: int
    health: tuple[str, ...] = ()


def memory(text: str) -> tuple[str, ...]:
    """The options for a limit of memory, without swap beside it."""
    return ("--memory", f"{quantity(text):.0f}", "--memory-swap", f"{quantity(text):.0f}")


def kubernetes() -> Terms:
    """The terms of the small overlay."""
    manifests = Manifests(render("small"))
    spec, container = manifests.pod["spec"], manifests.container
    user = f"{spec['securityContext']['runAsUser']}:{spec['securityContext']['runAsGroup']}"
    (mount,), (volume,) = container["volumeMounts"], spec["volumes"]
    size = quantity(volume["emptyDir"]["sizeLimit"])
    drop = container["securityContext"]["capabilities"]["drop"]
    return Terms(
        (
            *("--read-only", "--security-opt", "no-new-privileges", "--user", user),
            *(part for capability in drop for part in ("--cap-drop", capability)),
            *("--tmpfs", f"{mount['mountPath']}:size={size:.0f}"),
            *memory(container["resources"]["limits"]["memory"]),
        ),
        manifests.environment,
        spec["terminationGracePeriodSeconds"],
    )


def variables(entries: list[dict[str, str]]) -> dict[str, str]:
    """A container's environment."""
    return {entry["name"]: entry["value"] for entry in entries}


def ecs() -> Terms:
    """The terms of the task definition."""
    task = read("ecs.json")
    (container,) = task["containerDefinitions"]
    (tmp,) = container["linuxParameters"]["tmpfs"]
    drop = container["linuxParameters"]["capabilities"]["drop"]
    return Terms(
        (
            *("--read-only", "--user", container["user"]),
            *(part for capability in drop for part in ("--cap-drop", capability)),
            *("--tmpfs", f"{tmp['containerPath']}:size={tmp['size']}m"),
            *memory(f"{task['memory']}Mi"),
        ),
        variables(container["environment"]),
        container["stopTimeout"],
        tuple(container["healthCheck"]["command"][1:]),
    )


def cloud_run() -> Terms:
    """The terms of the revision, with the variable that Cloud Run adds and the time that it waits."""
    (container,) = read("cloud-run.yaml")["spec"]["template"]["spec"]["containers"]
    port = {"PORT": str(container["ports"][0]["containerPort"])}
    return Terms(memory(container["resources"]["limits"]["memory"]), variables(container["env"]) | port, 10)


def container_apps() -> Terms:
    """The terms of the app's template."""
    template = read("container-apps.yaml")["properties"]["template"]
    (container,) = template["containers"]
    return Terms(
        memory(container["resources"]["memory"]), variables(container["env"]), template["terminationGracePeriodSeconds"]
    )


def read(file: str) -> Any:
    """A cloud's file."""
    return yaml.safe_load((CLOUDS / file).read_text(encoding="utf-8"))  # JSON is YAML


@pytest.mark.parametrize(
    "platform", [kubernetes, ecs, cloud_run, container_apps], ids=lambda platform: platform.__name__
)
def test_runs_on_its_terms(image: str, platform: Callable[[], Terms], example: dict[str, Any]) -> None:
    """It gets ready, answers applications, one and 500, is healthy, and ends by itself in the time that it is given."""
    terms = platform()
    with run_container(image, restrictions=terms.restrictions, **terms.environment) as container:
        one = httpx.post(f"{container.url}/predict", json=example, timeout=30)
        many = httpx.post(f"{container.url}/predict/batch", json=[example] * 500, timeout=30)

        assert [200, 200] == [one.status_code, many.status_code]
        if terms.health:
            container.run(*terms.health)
        assert 0 == container.stop(terms.stop_seconds)
