"""`make demo` shows what it says, and leaves nothing behind."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import psutil
import pytest
from monitoring import free_port, tool
from servers import HANG_SECONDS, ROOT, environment, wait_for

from examples import demo as command

pytestmark = pytest.mark.slow


@contextmanager
def demo(
    home: Path, *, seconds: int, rate: int, path: str | None = None
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """The demo on free ports, and the file that it writes to."""
    output = home / "output"
    command = ["-m", "examples.demo", f"--port={free_port()}", f"--prometheus-port={free_port()}"]
    with output.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", *command, f"--seconds={seconds}", f"--rate={rate}"],
            cwd=ROOT,
            env=environment(home, PYTHONUNBUFFERED="1", TMPDIR=str(home)) | ({} if path is None else {"PATH": path}),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        yield process, output
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=HANG_SECONDS)


def said(process: subprocess.Popen[str], output: Path, words: str) -> str:
    """What the demo has written, once these words are in it, or it has ended."""
    wait_for(lambda: words in output.read_text(encoding="utf-8") or process.poll() is not None)
    return output.read_text(encoding="utf-8")


def test_demo(tmp_path: Path) -> None:
    """Every link that it prints answers, an alert fires while one watches, and it stays up after the traffic."""
    tool("prometheus")
    with demo(tmp_path, seconds=120, rate=20) as (process, output):
        links = re.findall(r"http://\S+", said(process, output, "traffic for"))
        text = said(process, output, "CreditRiskDrift loan_grade 1h fires")
        assert "CreditRiskDrift loan_grade 1h fires" in text, text
        text = said(process, output, "the traffic is over; everything else stays up until Ctrl-C")
        answers = [httpx.get(link, timeout=HANG_SECONDS, follow_redirects=True).status_code for link in links]
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=HANG_SECONDS)

    assert 0 == code, text
    assert [200] * 8 == answers
    assert re.search(r"answers by status: \d+ times 200, \d+ times 422$", text, re.MULTILINE)
    assert output.read_text(encoding="utf-8").endswith("ended\n")
    assert [output] == list(tmp_path.iterdir())


def test_demo_is_interrupted(tmp_path: Path) -> None:
    """Without Prometheus there is still traffic; Ctrl-C ends all that was started."""
    with demo(tmp_path, seconds=120, rate=5, path=str(tmp_path)) as (process, output):
        said(process, output, "traffic for")
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=HANG_SECONDS)

    text = output.read_text(encoding="utf-8")
    assert 0 == code, text
    assert "is not installed" in text
    assert text.endswith("ended\n")
    assert started
    # Whether one that has ended is also reaped is up to the machine's first process.
    assert [] == [child for child in started if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert [output] == list(tmp_path.iterdir())


def test_a_port_that_somebody_else_answers_is_refused(tmp_path: Path) -> None:
    """No traffic is sent to a stranger."""
    stranger = HTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=stranger.serve_forever, daemon=True).start()
    result = subprocess.run(
        [sys.executable, "-m", "examples.demo", f"--port={stranger.server_port}", "--seconds=1"],
        cwd=ROOT,
        env=environment(tmp_path, TMPDIR=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    stranger.shutdown()
    stranger.server_close()
    assert 1 == result.returncode
    assert "answers already: the service needs another port" in result.stderr


class Stranger(BaseHTTPRequestHandler):
    """Answers every GET, and would be sent nothing else."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.parametrize("option", ["--port", "--prometheus-port"])
@pytest.mark.parametrize("port", ["0", "-1", "65536", "http"])
def test_what_is_no_port_is_refused_at_once(
    option: str, port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not after a minute's waiting for a service that can't listen there."""
    monkeypatch.setattr(command, "hold", lambda: pytest.fail("it went on"))
    monkeypatch.setattr(sys, "argv", ["demo", f"{option}={port}"])
    with pytest.raises(SystemExit, match="2"):
        command.main()
    assert "give one from 1 to 65535" in capsys.readouterr().err
