"""Logs: one JSON object a line, and never a value of an application.

Exceptions are logged as their type and the places they went through. Their message is left out: that is where values
leak. Lines are written by a thread of their own, from a bounded queue: a slow reader of standard output costs lines,
which are counted, and never a request its time. How many were lost is told when lines can be written again.
"""

from __future__ import annotations

import atexit
import json
import logging
import logging.config
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from types import TracebackType
from typing import Any

from pydantic_core import to_json

from serving.settings import SettingsError
from serving.telemetry.exchange import current_exchange
from serving.telemetry.output import Output
from serving.telemetry.tracing import Tracing

service_log = logging.getLogger("credit_risk.service")

QUEUE_LINES = 20_000
"""Lines that may wait to be written: some 8 MB, and seconds of work at full load."""

WRITE_LINES = 500
"""Most lines in one write."""

GATHER_SECONDS = 0.01
"""How long lines gather before they are written: waking the writer for each of them costs more than making it."""

CLOSING_SECONDS = 5.0


def _line(tracing: Tracing, created: float, event: bytes, data: dict[str, Any]) -> bytes:
    """One line, put together of members of a JSON object, since to make it of one mapping takes twice as long.

    Args:
        tracing: knows the current span.
        created: Unix time; told in UTC, RFC 3339, with milliseconds.
        event: level, logger and message, rendered.
        data: what else there is to tell, under other names than the beginning's.
    """
    seconds, milliseconds = divmod(int(created * 1000), 1000)
    beginning = b'{"timestamp":"%b.%03d+00:00",%b' % (_second(seconds), milliseconds, event)
    exchange = current_exchange.get()
    if exchange is not None:
        beginning += b',"request_id":"%b"' % exchange.request_id.encode()  # of letters that JSON takes as they are
        if exchange.caller is not None:
            beginning += _caller(exchange.caller)
    span = tracing.current() or (exchange.span if exchange is not None else None)
    if span is not None:
        beginning += b',"trace_id":"%032x","span_id":"%016x"' % (span.trace_id, span.span_id)
    return b"%b,%b}" % (beginning, _members(data)) if data else beginning + b"}"


@lru_cache(maxsize=1)
def _second(seconds: int) -> bytes:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode()


@lru_cache(maxsize=128)  # few ask most of the time
def _caller(name: str) -> bytes:
    """The member that names a caller, behind others."""
    return b"," + _members({"caller": name})


def _event(level: str, logger: str, message: str) -> bytes:
    return _members({"level": level, "logger": logger, "message": message})


def _members(values: dict[str, Any]) -> bytes:
    """A JSON object without its braces."""
    try:
        return to_json(values, fallback=str, ensure_ascii=True)[1:-1]
    except ValueError:  # text that is no UTF-8, from a library's own line
        return json.dumps(values, default=str)[1:-1].encode()


class JSONFormatter(logging.Formatter):
    """A log record as one line of JSON; what a caller passes as `extra={"data": {…}}` is merged in."""

    def __init__(self, tracing: Tracing) -> None:
        super().__init__()
        self._tracing = tracing

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        event = _event(record.levelname, record.name, record.getMessage())
        data = dict(getattr(record, "data", {}))
        if record.exc_info and record.exc_info[0] is not None:
            data["exception"] = _exception(record.exc_info[0], record.exc_info[2])
        return _line(self._tracing, record.created, event, data).decode()


class QueuedHandler(logging.Handler):
    """Renders a record where it is made, and leaves writing to a thread behind a bounded queue.

    Args:
        count_dropped: told of lines that are lost.
        output: where lines are written to.
    """

    def __init__(self, count_dropped: Callable[[int], None], output: Output | None = None) -> None:
        super().__init__()
        self._count_dropped = count_dropped
        self._output = output or Output()
        self._untold = 0
        self._untold_lock = threading.Lock()
        self._closed = False
        self._lines: deque[bytes] = deque()
        self._wake = threading.Event()
        self._writer = threading.Thread(target=self._write, name="log-writer", daemon=True)
        self._writer.start()
        # At exit, and so after SIGTERM, what waits is written.
        atexit.register(self.close)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line; one that can't be rendered is dropped and counted."""
        try:
            line = self.format(record).encode()
        except Exception:  # noqa: BLE001  # a bad record must not fail its caller, nor be printed as it is
            self._drop(1)
        else:
            self.put(line)

    def put(self, line: bytes) -> None:
        """Put a line into the queue, or drop it and count it where the queue is full."""
        if len(self._lines) >= QUEUE_LINES:
            self._drop(1)
        else:
            self._lines.append(line)
            if not self._wake.is_set():
                self._wake.set()

    def put_many(self, lines: Sequence[bytes]) -> None:
        """Put lines into the queue, or drop and count those for which there is no place."""
        room = max(0, QUEUE_LINES - len(self._lines))
        if len(lines) > room:
            self._drop(len(lines) - room)
        self._lines.extend(lines[:room])
        self._wake.set()

    def close(self) -> None:
        """Write what waits, and stop; give up after a while where nobody reads."""
        if not self._closed:
            self._closed = True
            self._wake.set()
            self._writer.join(timeout=CLOSING_SECONDS)
        super().close()

    def _write(self) -> None:
        while self._lines or not self._closed:
            self._wake.wait()
            time.sleep(GATHER_SECONDS)
            self._wake.clear()  # before the lines are taken: what comes after them wakes anew
            while self._lines:
                self._write_some([self._lines.popleft() for _ in range(min(len(self._lines), WRITE_LINES))])

    def _write_some(self, lines: list[bytes]) -> None:
        untold = self._untold
        if untold:
            lines.insert(0, self.format(_lost(untold)).encode())
        unwritten = self._output.write(lines)
        if untold and unwritten < len(lines):
            self._count_untold(-untold)
        if unwritten:
            self._drop(unwritten - (untold > 0 and unwritten == len(lines)))

    def _drop(self, lines: int) -> None:
        self._count_dropped(lines)
        self._count_untold(lines)

    def _count_untold(self, lines: int) -> None:
        with self._untold_lock:
            self._untold += lines


