"""Traces: OpenTelemetry's standard variables, the caller's sampling decision, and spans that say what was done.

A scoring request's own spans are the one around everything and its reading (`validate`); BentoML makes those of other
routes. What a merged batch does (`batch`, with `features`, `score` and `decide` or `explain` in it) belongs to all its
requests: it goes under the first sampled one and is linked to all of them.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Tracer

from serving.settings import SettingsError
from serving.telemetry.exchange import known_caller
from serving.telemetry.otel import check_exporting, check_sdk

STOPPING_SECONDS = 3.0

NOTHING: AbstractContextManager[Any] = nullcontext()
NO_SPAN: AbstractContextManager[Span] = nullcontext(trace.INVALID_SPAN)

_RATES = {"parentbased_always_on": 1.0, "parentbased_always_off": 0.0}
_RATIO = "parentbased_traceidratio"
"""Every sampler here follows the parent's decision, so the ones that don't are not to be had."""


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """What the OTEL_* variables ask for.

    Attributes:
        enabled: whether spans are made and exported at all.
        sample_rate: share of traces that are sampled where the caller has not decided, 0 to 1.
    """

    enabled: bool
    sample_rate: float


def tracing_settings(environment: Mapping[str, str]) -> TracingSettings:
    """Read OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER, OTEL_TRACES_SAMPLER and its _ARG; the exporter reads its own.

    Tracing is on where an exporter or an endpoint is named.

    Raises:
        SettingsError: a variable has a value that can't be honoured.
    """
    environment = {name: value for name, value in environment.items() if value}  # empty is unset, says OpenTelemetry
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").lower()
    if exporter not in ("", "otlp", "none"):
        raise SettingsError("OTEL_TRACES_EXPORTER: this service exports by otlp; use otlp or none")
    named = any(environment.get(f"OTEL_EXPORTER_OTLP_{kind}ENDPOINT") for kind in ("", "TRACES_"))
    for variable in ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"):
        if environment.get(variable, "http/protobuf") != "http/protobuf":
            raise SettingsError(f"{variable}: this service speaks http/protobuf; use that")
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter == "none"
    sampler = environment.get("OTEL_TRACES_SAMPLER", "parentbased_traceidratio").lower()
    if sampler in _RATES:
        rate = _RATES[sampler]
    elif sampler == _RATIO:
        rate = _ratio(environment.get("OTEL_TRACES_SAMPLER_ARG", "1"))
    else:
        allowed = ", ".join((_RATIO, *_RATES))
        raise SettingsError(f"OTEL_TRACES_SAMPLER: unknown sampler; use one of {allowed}")
    enabled = not disabled and (exporter == "otlp" or named)
    check_sdk(environment)
    if enabled:
        check_exporting(environment)
    return TracingSettings(enabled, rate)


def _ratio(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise SettingsError("OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1")
    return rate


@contextmanager
def _fresh_context() -> Iterator[None]:
    token = context.attach(Context())
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def _no_span() -> Iterator[Span]:
    with _fresh_context():
        yield trace.INVALID_SPAN


@contextmanager
def _request_span(tracer: Tracer, route: str, scope: Mapping[str, Any], *, sampled: bool) -> Iterator[Span]:
    """The span of a request, under the caller's where there is one, which then decides whether it is sampled."""
    carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    # From an empty context, since a pipelined request's task inherits that of the request before.
    caller = propagate().extract(carrier, context=Context())
    parent = trace.get_current_span(caller).get_span_context()
    if parent.trace_flags.sampled if parent.is_valid else sampled:
        attributes = {"http.request.method": "POST", "http.route": route}
        if (caller_name := known_caller()) is not None:
            attributes["enduser.id"] = caller_name
        span = tracer.start_span(f"POST {route}", caller, SpanKind.SERVER, attributes)
    else:
        span = trace.NonRecordingSpan(parent)
    token = context.attach(trace.set_span_in_context(span, caller))
    try:
        yield span
    finally:
        context.detach(token)
        span.end()


def propagate() -> Any:
    """What reads a caller's headers; imported with the first spans, for it dies of a bad OTEL_PROPAGATORS."""
    from opentelemetry import propagate  # noqa: PLC0415  # see above; such a one is refused before

    return propagate.get_global_textmap()


class Tracing:
    """Makes spans of what is sampled, and of all else, or until it is started, nothing at next to no cost."""

    def __init__(self) -> None:
        self._tracer: Tracer | None = None
        self._provider: Any = None
        self._rate = 0.0
        self._told_by: frozenset[bytes] = frozenset()

    def start(self, provider: Any, rate: float) -> None:
        """Make spans of this tracer provider from now on.

        Args:
            provider: whose own sampler is not asked: BentoML's has the SDK make and fill spans that nobody gets.
            rate: share of the requests that are sampled where the caller says nothing, 0 to 1.
        """
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: PLC0415  # the SDK takes a service's time to load

        self._provider = provider
        self._rate = rate
        self._told_by = frozenset(name.lower().encode() for name in propagate().fields)
        tracer = provider.get_tracer("credit_risk")
        tracer.sampler = ALWAYS_ON
        self._tracer = tracer

    def stop(self) -> None:
        """Export what waits, for a while: a collector that is away must not keep the process from ending."""
        provider = self._provider
        if provider is not None:
            # From here on the provider's own shutdown, at exit, has nothing left to wait for.
            exporting = threading.Thread(target=provider.shutdown, daemon=True)
            exporting.start()
            exporting.join(STOPPING_SECONDS)

    def fresh_context(self) -> AbstractContextManager[Any]:
        """A context without a span: pipelined requests would inherit the one before."""
        return NOTHING if self._tracer is None else _fresh_context()

    def request_span(self, route: str, scope: Mapping[str, Any]) -> AbstractContextManager[Span]:
        """The span of a POST to a route, under the caller's where its headers name one; none where it isn't sampled."""
        if self._tracer is None:
            return NO_SPAN
        sampled = random.random() < self._rate  # noqa: S311  # no secret
        if not sampled and not any(name in self._told_by for name, _ in scope["headers"]):
            return NO_SPAN if trace.get_current_span() is trace.INVALID_SPAN else _no_span()
        return _request_span(self._tracer, route, scope, sampled=sampled)

    def span(self, name: str) -> AbstractContextManager[Any]:
        """A span under the current one, where that one is sampled."""
        if self._tracer is None or not trace.get_current_span().is_recording():
            return NOTHING
        return self._tracer.start_as_current_span(name)

    def current(self) -> SpanContext | None:
        """The current span's context, for logs, headers and links."""
        if self._tracer is None:
            return None
        span = trace.get_current_span().get_span_context()
        return span if span.is_valid else None

    def batch_span(self, requests: Iterable[SpanContext | None], rows: int) -> AbstractContextManager[Any]:
        """A span for the work on a merged batch, under the first sampled request and linked to all of them."""
        if self._tracer is None:
            return NOTHING
        # By id, since a context's trace state can't be hashed; the rows of one request share one context.
        contexts = list({request.span_id: request for request in requests if request is not None}.values())
        parent = next((request for request in contexts if request.trace_flags.sampled), None)
        if parent is None:
            return NOTHING
        return self._tracer.start_as_current_span(
            "batch",
            context=trace.set_span_in_context(trace.NonRecordingSpan(parent)),
            links=[Link(request) for request in contexts],
            attributes={"batch.rows": rows, "batch.requests": len(contexts)},
        )
