"""The Kubernetes manifests as kustomize renders them."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from serving.settings import Settings
from tests.deploy.shipped import check_environment
from tests.servers import ROOT

FOLDER = ROOT / "deploy" / "kubernetes" / "overlays"

COMPONENTS = {"credit-risk-migration", "credit-risk-records"}
"""Manifests that components bring, and not the API itself."""

Labels = dict[str, str]


class Manifests:
    """A rendered overlay.

    Args:
        text: as it would be applied.
        secrets: what the Secrets hold that variables are taken from, by their names and keys.
    """

    def __init__(self, text: str, secrets: Mapping[tuple[str, str], str] | None = None) -> None:
        self.all: list[dict[str, Any]] = list(yaml.safe_load_all(text))
        self._secrets = secrets or {}

    def __getitem__(self, kind: str) -> dict[str, Any]:
        """The API's only manifest of a kind."""
        (found,) = (each for each in self.all if each["kind"] == kind and each["metadata"]["name"] not in COMPONENTS)
        return found

    def named(self, kind: str, name: str) -> dict[str, Any]:
        """Any manifest."""
        (found,) = (each for each in self.all if (each["kind"], each["metadata"]["name"]) == (kind, name))
        return found

    @property
    def pod(self) -> dict[str, Any]:
        """The pod's template."""
        return self["Deployment"]["spec"]["template"]

    @property
    def container(self) -> dict[str, Any]:
        """The pod's only container."""
        (container,) = self.pod["spec"]["containers"]
        return container

    @property
    def writable(self) -> list[dict[str, Any]]:
        """The pod's volumes that can be written to: all but Secrets."""
        return [volume for volume in self.pod["spec"]["volumes"] if "secret" not in volume]

    @property
    def environment(self) -> Labels:
        """The container's environment."""
        return self["ConfigMap"]["data"] | {each["name"]: self._value(each) for each in self.container["env"]}

    def _value(self, variable: dict[str, Any]) -> str:
        if "valueFrom" not in variable:
            return str(variable["value"])
        reference = variable["valueFrom"]["secretKeyRef"]
        return self._secrets[reference["name"], reference["key"]]

    @property
    def settings(self) -> Settings:
        """What the service makes of it."""
        return check_environment(self.environment)

    def port(self, name: str) -> int:
        """A port of the container."""
        (number,) = (port["containerPort"] for port in self.container["ports"] if port["name"] == name)
        return number


@functools.cache
def render(overlay: str) -> str:
    """An overlay as it would be applied."""
    return rendered(FOLDER / overlay)


def rendered(folder: Path) -> str:
    """What kustomize makes of a folder."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl, which has kustomize in it, is not installed")
    return subprocess.run(
        [kubectl, "kustomize", folder],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
