"""Nobody reads the log for a while, or ever again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from serving.telemetry.logs import QUEUE_LINES
from tests import expect
from tests.servers import HANG_SECONDS, ROOT, copy_store, environment, wait_for

pytestmark = pytest.mark.slow

ROWS = 500


@pytest.fixture
def unread(store: Path, tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server whose standard output is a pipe that only the test reads; where it answers, and its process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [sys.executable, "-m", "bentoml", "serve", "service:CreditRisk", "--host", "127.0.0.1", "--port", str(port)],
        cwd=ROOT,
        env=environment(copy_store(store, tmp_path), CREDIT_RISK_DRAIN_SECONDS="0"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        children: list[psutil.Process] = []

        def ready() -> bool:
            assert process.poll() is None
            try:
                return httpx.get(f"{url}/readyz", timeout=HANG_SECONDS).status_code == 200
            except httpx.TransportError:
                return False

        try:
            wait_for(ready)
            children = psutil.Process(process.pid).children(recursive=True)
            yield url, process
        finally:
            for child in children:
                if child.is_running():
                    child.kill()
            process.kill()


def dropped(url: str) -> float:
    """Lines that were lost, by the service's own count."""
    lines = httpx.get(f"{url}/metrics", timeout=HANG_SECONDS).text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith("credit_risk_log_lines_dropped_total"))


def test_a_log_that_nobody_reads(
    unread: tuple[str, subprocess.Popen[bytes]], applications: list[dict[str, Any]]
) -> None:
    """Decisions go on, lines are lost and counted; SIGTERM still ends it, though what waits can't be written."""
    url, process = unread
    children = psutil.Process(process.pid).children(recursive=True)
    batch = (applications * 2)[:ROWS]
    answered = 0
    while answered < 2 * QUEUE_LINES:
        answer = httpx.post(f"{url}/predict/batch", json=batch, timeout=HANG_SECONDS)
        assert ROWS == expect.answer(answer)["batch_size"]
        answered += ROWS
    assert 0 < dropped(url) < answered

    os.kill(process.pid, signal.SIGTERM)
    assert 0 == process.wait(timeout=HANG_SECONDS)
    wait_for(lambda: not any(child.is_running() for child in children))  # whoever is left would keep the pipe open

    assert process.stdout is not None
    *complete, _ = process.stdout.read().split(b"\n")
    assert all(isinstance(json.loads(line), dict) for line in complete)
