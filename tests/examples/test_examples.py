"""The examples run as they stand."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import httpx

from tests import expect
from tests.servers import HANG_SECONDS, ROOT, Server


def run_example(server: Server, *command: str) -> subprocess.CompletedProcess[str]:
    """A finished example, run from somewhere else against the server."""
    return subprocess.run(
        command,
        cwd=server.home,
        env=os.environ | {"URL": server.url},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )


def test_curl(server: Server, client: httpx.Client, example: dict[str, Any]) -> None:
    """Every curl line succeeds and shows the answer."""
    result = run_example(server, "sh", str(ROOT / "examples" / "curl.sh"))

    lines = result.stdout.splitlines()
    assert (0, "") == (result.returncode, result.stderr)
    assert expect.answer(client.post("/predict", json=example)) == json.loads(lines[0])
    assert [1, 2] == [json.loads(line)["batch_size"] for line in lines[1:3]]
    assert "explanations" in json.loads(lines[3])
    assert {"status": "ok"} == json.loads(lines[4])
    assert "credit-risk-api" == json.loads(lines[5])["service"]
    assert ["livez 200", "healthz 200", "readyz 200", "metrics 200", "docs 200"] == lines[6:]


def test_application_is_valid(client: httpx.Client, example: dict[str, Any]) -> None:
    """The example application is the one in the API page."""
    document = expect.answer(client.get("/docs.json"))

    operation = document["paths"]["/predict"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["example"] == example
