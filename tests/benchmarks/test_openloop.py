"""The open-loop generator, against a server that stalls, by a clock of their own: no machine is too busy for it."""

from __future__ import annotations

import heapq
import select
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from benchmarks import openloop
from benchmarks.openloop import Generator, OpenLoop, open_loop

STALL_SECONDS = 0.5
OVERSLEPT_SECONDS = 0.05
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Connected(socket.socket):
    """One end of a pair of sockets, which takes TCP's options as well."""

    def setsockopt(self, *_: object) -> None:
        """Nothing."""


class Simulation:
    """Clock, network and server in one: time passes only where the generator waits.

    The server answers at once, in the order of arrival; a request that ends with "stall" holds up all that come after.

    Attributes:
        now: seconds.
        oversleeps: seconds by which every wait is too long.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.oversleeps = 0.0
        self._free_at = 0.0
        self._connections: list[socket.socket] = []
        self._due: list[tuple[float, int, socket.socket]] = []
        self._taken = 0

    def connect(self, *_: object, **__: object) -> socket.socket:
        """A new connection; the generator's end of it."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._connections.append(ours)
        return Connected(fileno=theirs.detach())

    def select(self, poll: list[select.epoll], _: object, __: object, seconds: float) -> tuple[list[select.epoll]]:
        """Wait for answers as `select.select` does, in this time."""
        self._take()
        end = self.now + seconds + self.oversleeps * (seconds > 0)
        self.now = min(end, max(self.now, self._due[0][0])) if self._due else end
        while self._due and self._due[0][0] <= self.now:
            heapq.heappop(self._due)[2].sendall(ANSWER)
        return (select.select(poll, [], [], 0)[0],)

    def _take(self) -> None:
        for connection in self._connections:
            try:
                request = connection.recv(65536)
            except BlockingIOError:
                continue
            self._free_at = max(self.now, self._free_at) + STALL_SECONDS * request.endswith(b"stall")
            self._taken += 1
            heapq.heappush(self._due, (self._free_at, self._taken, connection))

    def close(self) -> None:
        """Close the server's ends."""
        for connection in self._connections:
            connection.close()


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulation]:
    simulated = Simulation()
    selecting = SimpleNamespace(epoll=select.epoll, EPOLLIN=select.EPOLLIN, select=simulated.select)
    connecting = SimpleNamespace(
        create_connection=simulated.connect, IPPROTO_TCP=socket.IPPROTO_TCP, TCP_NODELAY=socket.TCP_NODELAY
    )
    monkeypatch.setattr(openloop, "select", selecting)
    monkeypatch.setattr(openloop, "socket", connecting)
    monkeypatch.setattr(openloop, "time", SimpleNamespace(perf_counter=lambda: simulated.now))
    yield simulated
    simulated.close()


def generate(bodies: list[bytes], rate: float, seconds: float, most_connections: int = 1000) -> OpenLoop:
    """One round in the simulation."""
    requests = [b"POST /any HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body for body in bodies]
    return Generator(("simulated", 0), requests, rate, seconds, most_connections).run()


@pytest.mark.usefixtures("simulation")
def test_a_stall_is_charged_to_every_request_that_was_due_meanwhile() -> None:
    """In a closed loop, one request of a hundred would have seen it."""
    outcome = generate([b"stall"] + [b"go"] * 99, rate=100, seconds=1)
    assert outcome.sent == 100
    assert outcome.statuses == {200: 100}
    assert outcome.latency["max"] == pytest.approx(STALL_SECONDS)
    assert outcome.latency["p50"] == pytest.approx(0, abs=0.02)
    assert outcome.latency["p99"] == pytest.approx(STALL_SECONDS, abs=0.02)
    assert outcome.achieved == pytest.approx(100, rel=0.02)
    assert outcome.valid


def test_a_late_generator_charges_itself(simulation: Simulation) -> None:
    """Latency counts from when a request was due, not from when it was sent, and the round says that it is no good."""
    simulation.oversleeps = OVERSLEPT_SECONDS
    outcome = generate([b"go"], rate=10, seconds=0.5)
    assert outcome.statuses == {200: 5}
    assert outcome.latency["p50"] == pytest.approx(OVERSLEPT_SECONDS)
    assert outcome.late == pytest.approx(OVERSLEPT_SECONDS)
    assert not outcome.valid


@pytest.mark.usefixtures("simulation")
def test_a_request_that_finds_no_connection_free_is_not_sent_later() -> None:
    """The pool holds 64; half a second of the stall is due for a hundred."""
    outcome = generate([b"stall"] + [b"go"] * 199, rate=200, seconds=1, most_connections=64)
    assert outcome.statuses[openloop.NOT_SENT] == pytest.approx(100 - 64, abs=1)
    assert outcome.statuses[200] == 200 - outcome.statuses[openloop.NOT_SENT]


class Refusing(BaseHTTPRequestHandler):
    """Answers by what the body asks for."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(429 if body == b"refuse" or self.headers["X-Key"] != "mine" else 200)
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


def test_refusals_are_counted_apart_and_take_no_part_in_latency() -> None:
    """In a process of its own, over real connections."""
    server = Many(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/any"
    outcome = open_loop(url, [b"go", b"refuse"], rate=100, seconds=0.5, headers={"X-Key": "mine"})
    server.shutdown()
    server.server_close()
    thread.join()
    assert outcome.statuses == {200: 25, 429: 25}
    assert outcome.share(429) == 0.5
    assert outcome.with_retry_after == 25


@pytest.mark.parametrize(("late", "valid"), [(0.0009, True), (0.0011, False)])
def test_a_late_generator_has_measured_itself(late: float, valid: bool) -> None:
    assert OpenLoop(1, {200: 1}, 0, {"p99": 0.1}, late, 1.0).valid is valid
