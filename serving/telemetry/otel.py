"""OpenTelemetry's variables that its SDK can't start with, refused by name before it dies of them.

The SDK's own errors mostly don't name the variable, and the log leaves exceptions' messages out. What the SDK itself
only warns of, and replaces by a default, is left to it: a delay that is no number, an unknown compression.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import entry_points

from serving.settings import SettingsError

_LIMITS = (
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
)
_DELAY, _QUEUE, _BATCH = "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"
_DEFAULTS = {_DELAY: 5000, _QUEUE: 2048, _BATCH: 512}


def check_sdk(environment: Mapping[str, str]) -> None:
    """Check what BentoML reads at start, also where tracing is off: propagators and the limits of spans.

    Raises:
        SettingsError: naming the variable.
    """
    if configured := environment.get("OTEL_PROPAGATORS"):
        _check_propagators(configured)
    for variable in _LIMITS:
        if (text := environment.get(variable, "").strip()) and _integer(text, -1) < 0:
            raise SettingsError(f"{variable}: must be an integer from 0 on")


def check_exporting(environment: Mapping[str, str]) -> None:
    """Check what an exporter's queue is made of.

    Raises:
        SettingsError: naming the variable.
    """
    delay, queue, batch = (_integer(environment.get(name, ""), default) for name, default in _DEFAULTS.items())
    for variable, value in ((_DELAY, delay), (_QUEUE, queue), (_BATCH, batch)):
        if value < 1:
            raise SettingsError(f"{variable}: must be an integer from 1 on")
    if queue > sys.maxsize:
        raise SettingsError(f"{_QUEUE}: must be at most {sys.maxsize}")
    if batch > queue:
        raise SettingsError(f"{_BATCH}: {batch} must not be over {_QUEUE}, {queue}; set both")


def _check_propagators(configured: str) -> None:
    installed = entry_points(group="opentelemetry_propagator").names
    for name in map(str.strip, configured.split(",")):
        if name.lower() == "none":
            return
        if name not in installed:
            allowed = ", ".join(sorted(installed))
            raise SettingsError(f"OTEL_PROPAGATORS: must be none, or a list of these: {allowed}")


def _integer(text: str, default: int) -> int:
    try:
        return int(text)
    except ValueError:
        return default
