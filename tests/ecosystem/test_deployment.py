"""deploy/bentocloud: what `bentoml deploy` makes of the file by BentoML's own classes, and what it sends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from difflib import unified_diff
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from _bentoml_sdk.service.config import ServiceConfig
from bentoml._internal.cloud.deployment import DeploymentAPI
from bentoml._internal.cloud.schemas.modelschemas import DeploymentStrategy
from bentoml._internal.cloud.schemas.schemasv2 import CreateDeploymentSchema
from bentoml._internal.utils.cattr import bentoml_cattr
from pydantic import TypeAdapter

from serving import SERVICE_NAME, SERVICE_VERSION
from serving.settings import load_settings
from tests.servers import ROOT, environment

FILE = ROOT / "deploy" / "bentocloud" / "deployment.yaml"


@pytest.fixture
def document() -> dict[str, Any]:
    """What is in the file."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def as_json(document: Any) -> str:
    """For a comparison that tells true from 1, and 1 from "1"."""
    return json.dumps(document, indent=1, sort_keys=True)


def faults(document: dict[str, Any]) -> str | None:
    """What is wrong with a deployment file; None where BentoML takes all of it as it is written.

    BentoML itself drops what it doesn't know and turns values into the type that it wants, without a word.
    """
    try:
        deployment = bentoml_cattr.structure(document, CreateDeploymentSchema)
        DeploymentAPI._fix_and_validate_schema(deployment)
        taken = bentoml_cattr.unstructure(deployment)
        for name, service in deployment.services.items():
            DeploymentStrategy(service.deployment_strategy or DeploymentStrategy.RollingUpdate)
            overrides = TypeAdapter(ServiceConfig).validate_python(service.config_overrides)
            taken["services"][name]["config_overrides"] = overrides
    except Exception as exc:  # noqa: BLE001  # each of these classes has errors of its own
        return f"{type(exc).__name__}: {exc}"
    lines = unified_diff(
        as_json(document).splitlines(), as_json(taken).splitlines(), "written", "taken", n=0, lineterm=""
    )
    return "\n".join(lines) or None


class TestFile:
    def test_is_taken_as_it_is(self, document: dict[str, Any]) -> None:
        """No key is dropped, no value converted."""
        assert None is faults(document)

    def test_names_this_service(self, document: dict[str, Any]) -> None:
        """The Bento is this project's, and its only service is configured."""
        assert SERVICE_NAME == document["bento"].partition(":")[0]
        assert {SERVICE_NAME} == document["services"].keys()

    def test_variables_are_settings(self, document: dict[str, Any]) -> None:
        """The service starts with the variables, and a replica may be sent as many requests as it takes at once."""
        settings = load_settings({each["name"]: each["value"] for each in document["envs"]})
        traffic = document["services"][SERVICE_NAME]["config_overrides"]["traffic"]

        assert 1 == settings.workers
        assert traffic["concurrency"] <= settings.max_concurrency

    def test_is_not_open_to_all(self, document: dict[str, Any]) -> None:
        """The service has no authentication of its own, so BentoCloud's is on."""
        assert document["access_authorization"]


SERVICE = ("services", SERVICE_NAME)


