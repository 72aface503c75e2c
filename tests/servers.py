"""Real servers for the tests: `bentoml serve` in a process group of its own, its log in a file."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import psutil
import pytest

ROOT = Path(__file__).resolve().parent.parent
MODEL_ENTRY = "credit_risk_gradient_boosting"
POLICY_ENTRY = "credit_risk_policy"
HANG_SECONDS = 300
"""After which something has hung. Nothing is found to be slow: other programs may have the machine."""

ELSEWHERE = os.environ.get("CREDIT_RISK_TEST_URL")
"""Where a server runs that is to be tested instead of those that the tests start."""

T = TypeVar("T")


def wait_for(condition: Callable[[], T], seconds: float = HANG_SECONDS) -> T:
    """The first truthy value of `condition`; fails when there is none before all patience has run out."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.02)
    return value


def environment(home: Path, **settings: str) -> dict[str, str]:
    """This process's environment without any of the service's settings, and with a BENTOML_HOME of its own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CREDIT_RISK_", "BENTOML_", "PROMETHEUS_"))
    }
    return kept | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"} | settings


def run_python(*arguments: str | Path, home: Path, cwd: Path = ROOT, **settings: str) -> str:
    """Standard output of a Python command that must succeed."""
    result = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=environment(home, **settings),
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def copy_store(home: Path, to: Path) -> Path:
    """A BENTOML_HOME with the same models: no two running servers may share one."""
    shutil.copytree(home / "models", to / "models")
    return to


def entry(home: Path, name: str) -> Path:
    """The folder of the only version of a store entry."""
    (folder,) = (path for path in (home / "models" / name).iterdir() if path.is_dir())
    return folder


def ports(worker: psutil.Process) -> set[int]:
    """The other ends of a worker's connections."""
    return {each.raddr.port for each in worker.net_connections("tcp") if each.raddr}


class SlowRequest:
    """A POST whose body is held back until `finish`, from an address of this machine."""

    def __init__(self, server: Server, path: str, document: Any, source: str = "127.0.0.1") -> None:
        self._body = json.dumps(document).encode()
        self._headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(self._body)),
            "X-Request-ID": f"slow-{id(self)}",
        }
        self._request = httpx.Request("POST", f"{server.url}{path}", headers=self._headers)
        self._connection = HTTPConnection(*server.address, timeout=HANG_SECONDS, source_address=(source, 0))
        self._connection.putrequest("POST", path)
        for name, value in self._headers.items():
            self._connection.putheader(name, value)
        self._connection.endheaders(self._body[:1])
        self.port: int = self._connection.sock.getsockname()[1]

    def send_rest(self) -> Self:
        """Send the rest; the response is asked for later."""
        self._connection.send(self._body[1:])
        return self

    def finish(self) -> httpx.Response:
        """Send the rest, and return the response."""
        return self.send_rest().response()

    def give_up(self) -> None:
        """Close the connection without an answer."""
        self._connection.close()

    def response(self) -> httpx.Response:
        """The response, also to half a request."""
        with closing(self._connection):
            response = self._connection.getresponse()
            return httpx.Response(
                response.status, headers=response.getheaders(), content=response.read(), request=self._request
            )


@dataclass
class Server:
    """A running server.

    Attributes:
        url: where it answers.
        home: its BENTOML_HOME.
        log: what supervisor and worker wrote to standard output and standard error.
        supervisor: the process that was started; the worker is its child.
    """

    url: str
    home: Path
    log: Path
    supervisor: subprocess.Popen[bytes]

    @property
    def worker(self) -> psutil.Process:
        """The process that answers."""
        (worker,) = self.workers
        return worker

    @property
    def workers(self) -> list[psutil.Process]:
        """All of them, where there are several."""
        children = psutil.Process(self.supervisor.pid).children(recursive=True)
        return [child for child in children if "_bentoml_impl.worker.service" in child.cmdline()]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        url = httpx.URL(self.url)
        assert url.port is not None
        return url.host, url.port

    def lines(self) -> list[dict[str, Any]]:
        """The log so far; a line that is no JSON object fails."""
        complete = self.log.read_text(encoding="utf-8").rpartition("\n")[0]
        lines = [json.loads(line) for line in complete.splitlines()]
        assert all(isinstance(line, dict) for line in lines)
        return lines

    def find(self, **fields: Any) -> list[dict[str, Any]]:
        """The log lines with these fields."""
        return [line for line in self.lines() if fields.items() <= line.items()]

    def wait_until(self, path: str) -> None:
        """Wait until GET `path` is 200."""

        def answers() -> bool:
            log = self.log.read_text(encoding="utf-8")
            # Of a worker that can't start the supervisor tries again for ever.
            assert self.supervisor.poll() is None, log
            assert "Application startup failed" not in log, log
            assert path != "/readyz" or '"CRITICAL"' not in log, log
            try:
                return httpx.get(f"{self.url}{path}", timeout=HANG_SECONDS).status_code == 200
            except httpx.TransportError:
                return False

        wait_for(answers)

    def terminate(self) -> None:
        """Send SIGTERM, as an orchestrator does."""
        os.kill(self.supervisor.pid, signal.SIGTERM)

    def wait(self) -> int:
        """The exit code, once it has ended."""
        return self.supervisor.wait(timeout=HANG_SECONDS)


class ServerElsewhere(Server):
    """A server that these tests have not started, such as a container: what needs more than its URL is skipped."""

    __repr__ = object.__repr__

    def __init__(self, url: str) -> None:
        self.url = url

    def __getattr__(self, name: str) -> Any:
        pytest.skip(f"the server runs elsewhere: its {name} can't be had")


@contextmanager
def serving(
    home: Path,
    target: str = "service:CreditRisk",
    cwd: Path = ROOT,
    until: str | None = "/readyz",
    options: Sequence[str] = (),
    **settings: str,
) -> Iterator[Server]:
    """A server on a free port of 127.0.0.1, once `until` is 200 there; on SIGTERM it must end well."""
    if ELSEWHERE:
        pytest.skip("tests a server of its own, not the one that runs elsewhere")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = home / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "bentoml", "serve", target, "--host", "127.0.0.1", "--port", str(port), *options],
            cwd=cwd,
            env=environment(home, **settings),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", home, log, process)
    try:
        if until is not None:
            server.wait_until(until)
        yield server
        if process.poll() is None:
            server.terminate()
        assert server.wait() == 0, log.read_text(encoding="utf-8")
        server.lines()
    finally:
        if process.poll() is None:
            # Each worker has a process group of its own, and would outlive its supervisor.
            supervisor = psutil.Process(process.pid)
            for child in (*supervisor.children(recursive=True), supervisor):
                child.kill()
            process.wait(timeout=HANG_SECONDS)
