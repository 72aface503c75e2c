"""Compose projects for the tests: deploy/compose as it is, under names and ports of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.container import database_image
from tests.container.containers import READY_SECONDS, Container, docker
from tests.servers import ROOT, wait_for

COMPOSE = ROOT / "deploy" / "compose"
BASE = "python:3.11-slim"

_DEBIAN = f"""FROM {BASE}
RUN apt-get -qq update \\
    && apt-get -qq install -y --no-install-recommends haproxy prometheus prometheus-alertmanager > /dev/null \\
    && install -d -o nobody -g nogroup /prometheus /alertmanager
"""
_STAND_INS = {
    "prom/prometheus": f'{_DEBIAN}USER nobody\nENTRYPOINT ["prometheus"]\n',
    "prom/alertmanager": f'{_DEBIAN}USER nobody\nENTRYPOINT ["prometheus-alertmanager"]\n',
    "haproxy": _DEBIAN,
    "postgres": database_image.DOCKERFILE,
}
"""For where no registry can be reached: Debian's packages, with the users, folders and entry points of the originals.

Those of _DEBIAN share a layer, so that Debian is asked once.
"""
_PROFILES = [part for name in ("monitoring", "tracing", "records") for part in ("--profile", name)]


@cache
def compose() -> tuple[str, ...]:
    """The compose command that `switch` would take; the test is skipped where there is none."""
    if docker("compose", "version", check=False).returncode == 0:
        return "docker", "compose"
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    pytest.skip("no docker compose")


def ready(url: str) -> bool:
    """Whether it is ready; False also while nothing listens."""
    try:
        return httpx.get(f"{url}/readyz", timeout=1).status_code == 200
    except httpx.TransportError:
        return False


def build(image: str, dockerfile: str) -> None:
    """Make an image of a Dockerfile without a context."""
    result = subprocess.run(
        ["docker", "build", "--quiet", "--tag", image, "-"],
        input=dockerfile,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr


@contextmanager
def tagged(image: str) -> Iterator[str]:
    """The tag under which compose finds `image`, whatever its name is."""
    tag = f"test-{uuid.uuid4().hex[:12]}"
    docker("tag", image, f"credit-risk-api:{tag}")
    try:
        yield tag
    finally:
        docker("image", "rm", "--force", f"credit-risk-api:{tag}")


@contextmanager
def available(*images: str) -> Iterator[None]:
    """The images: those that the engine has or can pull, and else stand-ins under their names, removed at the end."""
    made = []
    try:
        for image in images:
            if (
                docker("image", "inspect", image, check=False).returncode
                and docker("pull", image, check=False).returncode
            ):
                build(image, _STAND_INS[image.partition(":")[0]])
                made.append(image)
        yield
    finally:
        for image in made:
            docker("image", "rm", "--force", image)


@dataclass(frozen=True)
class Stack:
    """A compose project.

    Attributes:
        file: its compose file.
        variables: what it is run with, beside what .env has.
    """

    file: Path
    variables: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which its commands run."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CREDIT_RISK_", "OTEL_"))}
        return kept | self.variables

    @property
    def name(self) -> str:
        """The project's name."""
        return self.variables["COMPOSE_PROJECT_NAME"]

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.variables['PORT']}"

    def run(self, *arguments: str) -> str:
        """Standard output of a compose command."""
        result = subprocess.run(
            [*compose(), "-f", str(self.file), *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    def config(self) -> dict[str, Any]:
        """The services as compose understands them, those of every profile."""
        return yaml.safe_load(self.run(*_PROFILES, "config"))["services"]

    def services(self) -> set[str]:
        """What runs."""
        return set(
            docker(
                *("ps", "--filter", f"label=com.docker.compose.project={self.name}"),
                *("--format", '{{.Label "com.docker.compose.service"}}'),
            ).stdout.split()
        )

    def container(self, service: str) -> Container:
        """The one container of a service."""
        name = docker(
            *("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label=com.docker.compose.project={self.name}"),
            *("--filter", f"label=com.docker.compose.service={service}"),
        ).stdout.strip()
        return Container(name, self.url)

    def up(self, *arguments: str) -> None:
        """Start it, and wait until the API is ready."""
        self.run(*arguments, "up", "--detach")
        wait_for(self.container("api").ready, READY_SECONDS)


@contextmanager
def stack(file: Path, **variables: str) -> Iterator[Stack]:
    """A compose project under a name of its own; nothing of it is left at the end."""
    project = Stack(file, {"COMPOSE_PROJECT_NAME": f"credit-risk-test-{uuid.uuid4().hex[:12]}"} | variables)
    try:
        yield project
    finally:
        project.run(
            *_PROFILES,
            *("down", "--volumes", "--rmi", "local", "--remove-orphans", "--timeout", "3"),
        )