def put(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Set what is at a path."""

    def change(document: dict[str, Any]) -> None:
        *parents, last = path
        for each in parents:
            document = document[each]
        document[last] = value

    return change


def rename(*path: str, to: str) -> Callable[[dict[str, Any]], None]:
    """Give the key at a path another name."""

    def change(document: dict[str, Any]) -> None:
        *parents, last = path
        for each in parents:
            document = document[each]
        document[to] = document.pop(last)

    return change


CARELESS = {
    "a misspelt key": rename("access_authorization", to="access_authorisation"),
    "a misspelt key of a service": rename(*SERVICE, "scaling", to="scalling"),
    "a misspelt key of scaling": rename(*SERVICE, "scaling", "max_replicas", to="max_replica"),
    "a key of the command line": rename(*SERVICE, "deployment_strategy", to="strategy"),
    "a misspelt key of the overrides": rename(*SERVICE, "config_overrides", "traffic", to="trafic"),
    "a misspelt key in the overrides": rename(*SERVICE, "config_overrides", "traffic", "concurrency", to="concurency"),
    "text for a truth value": put("access_authorization", value="yes"),
    "text for a number": put(*SERVICE, "scaling", "min_replicas", value="2"),
    "a truth value for a number": put(*SERVICE, "scaling", "min_replicas", value=True),
    "a number for text": put("envs", value=[{"name": "CREDIT_RISK_WORKERS", "value": 1}]),
    "text for a number of the overrides": put(*SERVICE, "config_overrides", "traffic", "concurrency", value="100"),
    "zero in the overrides": put(*SERVICE, "config_overrides", "traffic", "concurrency", value=0),
    "variables by name": put("envs", value={"CREDIT_RISK_WORKERS": "1"}),
    "an unknown strategy": put(*SERVICE, "deployment_strategy", value="Rolling"),
    "fewer at most than at least": put(*SERVICE, "scaling", "max_replicas", value=1),
    "no Bento": lambda document: document.pop("bento"),
}


@pytest.mark.parametrize("change", CARELESS.values(), ids=CARELESS)
def test_careless_changes_are_found(document: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> None:
    """What BentoML would drop, convert or refuse is found here."""
    changed = deepcopy(document)
    change(changed)

    assert document != changed
    assert None is not faults(changed)


@contextmanager
def cloud() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """BentoCloud's API as far as `bentoml deploy` gets without an account: it has the Bento, and refuses to run it.

    Its address, and the requests that change something: path and document.
    """
    received: list[tuple[str, Any]] = []
    repository = {"uid": "1", "created_at": "2026-01-01T00:00:00", "updated_at": None, "deleted_at": None}
    repository |= {"name": SERVICE_NAME, "resource_type": "bento", "labels": [], "description": ""}
    manifest = {"name": SERVICE_NAME, "entry_service": SERVICE_NAME, "service": "service:CreditRisk"}
    manifest |= {"bentoml_version": "1.4.39", "size_bytes": 1, "apis": {}}
    bento = repository | {"version": SERVICE_VERSION, "repository": repository, "manifest": manifest}
    bento |= {"image_build_status": "success", "upload_status": "success", "upload_finished_reason": ""}
    bento |= {"presigned_upload_url": "", "presigned_download_url": ""}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the base class's name
            self._answer(200, {"start": 0, "count": 1, "total": 1, "items": [bento]})

        def do_POST(self) -> None:  # the same
            received.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self._answer(400, {"message": "no account"})

        def _answer(self, status: int, document: Any) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()


def without_nulls(document: Any) -> Any:
    """Without what is null, which BentoML sends for what it wasn't told."""
    if isinstance(document, list):
        return [without_nulls(each) for each in document]
    if isinstance(document, dict):
        return {name: without_nulls(value) for name, value in document.items() if value is not None}
    return document


@pytest.mark.slow
def test_is_what_is_sent(document: dict[str, Any], tmp_path: Path) -> None:
    """The command itself sends the file as it is, where the Bento has been pushed already."""
    with cloud() as (url, received):
        result = subprocess.run(
            [sys.executable, "-m", "bentoml", "deploy", "--config-file", FILE, "--no-wait"],
            cwd=tmp_path,
            env=environment(tmp_path, BENTO_CLOUD_API_ENDPOINT=url, BENTO_CLOUD_API_KEY="none"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    ((path, sent),) = received or pytest.fail(result.stderr)

    assert path.startswith("/api/v2/deployments")
    assert as_json(document | {"dev": False}) == as_json(without_nulls(sent))
    assert 1 == result.returncode
    assert "no account" in result.stderr
