"""Traces as OpenTelemetry's standard variables ask for them, seen by a receiver."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import httpx
import pytest
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, StaticSampler

from records.keyring import add_key
from serving.bento.configuration import tracing_configuration
from serving.settings import SettingsError
from serving.telemetry.tracing import Tracing, TracingSettings, tracing_settings
from tests.collector import Collector, collecting
from tests.crowd import run, session
from tests.servers import HANG_SECONDS, ROOT, Server, copy_store, environment, serving, wait_for

PARENT = "b7ad6b7169203331"

FATAL_PROPAGATORS = ("jaeger", "Tracecontext", "tracecontext,", " ", "baggage,none of these")
LIMITS = ("OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT")
QUEUE = ("OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE")


def start_sdk() -> None:
    """What BentoML starts of OpenTelemetry's SDK, with this process's environment."""
    propagate._load_propagators()
    SpanLimits()
    OTLPSpanExporter()
    BatchSpanProcessor(InMemorySpanExporter()).shutdown()


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

    @pytest.mark.parametrize(
        ("name", "value", "tracing"),
        [
            *(("OTEL_PROPAGATORS", value, False) for value in FATAL_PROPAGATORS),
            *((name, value, False) for name in ("OTEL_SPAN_LINK_COUNT_LIMIT", *LIMITS) for value in ("-1", "x", "1.5")),
            *((name, value, True) for name in QUEUE for value in ("0", "-1")),
            ("OTEL_BSP_MAX_QUEUE_SIZE", str(1 << 64), True),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "511", True),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2049", True),
        ],
    )
    def test_what_the_sdk_dies_of_is_refused_by_name(
        self, name: str, value: str, tracing: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only what needs an exporter is of no matter while tracing is off."""
        monkeypatch.setenv(name, value)
        with pytest.raises((ValueError, OverflowError)):
            start_sdk()
        with pytest.raises(SettingsError, match=f"^settings refused: .*{name}"):
            tracing_settings({"OTEL_TRACES_EXPORTER": "otlp", name: value})
        if tracing:
            assert not tracing_settings({name: value}).enabled
        else:
            with pytest.raises(SettingsError, match=name):
                tracing_settings({name: value})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("OTEL_PROPAGATORS", value) for value in ("", "none", "NONE,bogus", " baggage , tracecontext")),
            *((name, value) for name in LIMITS for value in ("0", "", " ")),
            *((name, value) for name in QUEUE for value in ("", "often", "1.5", "512")),
            *(("OTEL_BSP_EXPORT_TIMEOUT", value) for value in ("0", "-1", "often")),
            *((f"OTEL_EXPORTER_OTLP_{name}", "%") for name in ("TIMEOUT", "HEADERS", "COMPRESSION")),
        ],
    )
    def test_what_the_sdk_lives_with_is_not(self, name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(name, value)
        start_sdk()
        assert tracing_settings({"OTEL_TRACES_EXPORTER": "otlp", name: value}).enabled

    def test_refused_before_a_worker_starts(self, tmp_path: Path) -> None:
        """One line, from where an orchestrator sees the end; a worker's would be started again for ever."""
        run = subprocess.run(
            [sys.executable, "-m", "bentoml", "serve", "service:CreditRisk", "--port", "0"],
            cwd=ROOT,
            env=environment(tmp_path, OTEL_PROPAGATORS="jaeger"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )
        assert (1, 1) == (run.returncode, run.stdout.count("\n"))
        assert json.loads(run.stdout)["message"].startswith("settings refused: OTEL_PROPAGATORS: ")

    def test_off_spares_every_request_the_middleware(self) -> None:
        assert tracing_configuration(TracingSettings(enabled=False, sample_rate=1.0))["excluded_urls"] == ".*"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def traced(store: Path, tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Server]:
    """A server that samples what the caller has sampled, and everything where the caller says nothing; with records."""
    home = tmp_path_factory.mktemp("traced")
    add_key(home / "records-keys.json")
    with serving(
        copy_store(store, home),
        CREDIT_RISK_RECORDS=f"sqlite:{home / 'records'}",
        CREDIT_RISK_RECORDS_KEY_FILE=str(home / "records-keys.json"),
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_BSP_SCHEDULE_DELAY="100",
    ) as running:
        yield running


def traceparent(trace_id: str, *, sampled: bool) -> dict[str, str]:
    return {"traceparent": f"00-{trace_id}-{PARENT}-{'01' if sampled else '00'}"}


class TestSampling:
    """Which requests get a span; in this process."""

    @pytest.fixture
    def told(self) -> Iterator[tuple[Tracing, InMemorySpanExporter]]:
        """Nothing is sampled where the caller says nothing. The provider would record all, as BentoML's does."""
        exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=StaticSampler(Decision.RECORD_ONLY))
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        tracing = Tracing()
        tracing.start(provider, 0.0)
        yield tracing, exporter
        provider.shutdown()

    def scope(self, **headers: str) -> dict[str, Any]:
        return {"headers": [(name.encode(), value.encode()) for name, value in headers.items()]}

    def test_unsampled_there_is_none(self, told: tuple[Tracing, InMemorySpanExporter]) -> None:
        tracing, exporter = told
        with tracing.request_span("/predict", self.scope()) as span:
            assert (trace.INVALID_SPAN, None) == (span, tracing.current())
        assert () == exporter.get_finished_spans()

    def test_all_are_sampled_at_a_rate_of_1(self, told: tuple[Tracing, InMemorySpanExporter]) -> None:
        tracing, exporter = told
        tracing._rate = 1.0  # a provider is started once
        with tracing.request_span("/predict", self.scope()), tracing.span("validate"):
            assert tracing.current() is not None
        assert ["validate", "POST /predict"] == [span.name for span in exporter.get_finished_spans()]

    def test_the_caller_decides(self, told: tuple[Tracing, InMemorySpanExporter]) -> None:
        """Either way its trace is known; and a request that follows on its connection, without one, is in none."""
        tracing, exporter = told
        for sampled in (False, True):
            trace_id = uuid4().hex
            with tracing.request_span("/predict", self.scope(**traceparent(trace_id, sampled=sampled))) as span:
                current = tracing.current()
                assert current is not None
                assert (trace_id, sampled) == (f"{current.trace_id:032x}", span.is_recording())
                with tracing.request_span("/predict", self.scope()):
                    assert tracing.current() is None
            assert sampled == bool(exporter.get_finished_spans())


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
        assert not [
            span for span in collector.spans if span.name in ("validate", "batch", "score") and not span.parent_span_id
        ]

    def test_log_lines_carry_the_trace(self, traced: Server, example: dict[str, Any]) -> None:
        trace_id = uuid4().hex
        headers = traceparent(trace_id, sampled=True) | {"X-Request-ID": trace_id}
        httpx.post(f"{traced.url}/predict", json=example, headers=headers)
        (line,) = wait_for(lambda: traced.find(logger="credit_risk.request", request_id=trace_id))
        (decision,) = traced.find(logger="credit_risk.decision", request_id=trace_id)
        assert trace_id == line["trace_id"] == decision["trace_id"]
        assert len(line["span_id"]) == 16

    @pytest.mark.parametrize("sampled", [True, False])
    def test_records_carry_the_trace(self, traced: Server, example: dict[str, Any], *, sampled: bool) -> None:
        trace_id = uuid4().hex
        answer = httpx.post(f"{traced.url}/predict", json=example, headers=traceparent(trace_id, sampled=sampled))
        kept = httpx.get(f"{traced.url}/decisions/{answer.json()['decision_id']}")
        assert trace_id == kept.json()["trace_id"]

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
