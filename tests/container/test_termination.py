"""The ends of a container: told to end, killed, out of memory. What is lost, what is counted, and how long it takes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.container.containers import READY_SECONDS, Container, docker, run_container
from tests.container.offered import offering
from tests.container.stacks import COMPOSE, Stack, ready, stack, tagged
from tests.deploy.monitoring import free_port
from tests.servers import wait_for

pytestmark = pytest.mark.container

RATE = 100


OPEN = {"CREDIT_RISK_ACCESS": "open", "CREDIT_RISK_KEYS_FILE": ""}


@pytest.fixture(scope="module")
def project(image: str) -> Iterator[Stack]:
    """The API by compose, with little memory to spare."""
    with (
        tagged(image) as tag,
        stack(COMPOSE / "compose.yaml", TAG=tag, PORT=str(free_port()), MEMORY_LIMIT="330m", **OPEN) as running,
    ):
        running.up()
        yield running


def metric(container: Container, name: str) -> float:
    lines = httpx.get(f"{container.url}/metrics").text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


def restarted(container: Container, count: int) -> float:
    """When it serves again, after this many restarts in all."""
    wait_for(lambda: container.inspect()["RestartCount"] == count, READY_SECONDS)
    wait_for(lambda: ready(container.url), READY_SECONDS)
    return time.perf_counter()


def test_sigterm_under_load_loses_nothing(
    image: str, applications: list[dict[str, Any]], record_property: pytest.RecordProperty
) -> None:
    """What was sent until readiness failed is answered, however late; then it exits with 0, before SIGKILL is due."""
    with run_container(image, CREDIT_RISK_DRAIN_SECONDS="3") as container:
        with offering(container.url, applications, RATE) as offered:
            time.sleep(3)
            docker("kill", "--signal", "TERM", container.id)
            told = time.perf_counter()
            wait_for(lambda: not ready(container.url))
            offered.stop.set()
        code = int(docker("wait", container.id, timeout=60).stdout)
        took = time.perf_counter() - told
        messages = [line["message"] for line in container.lines()]

    print(offered, f"; exit {code} after {took:.1f} s", sep="")
    record_property("sigterm", f"{offered}; exit {code} after {took:.1f} s")
    assert [] == offered.failed()
    assert any(sample.end > told for sample in offered.samples)
    assert 0 == code
    assert took < 15
    assert "SIGTERM: not ready any more" in messages


def test_sigkill_is_restarted(project: Stack, record_property: pytest.RecordProperty) -> None:
    """A process that is killed is started again by the engine, and seen to have been by the metric of the alert."""
    container = project.container("api")
    state, count = container.inspect()["State"], container.inspect()["RestartCount"]
    started = metric(container, "credit_risk_start_time_seconds")
    try:
        os.kill(state["Pid"], 9)
    except (PermissionError, ProcessLookupError):
        pytest.skip("the engine's processes can't be killed from here")
    killed = time.perf_counter()
    took = restarted(container, count + 1) - killed

    print(f"serving {took:.1f} s after SIGKILL")
    record_property("sigkill", f"serving again after {took:.1f} s")
    assert metric(container, "credit_risk_start_time_seconds") > started


def test_out_of_memory_is_restarted(project: Stack, record_property: pytest.RecordProperty) -> None:
    """Over its limit it is killed by the kernel, started again, and counted; with an empty /tmp it serves."""
    container = project.container("api")
    count = container.inspect()["RestartCount"]
    started = metric(container, "credit_risk_start_time_seconds")
    since = str(int(time.time()) - 1)
    # /tmp is memory. Who fills it is killed, too.
    begun = time.perf_counter()
    container.run(
        "python", "-c", "file = open('/tmp/filling', 'wb')\nwhile True: file.write(bytes(1 << 20))", check=False
    )
    took = restarted(container, count + 1) - begun
    events = docker(
        *("events", "--since", since, "--until", str(int(time.time()) + 1)),
        *("--filter", f"container={container.id}", "--format", "{{.Action}} {{.Actor.Attributes.exitCode}}"),
    ).stdout.splitlines()

    print(f"serving {took:.1f} s after running out of memory")
    record_property("oom", f"serving again after {took:.1f} s")
    assert "oom" in {event.split()[0] for event in events}
    assert "die 137" in events
    assert metric(container, "credit_risk_start_time_seconds") > started
    assert metric(container, "credit_risk_memory_limit_bytes") == 330 << 20


def test_too_little_memory_to_start(project: Stack) -> None:
    """With a limit that it can't start in, it is started again and again, and each time counted."""
    small = Stack(project.file, {**project.variables, "MEMORY_LIMIT": "100m"})
    small.run("up", "--detach")
    container = small.container("api")

    wait_for(lambda: container.inspect()["RestartCount"] >= 2, READY_SECONDS)

    assert not ready(container.url)
