"""A server before the real one that does at once what that does rarely: refuse for a while, or drop the connection."""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import httpx

PROBLEM = (
    b'{"type":"urn:problem:credit-risk-api:too-many-requests","title":"-","status":%d,"detail":"-","request_id":"%s"}'
)
OWN_HEADERS = ("Content-Type", "X-Request-ID")


@dataclass(frozen=True)
class Fault:
    """What one POST gets instead of its answer.

    Attributes:
        status: HTTP status; none at all where the connection is reset.
        seconds: what Retry-After asks for.
        as_date: as a date, whose seconds are whole: up to one second less.
        problem: as the service itself would say it; else as a proxy's page.
        after: bytes of an answer that are sent before the connection is reset.
    """

    status: int | None = None
    seconds: int = 0
    as_date: bool = False
    problem: bool = True
    after: bytes = b""

    @property
    def least(self) -> int:
        """Seconds that a client waits at least."""
        return self.seconds - self.as_date

    def retry_after(self) -> str:
        """The header."""
        if not self.as_date:
            return str(self.seconds)
        return format_datetime(datetime.now(UTC) + timedelta(seconds=self.seconds), usegmt=True)


@dataclass(frozen=True)
class Seen:
    """A POST that arrived.

    Attributes:
        at: when it had been read, in monotonic seconds.
        fault: what it got, if not its answer.
    """

    request_id: str | None
    path: str
    body: bytes
    at: float
    fault: Fault | None


class Unsteady(ThreadingHTTPServer):
    """A server whose first POSTs get these faults, one each; everything else is the target's answer."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, target: str, faults: tuple[Fault, ...]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.target = target
        self.seen: list[Seen] = []
        self._faults = list(faults)
        self._lock = threading.Lock()

    def arrived(self, request_id: str | None, path: str, body: bytes) -> Fault | None:
        """Note a POST, and say what it gets."""
        with self._lock:
            fault = self._faults.pop(0) if self._faults else None
            self.seen.append(Seen(request_id, path, body, time.monotonic(), fault))
            return fault

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that has given up is gone before its answers are.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout: ClassVar[float] = 30
    server: Unsteady

    def do_GET(self) -> None:
        self.forward(b"")

    def do_POST(self) -> None:
        body = self.body()
        fault = self.server.arrived(self.headers["X-Request-ID"], self.path, body)
        if fault is None:
            self.forward(body)
        elif fault.status is None:
            self.reset(fault.after)
        else:
            self.refuse(fault.status, fault)

    def body(self) -> bytes:
        if self.headers["Transfer-Encoding"] is None:
            return self.rfile.read(int(self.headers["Content-Length"]))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def forward(self, body: bytes) -> None:
        headers = {name: value for name in OWN_HEADERS if (value := self.headers[name])}
        answer = httpx.request(self.command, self.server.target + self.path, content=body, headers=headers, timeout=30)
        self.answer(answer.status_code, answer.content, {name: answer.headers[name] for name in OWN_HEADERS})

    def refuse(self, status: int, fault: Fault) -> None:
        kind = "application/problem+json" if fault.problem else "text/html"
        request_id = (self.headers["X-Request-ID"] or "").encode()
        body = PROBLEM % (status, request_id) if fault.problem else b"<h1>Service Unavailable</h1>"
        self.answer(status, body, {"Content-Type": kind, "Retry-After": fault.retry_after()})

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reset(self, first: bytes) -> None:
        self.wfile.write(first)
        # Nothing lingers: what closes it sends a reset, where it would else send an end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        os.close(self.connection.detach())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def unsteady(target: str, *faults: Fault) -> Iterator[Unsteady]:
    """One that runs."""
    with Unsteady(target, faults) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
