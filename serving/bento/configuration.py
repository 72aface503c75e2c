"""What BentoML is told before anything is served: how to trace; and which of its log lines say nothing of their own."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from bentoml.exceptions import ServiceUnavailable

from serving.telemetry.tracing import TracingSettings


class Shed(logging.Filter):
    """Drops what BentoML logs as errors for each request that it sheds, split ones too: the request's line says 503."""

    def filter(self, record: logging.LogRecord) -> bool:
        """False for a shed request."""
        exc = record.exc_info[1] if record.exc_info else None
        split = record.name == "asyncio" and isinstance(exc, asyncio.CancelledError)
        return not (split or isinstance(exc, ServiceUnavailable))


def tracing_configuration(settings: TracingSettings) -> dict[str, Any]:
    """BentoML's `tracing` configuration."""
    if not settings.enabled:
        return {"sample_rate": 0.0, "excluded_urls": ".*"}  # spares each request OpenTelemetry's middleware
    # A rate of exactly 0 still exports what a sampled parent asks for.
    return {"exporter_type": "otlp", "sample_rate": settings.sample_rate, "otlp": {"protocol": "http"}}