def _lost(lines: int) -> logging.LogRecord:
    """Says how many lines are missing here; at the level that every setting lets through."""
    extra = {"data": {"lines": lines}}
    return service_log.makeRecord(service_log.name, logging.ERROR, "", 0, "log lines were lost", (), None, extra=extra)


class EventLog:
    """The lines of what happens with every request: as its logger would write them, and where its level lets it.

    A logger's records, filters and handlers cost several times what a line does. Nothing is written before the logs are
    configured.
    """

    def __init__(self, name: str, tracing: Tracing) -> None:
        self.logger = logging.getLogger(name)
        self.handler: QueuedHandler | None = None
        self._tracing = tracing
        self._events: dict[tuple[str, int], bytes] = {}

    def write(self, message: str, data: dict[str, Any], level: int = logging.INFO) -> None:
        """One line, with one of few messages."""
        if self.handler is not None and self.logger.isEnabledFor(level):
            self.handler.put(_line(self._tracing, time.time(), self._event(message, level), data))

    def write_many(self, message: str, data: Sequence[str], level: int = logging.INFO) -> None:
        """Lines of one moment.

        Args:
            message: of each.
            data: of each, the inside of a JSON object in ASCII.
            level: of each.
        """
        if self.handler is not None and self.logger.isEnabledFor(level):
            head = _line(self._tracing, time.time(), self._event(message, level), {}).decode()[:-1]
            self.handler.put_many([f"{head},{each}}}".encode() for each in data])

    def _event(self, message: str, level: int) -> bytes:
        if (event := self._events.get((message, level))) is None:
            event = _event(logging.getLevelName(level), self.logger.name, message)
            self._events[message, level] = event
        return event


def _exception(kind: type[BaseException], trace: TracebackType | None) -> dict[str, Any]:
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
    return {"type": kind.__qualname__, "frames": frames}


class Logs:
    """The process's logs.

    Attributes:
        tracing: knows the spans that lines are of.
        count_dropped: told of lines that are lost.
        request: a line for each request.
        decision: a line for each decision.
    """

    def __init__(self, tracing: Tracing) -> None:
        self.tracing = tracing
        self.count_dropped: Callable[[int], None] = _count_nothing
        self.request = EventLog("credit_risk.request", tracing)
        self.decision = EventLog("credit_risk.decision", tracing)

    def _dropped(self, lines: int) -> None:
        """Metrics may be made after the first lines."""
        self.count_dropped(lines)

    def configure(self, level: str, filters: Sequence[logging.Filter] = ()) -> None:
        """Send every logger of the process through one handler that writes JSON lines to standard output.

        Args:
            level: the least severe that is written.
            filters: each may keep a record out.
        """

        def handler() -> QueuedHandler:
            """Made by `dictConfig`, which closes the handlers that were made before."""
            made = QueuedHandler(self._dropped)
            made.setFormatter(JSONFormatter(self.tracing))
            for each in filters:
                made.addFilter(each)
            self.request.handler = self.decision.handler = made
            return made

        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": {"stdout": {"()": handler}},
                "root": {"handlers": ["stdout"], "level": "WARNING" if level in ("DEBUG", "INFO") else level},
                "loggers": {
                    name: {"level": level, "handlers": [], "propagate": True}
                    for name in ("credit_risk", "bentoml", "uvicorn.error")
                }
                # Its warnings repeat headers as they came, and tell of every try to reach a collector that is away.
                | {"opentelemetry": {"level": "ERROR"}},
            }
        )
        # Whoever configured logging before may have disabled every logger there was.
        for logger in (self.request.logger, self.decision.logger, service_log):
            logger.disabled = False
        # What no line shows need not be found out for each record (the logging HOWTO's "Optimization").
        logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
        logging._srcfile = None  # noqa: SLF001  # the documented way not to look for the caller
        # Warnings and uncaught exceptions would be plain text, and may quote what they stumbled over.
        logging.captureWarnings(capture=True)
        sys.excepthook = _log_uncaught
        threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _count_nothing(_: int) -> None:
    """Where there are no metrics yet."""


@contextmanager
def refusals_as_lines() -> Iterator[None]:
    """Have a refused setting, which ends the process before its logging is set up, told like everything else."""
    try:
        yield
    except SettingsError as exc:
        Logs(Tracing()).configure("INFO")
        service_log.critical(str(exc))
        raise SystemExit(1) from None


def _log_uncaught(kind: type[BaseException], exc: BaseException | None, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        service_log.critical("uncaught exception", exc_info=(kind, exc or kind(), trace))
