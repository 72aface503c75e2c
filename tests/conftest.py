"""The server that most tests share, and what they need to talk to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings

from tests.applications import portfolio
from tests.lifeline import hold
from tests.servers import ELSEWHERE, HANG_SECONDS, ROOT, Server, ServerElsewhere, copy_store, run_python, serving


def pytest_configure() -> None:
    """No server outlives a test run, not even one that is killed; and no example has to be quick."""
    hold()
    settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any machine")


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BENTOML_HOME into which the artifacts were imported; copied for each server, never served itself."""
    home = tmp_path_factory.mktemp("store")
    run_python("import_model.py", home=home)
    return home


@pytest.fixture(scope="session")
def server(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the default settings; the one that CREDIT_RISK_TEST_URL names, if any."""
    if ELSEWHERE:
        yield ServerElsewhere(ELSEWHERE)
        return
    with serving(copy_store(store, tmp_path_factory.mktemp("server"))) as running:
        yield running


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[httpx.Client]:
    """An HTTP client of the shared server."""
    with httpx.Client(base_url=server.url, timeout=HANG_SECONDS) as running:
        yield running


@pytest.fixture(scope="session")
def example() -> dict[str, Any]:
    """The application of the README and the examples."""
    return json.loads((ROOT / "examples" / "application.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def applications() -> list[dict[str, Any]]:
    """300 varied applications, with values missing in some."""
    return portfolio(300, seed=300)
