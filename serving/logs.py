"""Logs: one JSON object a line, and never a value of an application.

Exceptions are logged as their type and the places they went through. Their message is left out: that is where values
leak.
"""

from __future__ import annotations

import json
import logging
import logging.config
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from serving.exchange import request_id

request_log = logging.getLogger("credit_risk.request")
decision_log = logging.getLogger("credit_risk.decision")
service_log = logging.getLogger("credit_risk.service")


class JSONFormatter(logging.Formatter):
    """A log record as one line of JSON; what a caller passes as `extra={"data": {…}}` is merged in."""

    def format(self, record: logging.LogRecord) -> str:
        """Timestamps are UTC, RFC 3339, with milliseconds."""
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request := request_id():
            line["request_id"] = request
        line |= getattr(record, "data", {})
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = _exception(record.exc_info[0], record.exc_info[2])
        return json.dumps(line, default=str)


def _exception(kind: type[BaseException], trace: TracebackType | None) -> dict[str, Any]:
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
    return {"type": kind.__qualname__, "frames": frames}


def _no_address(record: logging.LogRecord) -> bool:
    """Refuse uvicorn's line for a websocket handshake: it holds the whole URL, and the edge logs the request anyway."""
    return not str(record.msg).startswith('%s - "WebSocket')


def configure_logging(level: str) -> None:
    """Send every logger of the process through one handler that writes JSON lines to standard output."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JSONFormatter}},
            "handlers": {
                "stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}
            },
            "root": {"handlers": ["stdout"], "level": "WARNING" if level in ("DEBUG", "INFO") else level},
            "loggers": {
                name: {"level": level, "handlers": [], "filters": [_no_address], "propagate": True}
                for name in ("credit_risk", "bentoml", "uvicorn.error")
            },
        }
    )
