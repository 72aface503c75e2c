"""The Kubernetes manifests as kustomize renders them."""

from __future__ import annotations

import functools
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from serving.settings import Settings
from tests.deploy.shipped import check_environment
from tests.servers import ROOT

FOLDER = ROOT / "deploy" / "kubernetes" / "overlays"

Labels = dict[str, str]


class Manifests:
    """A rendered overlay."""

    def __init__(self, text: str) -> None:
        self.all: list[dict[str, Any]] = list(yaml.safe_load_all(text))

    def __getitem__(self, kind: str) -> dict[str, Any]:
        """The only manifest of a kind."""
        (found,) = (manifest for manifest in self.all if manifest["kind"] == kind)
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
        return self["ConfigMap"]["data"] | {each["name"]: each["value"] for each in self.container["env"]}

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
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl, which has kustomize in it, is not installed")
    return subprocess.run(
        [kubectl, "kustomize", FOLDER / overlay],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
