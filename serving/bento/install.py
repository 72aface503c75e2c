"""All that is changed of BentoML and uvicorn themselves, in one place and once a process; nothing changes at import."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import uvicorn.config
from bentoml.exceptions import ServiceUnavailable

from serving.bento.clock import go_by_a_steady_clock
from serving.bento.listening import listen_with_several_handles
from serving.bento.protocol import HTTPProtocol
from serving.bento.tls import default_ciphers
from serving.http.in_flight import BytesInFlight
from serving.settings import Settings
from serving.telemetry.logs import Logs
from serving.telemetry.tracing import TracingSettings


class Shed(logging.Filter):
    """Drops what BentoML logs as errors for each request that it sheds, split ones too: the request's line says 503."""

    def filter(self, record: logging.LogRecord) -> bool:
        """False for a shed request."""
        exc = record.exc_info[1] if record.exc_info else None
        split = record.name == "asyncio" and isinstance(exc, asyncio.CancelledError)
        return not (split or isinstance(exc, ServiceUnavailable))


def install(logs: Logs, settings: Settings) -> None:
    """Have uvicorn parse, listen and encrypt, and BentoML tell the time, as this needs it; log as all here does.

    Args:
        logs: that everything is written to.
        settings: the least severe level that is written, and what heads, bodies and answers are held to.
    """
    uvicorn.config.HTTP_PROTOCOLS["auto"] = "serving.bento.protocol:HTTPProtocol"
    listen_with_several_handles()
    default_ciphers()
    go_by_a_steady_clock()
    HTTPProtocol.head_seconds = settings.head_seconds
    HTTPProtocol.body_seconds = settings.body_seconds
    HTTPProtocol.answer_seconds = settings.answer_seconds
    HTTPProtocol.max_body_bytes = settings.max_body_bytes
    HTTPProtocol.in_flight = BytesInFlight(*settings.bytes_in_flight())
    logs.configure(settings.log_level, [Shed()])


def tracing_configuration(settings: TracingSettings) -> dict[str, Any]:
    """BentoML's `tracing` configuration."""
    if not settings.enabled:
        return {"sample_rate": 0.0, "excluded_urls": ".*"}  # spares each request OpenTelemetry's middleware
    # A rate of exactly 0 still exports what a sampled parent asks for.
    return {"exporter_type": "otlp", "sample_rate": settings.sample_rate, "otlp": {"protocol": "http"}}
