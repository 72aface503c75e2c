"""The open-loop generator, against a server that stalls."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from benchmarks import openloop
from benchmarks.openloop import OpenLoop, open_loop

STALL_SECONDS = 0.5


class Stalling(BaseHTTPRequestHandler):
    """Answers by what the body asks for; all wait out one stall."""

    protocol_version = "HTTP/1.1"
    resume = 0.0
    lock = threading.Lock()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"stall":
            with self.lock:
                time.sleep(STALL_SECONDS)
        with self.lock:
            pass
        self.send_response(429 if body == b"refuse" else 200)
        if body == b"refuse":
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


class Many(ThreadingHTTPServer):
    """Takes all of the generator's connections at once."""

    request_queue_size = 128
    daemon_threads = True


@pytest.fixture
def url() -> Iterator[str]:
    server = Many(("127.0.0.1", 0), Stalling)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/any"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_stall_is_charged_to_every_request_that_was_due_meanwhile(url: str) -> None:
    """In a closed loop, one request of a hundred would have seen it."""
    outcome = open_loop(url, [b"stall"] + [b"go"] * 99, rate=100, seconds=1)
    assert outcome.sent == 100
    assert outcome.statuses == {200: 100}
    assert outcome.latency["p50"] < STALL_SECONDS / 2 < outcome.latency["max"]
    assert outcome.latency["max"] >= STALL_SECONDS
    assert 0.9 < outcome.achieved / 100 < 1.1


def test_a_late_generator_charges_itself(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Latency counts from when a request was due, not from when it was sent, and the round says that it is no good."""
    oversleeping = SimpleNamespace(
        epoll=select.epoll,
        EPOLLIN=select.EPOLLIN,
        select=lambda *files: select.select(*files[:3], files[3] + 0.05),
    )
    monkeypatch.setattr(openloop, "select", oversleeping)
    host, _, port = url.removeprefix("http://").removesuffix("/any").partition(":")
    request = b"POST /any HTTP/1.1\r\nHost: any\r\nContent-Length: 2\r\n\r\ngo"
    outcome = openloop.Generator((host, int(port)), [request], rate=10, seconds=0.5).run()
    assert outcome.statuses == {200: 5}
    assert outcome.latency["p50"] >= 0.05
    assert not outcome.valid


def test_a_request_that_finds_no_connection_free_is_not_sent_later(url: str) -> None:
    """The pool holds 64; half a second of the stall would need a hundred."""
    outcome = open_loop(url, [b"stall"] + [b"go"] * 199, rate=200, seconds=1, most_connections=64)
    assert 10 < outcome.statuses[openloop.NOT_SENT] < 60
    assert outcome.statuses[200] == 200 - outcome.statuses[openloop.NOT_SENT]


def test_refusals_are_counted_apart_and_take_no_part_in_latency(url: str) -> None:
    outcome = open_loop(url, [b"go", b"refuse"], rate=100, seconds=0.5)
    assert outcome.statuses == {200: 25, 429: 25}
    assert outcome.share(429) == 0.5
    assert outcome.with_retry_after == 25


@pytest.mark.parametrize(("late", "valid"), [(0.0009, True), (0.0011, False)])
def test_a_late_generator_has_measured_itself(late: float, valid: bool) -> None:
    assert OpenLoop(1, {200: 1}, 0, {"p99": 0.1}, late, 1.0).valid is valid
