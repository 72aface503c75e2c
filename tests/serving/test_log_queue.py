"""The queue between a log line and standard output."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import textwrap
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from serving.bento.configuration import Shed
from serving.telemetry import logs
from serving.telemetry.output import Output
from serving.telemetry.tracing import Tracing


def record(message: str = "x") -> logging.LogRecord:
    return logging.LogRecord("credit_risk.test", logging.INFO, __file__, 1, message, None, None)


class Blocked(Output):
    """A standard output that nobody reads for a while."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.lines: list[bytes] = []

    def write(self, lines: Sequence[bytes]) -> int:
        self.open.wait(10)
        self.lines += lines
        return 0


def test_a_full_queue_costs_lines_and_never_the_callers_time(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = Blocked()
    monkeypatch.setattr(logs, "QUEUE_LINES", 10)
    dropped: list[int] = []
    handler = logs.QueuedHandler(dropped.append, stdout)
    handler.setFormatter(logs.JSONFormatter(Tracing()))
    for i in range(100):
        handler.emit(record(str(i)))
    lost = sum(dropped)
    stdout.open.set()
    handler.close()
    lines = [json.loads(line) for line in stdout.lines]
    told = [line["lines"] for line in lines if line["message"] == "log lines were lost"]
    written = [line["message"] for line in lines if line["message"] != "log lines were lost"]
    assert 100 == len(written) + lost
    assert lost == sum(told)
    assert lost >= 80
    assert [str(i) for i in range(len(written))] == written


def test_lines_that_come_together_count_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those for which there is place are written, in order among single ones; the others are counted."""
    stdout = Blocked()
    monkeypatch.setattr(logs, "QUEUE_LINES", 10)
    dropped: list[int] = []
    handler = logs.QueuedHandler(dropped.append, stdout)
    handler.setFormatter(logs.JSONFormatter(Tracing()))
    handler.put(b"0")
    handler.put_many([b"1", b"2", b"3", b"4"])
    handler.put(b"5")
    handler.put_many([b"%d" % i for i in range(6, 100)])
    handler.put(b"100")
    handler.put_many([b"101", b"102"])
    stdout.open.set()
    handler.close()
    numbers = [line for line in stdout.lines if not line.startswith(b"{")]
    assert [b"%d" % i for i in range(len(numbers))] == numbers
    assert 10 <= len(numbers) <= 20
    assert 103 - len(numbers) == sum(dropped)


def test_what_waits_is_written_at_exit() -> None:
    script = """
        import logging
        from serving.telemetry.telemetry import Telemetry
        Telemetry().logs.configure("INFO")
        for i in range(5000):
            logging.getLogger("credit_risk.test").info("line %d", i)
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert [f"line {i}" for i in range(5000)] == [json.loads(line)["message"] for line in result.stdout.splitlines()]


def test_text_that_is_no_utf8_is_still_a_line() -> None:
    line = json.loads(logs.JSONFormatter(Tracing()).format(record("half a pair: \udc80")))
    assert line["message"] == "half a pair: \udc80"


@pytest.mark.parametrize(
    "crash",
    [
        "raise ValueError('SENTINEL')",
        "import warnings; warnings.warn('ordinary')",
        "import threading; t = threading.Thread(target=lambda: int('SENTINEL')); t.start(); t.join()",
    ],
)
def test_uncaught_exceptions_and_warnings_are_json_too(crash: str) -> None:
    script = f"from serving.telemetry.telemetry import Telemetry\nTelemetry().logs.configure('INFO')\n{crash}"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    lines: list[dict[str, Any]] = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines
    assert result.stderr == ""
    assert "SENTINEL" not in result.stdout


def test_a_shed_half_of_a_split_batch_is_no_error() -> None:
    """BentoML's callback stumbles over it in the event loop; any other record passes."""
    shed = record("Exception in callback")
    shed.name, shed.exc_info = "asyncio", (asyncio.CancelledError, asyncio.CancelledError(), None)
    assert not Shed().filter(shed)
    shed.name = "credit_risk.service"
    assert Shed().filter(shed)


def test_loggers_that_another_configuration_disabled_write_again() -> None:
    """As BentoML's does in a container, where `serving.telemetry.logs` is imported before it."""
    script = """
        import logging, logging.config
        from serving.telemetry.telemetry import Telemetry
        logs = Telemetry().logs
        logging.config.dictConfig({"version": 1})
        assert logs.request.logger.disabled
        logs.configure("INFO")
        logs.request.write("told", {})
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert ["told"] == [json.loads(line)["message"] for line in result.stdout.splitlines()]


def test_an_event_that_json_can_not_say_is_written_all_the_same() -> None:
    """A line must never fail the request that it tells of."""
    script = """
        from serving.telemetry.telemetry import Telemetry
        logs = Telemetry().logs
        logs.configure("INFO")
        logs.decision.write("decision", {"of": object, "text": "half a pair: " + chr(0xdc80)})
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    (line,) = map(json.loads, result.stdout.splitlines())
    assert ("<class 'object'>", "half a pair: \udc80") == (line["of"], line["text"])
