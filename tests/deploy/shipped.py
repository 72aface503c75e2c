"""What the image that is shipped exposes and needs, as every platform's files must have it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bentoml._internal.container.generate import BENTO_UID_GID
from opentelemetry.sdk import environment_variables as opentelemetry

from serving import SERVICE_VERSION
from serving.routes import ROUTES
from serving.settings import Settings, load_settings
from serving.telemetry.tracing import STOPPING_SECONDS, tracing_settings
from tests.servers import ROOT

_DOCKERFILE = (ROOT / "deploy" / "image" / "Dockerfile").read_text(encoding="utf-8")

(_PORT,) = re.findall(r"^EXPOSE (\d+)$", _DOCKERFILE, re.MULTILINE)
PORT = int(_PORT)

assert f"USER {BENTO_UID_GID}\n" in _DOCKERFILE
USER = BENTO_UID_GID

SERVING_BYTES = 350e6
"""What the container stays under while it serves."""

_UNITS = {"m": 1e-3, "Mi": 2**20, "Gi": 2**30}


def quantity(text: str) -> float:
    """A number of CPUs or bytes as Kubernetes writes it."""
    number, unit = re.fullmatch(r"([\d.]+)(\D*)", text).groups()
    return float(number) * _UNITS.get(unit, 1)


def check_image(image: str) -> None:
    """It is this checkout's version of the service, from a registry that has to be named."""
    assert f"/credit-risk-api:{SERVICE_VERSION}" in image, image


def check_environment(environment: Mapping[str, str]) -> Settings:
    """Every variable exists, and the service takes every value; one worker per container."""
    unknown = {name for name in environment if not name.startswith("CREDIT_RISK_")} - {"BENTOML_HOME"}
    assert set() == unknown - vars(opentelemetry).keys()
    tracing_settings(environment)
    settings = load_settings(environment)
    assert 1 == settings.workers
    return settings


def check_stop(settings: Settings, seconds: float) -> None:
    """Between SIGTERM and SIGKILL there is time to drain, to finish the longest request, and to send the last spans."""
    assert settings.drain_seconds + settings.timeout_seconds + STOPPING_SECONDS < seconds


def check_probe(probe: Mapping[str, int], path: str, shortest: float) -> None:
    """It asks a route that there is, gives up on an answer that doesn't come, and waits long enough before it acts.

    Args:
        probe: with Kubernetes's names.
        path: what it asks.
        shortest: the least number of seconds before it acts.
    """
    assert "GET" in ROUTES[path].methods
    assert 2 <= probe["timeoutSeconds"] <= probe["periodSeconds"]
    assert shortest <= probe["periodSeconds"] * probe["failureThreshold"]
