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
import queue
import sys
import threading
import time
import traceback
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


def _beginning(tracing: Tracing, created: float, level: str, logger: str, message: str) -> dict[str, Any]:
    """What every line begins with. The timestamp is UTC, RFC 3339, with milliseconds."""
    seconds, milliseconds = divmod(int(created * 1000), 1000)
    line: dict[str, Any] = {
        "timestamp": f"{_second(seconds)}.{milliseconds:03}+00:00",
        "level": level,
        "logger": logger,
        "message": message,
    }
    exchange = current_exchange.get()
    if exchange is not None:
        line["request_id"] = exchange.request_id
        if exchange.caller is not None:
            line["caller"] = exchange.caller
    span = tracing.current() or (exchange.span if exchange is not None else None)
    if span is not None:
        line["trace_id"] = f"{span.trace_id:032x}"
        line["span_id"] = f"{span.span_id:016x}"
    return line


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _render(line: dict[str, Any]) -> str:
    try:
        return to_json(line, fallback=str, ensure_ascii=True).decode()
    except ValueError:  # text that is no UTF-8, from a library's own line
        return json.dumps(line, default=str)


class JSONFormatter(logging.Formatter):
    """A log record as one line of JSON; what a caller passes as `extra={"data": {…}}` is merged in."""

    def __init__(self, tracing: Tracing) -> None:
        super().__init__()
        self._tracing = tracing

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = _beginning(self._tracing, record.created, record.levelname, record.name, record.getMessage())
        line |= getattr(record, "data", {})
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = _exception(record.exc_info[0], record.exc_info[2])
        return _render(line)


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
        self._lines: queue.SimpleQueue[str | Sequence[str] | None] = queue.SimpleQueue()
        self._in_lists = 0  # lines that wait beyond one for each entry of the queue
        self._writer = threading.Thread(target=self._write, name="log-writer", daemon=True)
        self._writer.start()
        # At exit, and so after SIGTERM, what waits is written.
        atexit.register(self.close)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line; one that can't be rendered is dropped and counted."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001  # a bad record must not fail its caller, nor be printed as it is
            self._drop(1)
        else:
            self.put(line)

    def put(self, line: str) -> None:
        """Put a line into the queue, or drop it and count it where the queue is full."""
        if self._waiting() >= QUEUE_LINES:
            self._drop(1)
        else:
            self._lines.put(line)

    def put_many(self, lines: Sequence[str]) -> None:
        """Put lines into the queue as one, or drop and count those for which there is no place."""
        if dropped := max(0, len(lines) - max(0, QUEUE_LINES - self._waiting())):
            self._drop(dropped)
            lines = lines[: len(lines) - dropped]
        if lines:
            with self._untold_lock:
                self._in_lists += len(lines) - 1
            self._lines.put(lines)

    def _waiting(self) -> int:
        return self._lines.qsize() + self._in_lists

    def close(self) -> None:
        """Write what waits, and stop; give up after a while where nobody reads."""
        if not self._closed:
            self._closed = True
            self._lines.put(None)
            self._writer.join(timeout=CLOSING_SECONDS)
        super().close()

    def _write(self) -> None:
        running = True
        while running:
            text, running = self._gathered()
            untold = self._untold
            if untold:
                text.insert(0, self.format(_lost(untold)))
            unwritten = self._output.write(text)
            if untold and unwritten < len(text):
                self._count_untold(-untold)
            if unwritten:
                self._drop(unwritten - (untold > 0 and unwritten == len(text)))

    def _gathered(self) -> tuple[list[str], bool]:
        """The next lines to be written, and whether any are to come behind them."""
        text: list[str] = []
        entry = self._lines.get()
        time.sleep(GATHER_SECONDS)
        while entry is not None:
            if isinstance(entry, str):
                text.append(entry)
            else:
                text += entry
                with self._untold_lock:
                    self._in_lists -= len(entry) - 1
            if len(text) >= WRITE_LINES or self._lines.empty():
                return text, True
            entry = self._lines.get_nowait()
        return text, False

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

    def write(self, message: str, data: dict[str, Any], level: int = logging.INFO) -> None:
        """One line."""
        if self.handler is not None and self.logger.isEnabledFor(level):
            line = _beginning(self._tracing, time.time(), logging.getLevelName(level), self.logger.name, message)
            self.handler.put(_render(line | data))

    def write_many(self, message: str, data: Sequence[str], level: int = logging.INFO) -> None:
        """Lines of one moment.

        Args:
            message: of each.
            data: of each, the inside of a JSON object in ASCII.
            level: of each.
        """
        if self.handler is not None and self.logger.isEnabledFor(level):
            begin = _beginning(self._tracing, time.time(), logging.getLevelName(level), self.logger.name, message)
            head = _render(begin).removesuffix("}")
            self.handler.put_many([f"{head},{each}}}" for each in data])


def _exception(kind: type[BaseException], trace: TracebackType | None) -> dict[str, Any]:
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
    return {"type": kind.__qualname__, "frames": frames}


class Logs:
    """The process's logs.

    Attributes:
        request: a line for each request.
        decision: a line for each decision.
    """

    def __init__(self, tracing: Tracing, count_dropped: Callable[[int], None]) -> None:
        self.request = EventLog("credit_risk.request", tracing)
        self.decision = EventLog("credit_risk.decision", tracing)
        self._tracing = tracing
        self._count_dropped = count_dropped

    def configure(self, level: str, filters: Sequence[logging.Filter] = ()) -> None:
        """Send every logger of the process through one handler that writes JSON lines to standard output.

        Args:
            level: the least severe that is written.
            filters: each may keep a record out.
        """

        def handler() -> QueuedHandler:
            """Made by `dictConfig`, which closes the handlers that were made before."""
            made = QueuedHandler(self._count_dropped)
            made.setFormatter(JSONFormatter(self._tracing))
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
        Logs(Tracing(), _count_nothing).configure("INFO")
        service_log.critical(str(exc))
        raise SystemExit(1) from None


def _log_uncaught(kind: type[BaseException], exc: BaseException | None, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        service_log.critical("uncaught exception", exc_info=(kind, exc or kind(), trace))
