"""Traces as OpenTelemetry's standard variables ask for them, seen by a receiver."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import httpx
import pytest

from serving.settings import SettingsError
from serving.tracing import TracingSettings, bentoml_tracing, tracing_settings
from tests.collector import Collector, collecting
from tests.crowd import run, session
from tests.servers import Server, copy_store, serving, wait_for

PARENT = "b7ad6b7169203331"


class TestSettings:
    @pytest.mark.parametrize(
        ("environment", "expected"),
        [
            ({}, TracingSettings(enabled=False, sample_rate=1.0)),
            ({"OTEL_TRACES_EXPORTER": "otlp"}, TracingSettings(enabled=True, sample_rate=1.0)),
            ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, TracingSettings(enabled=True, sample_rate=1.0)),
            ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, TracingSettings(enabled=True, sample_rate=1.0)),
            (
                {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"},
                TracingSettings(enabled=False, sample_rate=1.0),
            ),
            (
                {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"},
                TracingSettings(enabled=False, sample_rate=1.0),
            ),
            (
                {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_TRACES_SAMPLER_ARG": "0.01"},
                TracingSettings(enabled=True, sample_rate=0.01),
            ),
            (
                {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_TRACES_SAMPLER": "parentbased_always_off"},
                TracingSettings(enabled=True, sample_rate=0.0),
            ),
        ],
    )
    def test_the_standard_variables_are_honoured(self, environment: dict[str, str], expected: TracingSettings) -> None:
        assert expected == tracing_settings(environment)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("OTEL_TRACES_EXPORTER", "jaeger"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_TRACES_SAMPLER_ARG", "often"),
            ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
            ("OTEL_TRACES_SAMPLER_ARG", "nan"),
        ],
    )
    def test_what_cannot_be_honoured_is_refused_by_name(self, name: str, value: str) -> None:
        with pytest.raises(SettingsError, match=name):
            tracing_settings({"OTEL_TRACES_EXPORTER": "otlp", name: value})

    def test_off_spares_every_request_the_middleware(self) -> None:
        assert bentoml_tracing(TracingSettings(enabled=False, sample_rate=1.0))["excluded_urls"] == ".*"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def traced(store: Path, tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Server]:
    """A server that samples only what the caller has sampled."""
    with serving(
        copy_store(store, tmp_path_factory.mktemp("traced")),
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_TRACES_SAMPLER_ARG="0",
        OTEL_BSP_SCHEDULE_DELAY="100",
    ) as running:
        yield running


def traceparent(trace_id: str, *, sampled: bool) -> dict[str, str]:
    return {"traceparent": f"00-{trace_id}-{PARENT}-{'01' if sampled else '00'}"}


class TestRequests:
    def test_a_sampled_parent_gets_the_services_spans_under_it(
        self, traced: Server, collector: Collector, example: dict[str, Any]
    ) -> None:
        trace_id = uuid4().hex
        response = httpx.post(f"{traced.url}/predict", json=example, headers=traceparent(trace_id, sampled=True))
        assert trace_id == response.headers["X-Trace-ID"]
        expected = {"POST /predict", "validate", "batch", "features", "score", "decide"}
        spans = wait_for(lambda: found if expected <= (found := collector.of(trace_id)).keys() else None)
        request = spans["POST /predict"]
        assert request.parent_span_id.hex() == PARENT
        assert request.span_id == spans["validate"].parent_span_id == spans["batch"].parent_span_id
        assert [request.span_id] == [link.span_id for link in spans["batch"].links]
        for name in ("features", "score", "decide"):
            assert spans["batch"].span_id == spans[name].parent_span_id

    def test_an_explanation_has_its_span_too(
        self, traced: Server, collector: Collector, example: dict[str, Any]
    ) -> None:
        trace_id = uuid4().hex
        httpx.post(f"{traced.url}/predict/explain", json=example, headers=traceparent(trace_id, sampled=True))
        assert wait_for(lambda: {"features", "score", "explain"} <= collector.of(trace_id).keys())

    def test_an_unsampled_parent_exports_nothing(
        self, traced: Server, collector: Collector, example: dict[str, Any]
    ) -> None:
        silent, told = uuid4().hex, uuid4().hex
        httpx.post(f"{traced.url}/predict", json=example, headers=traceparent(silent, sampled=False))
        httpx.post(f"{traced.url}/predict", json=example, headers=traceparent(told, sampled=True))
        assert wait_for(lambda: "batch" in collector.of(told))
        assert collector.of(silent) == {}

    def test_log_lines_carry_the_trace(self, traced: Server, example: dict[str, Any]) -> None:
        trace_id = uuid4().hex
        headers = traceparent(trace_id, sampled=True) | {"X-Request-ID": trace_id}
        httpx.post(f"{traced.url}/predict", json=example, headers=headers)
        (line,) = wait_for(lambda: traced.find(logger="credit_risk.request", request_id=trace_id))
        (decision,) = traced.find(logger="credit_risk.decision", request_id=trace_id)
        assert trace_id == line["trace_id"] == decision["trace_id"]
        assert len(line["span_id"]) == 16

    def test_a_merged_batch_is_linked_to_every_request_in_it(
        self, traced: Server, collector: Collector, applications: list[dict[str, Any]]
    ) -> None:
        ids = [uuid4().hex for _ in range(64)]

        async def post(client: aiohttp.ClientSession, trace_id: str, document: dict[str, Any]) -> int:
            headers = traceparent(trace_id, sampled=True)
            async with client.post("/predict", json=document, headers=headers) as response:
                await response.read()
                return response.status

        async def send() -> list[int]:
            async with session(traced, clients=64) as client:
                work = (post(client, *pair) for pair in zip(ids, applications, strict=False))
                return await asyncio.gather(*work)

        assert [200] * 64 == run(send())

        def linked() -> set[str]:
            batches = [span for span in collector.spans if span.name == "batch"]
            return {link.trace_id.hex() for batch in batches for link in batch.links}

        assert wait_for(lambda: set(ids) <= linked())

    def test_no_span_holds_a_value_of_an_application(
        self, traced: Server, collector: Collector, example: dict[str, Any]
    ) -> None:
        trace_id = uuid4().hex
        sentinel = example | {"person_income": 54321.0625, "nobody": "SENTINEL"}
        httpx.post(f"{traced.url}/predict", json=sentinel, headers=traceparent(trace_id, sampled=True))
        assert wait_for(lambda: "POST /predict" in collector.of(trace_id))
        text = "".join(map(str, collector.spans))
        assert "54321.0625" not in text
        assert "SENTINEL" not in text
