"""The service's traces through a real OpenTelemetry collector, as it forwards them."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from monitoring import free_port, running

from tests.collector import Collector, collecting
from tests.servers import Server, copy_store, serving, wait_for

pytestmark = pytest.mark.slow

PARENT = "b7ad6b7169203331"
SPANS = {"POST /predict", "validate", "batch", "features", "score", "decide"}


def agent() -> str:
    """The collector's program; the test is skipped where its package is not installed or doesn't run."""
    package = importlib.util.find_spec("rotel")
    if package is None or package.origin is None:
        pytest.skip("rotel, a collector, is not installed; requirements-dev.txt has it")
    program = str(Path(package.origin).with_name("rotel-agent"))
    try:
        subprocess.run([program, "--version"], capture_output=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as exc:
        pytest.skip(f"rotel, a collector, does not run here: {exc}")
    return program


@contextmanager
def forwarding(home: Path, to: str) -> Iterator[str]:
    """A collector that takes OTLP over HTTP and exports it to another address; its own."""
    http, grpc = (f"127.0.0.1:{free_port()}" for _ in range(2))
    with running(
        home,
        f"http://{http}/v1/traces",
        agent(),
        "start",
        f"--otlp-http-endpoint={http}",
        f"--otlp-grpc-endpoint={grpc}",
        "--exporter=otlp",
        "--otlp-exporter-protocol=http",
        f"--otlp-exporter-endpoint={to}",
    ):
        yield f"http://{http}"


@pytest.fixture(scope="module")
def behind() -> Iterator[Collector]:
    """What the collector forwards to."""
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def traced(store: Path, tmp_path_factory: pytest.TempPathFactory, behind: Collector) -> Iterator[Server]:
    """A server that exports to the collector, and samples only what the caller has sampled."""
    home = tmp_path_factory.mktemp("traced")
    with (
        forwarding(home, behind.url) as endpoint,
        serving(
            copy_store(store, home),
            OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
            OTEL_TRACES_SAMPLER_ARG="0",
            OTEL_BSP_SCHEDULE_DELAY="100",
        ) as running,
    ):
        yield running


def ask(server: Server, example: dict[str, Any], *, sampled: bool) -> str:
    """Have an application decided as part of a trace; the trace's id."""
    trace_id = uuid4().hex
    headers = {"traceparent": f"00-{trace_id}-{PARENT}-0{int(sampled)}"}
    httpx.post(f"{server.url}/predict", json=example, headers=headers).raise_for_status()
    return trace_id


def test_a_sent_traceparent_comes_out_of_the_collector(
    traced: Server, behind: Collector, example: dict[str, Any]
) -> None:
    """The service's spans are in the collector's output, under the caller's span and each under its own parent."""
    trace_id = ask(traced, example, sampled=True)
    spans = wait_for(lambda: found if SPANS <= (found := behind.of(trace_id)).keys() else None)

    parents = {name: spans[name].parent_span_id.hex() for name in SPANS}
    request, batch = (spans[name].span_id.hex() for name in ("POST /predict", "batch"))
    under_batch = dict.fromkeys(("features", "score", "decide"), batch)
    assert {"POST /predict": PARENT, "validate": request, "batch": request, **under_batch} == parents
    assert [(trace_id, request)] == [(link.trace_id.hex(), link.span_id.hex()) for link in spans["batch"].links]


def test_an_unsampled_parent_exports_nothing(traced: Server, behind: Collector, example: dict[str, Any]) -> None:
    """What was sampled after it, and is exported in order, comes out of the collector; it doesn't."""
    silent = ask(traced, example, sampled=False)
    told = ask(traced, example, sampled=True)

    assert wait_for(lambda: SPANS <= behind.of(told).keys())
    assert silent not in {span.trace_id.hex() for span in behind.spans}
