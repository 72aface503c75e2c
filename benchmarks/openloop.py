"""Open-loop load: requests are due on a schedule that waits for no answer, and latency counts from when each was due.

So a server that stalls is charged for every request that should have been sent meanwhile, and a generator that is late
shows it. A connection carries one request at a time, and there are as many as it takes, or as many as are allowed; a
request that is due while all of those wait is not sent, as a caller's pool would refuse it.

    python -m benchmarks.openloop 127.0.0.1:3000 /predict bodies.jsonl RATE SECONDS MOST_CONNECTIONS HEADERS
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.load import NO_HEADERS, LoadError
from benchmarks.spread import quantile

LATE_SECONDS = 0.001
"""A generator that is later than this at its 99th percentile has measured itself."""

CONNECTIONS_AHEAD = 64
SENDS_BETWEEN_LOOKS = 8
"""A generator that is behind its schedule must still read answers."""

WAIT_SECONDS = 15.0
"""For what has not been answered when all has been sent."""

MOST_CONNECTIONS = 20_000
OK = 200
NO_ANSWER = 0
NOT_SENT = -1


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """One round.

    Attributes:
        sent: requests.
        statuses: answers by status; 0 stands for none, and -1 for a request that found no connection free.
        with_retry_after: answers with status 429 or 503 that say when to come again.
        latency: of answers with status 200, from when they were due: quantile to seconds.
        late: how late the generator was at its 99th percentile, seconds.
        achieved: requests sent a second.
    """

    sent: int
    statuses: dict[int, int]
    with_retry_after: int
    latency: dict[str, float]
    late: float
    achieved: float

    @property
    def valid(self) -> bool:
        """Whether the generator kept to its schedule."""
        return self.late <= LATE_SECONDS

    def share(self, status: int) -> float:
        """Of all requests."""
        return self.statuses.get(status, 0) / self.sent


@dataclass(slots=True, eq=False)
class _Connection:
    socket: socket.socket
    due: float = 0.0
    received: bytearray = field(default_factory=bytearray)


class Generator:
    """Sends one round's requests and receives their answers."""

    def __init__(
        self,
        address: tuple[str, int],
        requests: Sequence[bytes],
        rate: float,
        seconds: float,
        most_connections: int = MOST_CONNECTIONS,
    ) -> None:
        self._address = address
        self._most_connections = most_connections
        self._requests = requests
        self._number = max(1, round(rate * seconds))
        self._interval = 1 / rate
        self._poll = select.epoll()
        self._by_number: dict[int, _Connection] = {}
        self._idle: deque[_Connection] = deque()
        self._late: list[float] = []
        self._latency: list[float] = []
        self._statuses: Counter[int] = Counter()
        self._with_retry_after = 0
        self._answered = 0

    def run(self) -> OpenLoop:
        """One round."""
        self._idle.extend(self._connect() for _ in range(CONNECTIONS_AHEAD))
        start = time.perf_counter() + 0.05
        sending_seconds = self._send_all(start)
        end = time.perf_counter() + WAIT_SECONDS
        while self._answered < self._number and time.perf_counter() < end:
            self._receive(0.1)
        for connection in self._by_number.values():
            connection.socket.close()
        self._statuses[NO_ANSWER] += self._number - self._answered
        self._latency.sort()
        self._late.sort()
        shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
        return OpenLoop(
            self._number,
            {status: count for status, count in self._statuses.items() if count},
            self._with_retry_after,
            {name: quantile(self._latency, share) for name, share in shares.items()},
            quantile(self._late, 0.99),
            self._number / sending_seconds,
        )

    def _connect(self) -> _Connection:
        connection = _Connection(socket.create_connection(self._address, timeout=WAIT_SECONDS))
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._by_number[connection.socket.fileno()] = connection
        self._poll.register(connection.socket.fileno(), select.EPOLLIN)
        return connection

    def _send_all(self, start: float) -> float:
        for number in range(self._number):
            due = start + number * self._interval
            while (early := due - time.perf_counter()) > 0:
                self._receive(early)
            if number % SENDS_BETWEEN_LOOKS == 0:
                self._receive(0)
            self._late.append(time.perf_counter() - due)
            if not self._idle and len(self._by_number) >= self._most_connections:
                self._finish(NOT_SENT)
                continue
            connection = self._idle.pop() if self._idle else self._connect()
            connection.due = due
            connection.socket.sendall(self._requests[number % len(self._requests)])
        return time.perf_counter() - start

    def _receive(self, seconds: float) -> None:
        """Receive what arrives; wait for it for this long at most."""
        # epoll itself waits in whole milliseconds.
        if not select.select([self._poll], [], [], seconds)[0]:
            return
        for number, _ in self._poll.poll(0):
            connection = self._by_number[number]
            chunk = connection.socket.recv(65536)
            if chunk:
                connection.received += chunk
                self._answer(connection, time.perf_counter())
            else:
                self._closed(connection)

    def _answer(self, connection: _Connection, now: float) -> None:
        head, blank, body = bytes(connection.received).partition(b"\r\n\r\n")
        lower = head.lower()
        if not blank or len(body) < int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return
        status = int(head[9:12])
        self._finish(status)
        if status == OK:
            self._latency.append(now - connection.due)
        elif status in (429, 503) and b"\r\nretry-after:" in lower:
            self._with_retry_after += 1
        connection.received.clear()
        self._idle.append(connection)

    def _closed(self, connection: _Connection) -> None:
        """The server has closed a connection: its request, if it had one, has no answer."""
        self._poll.unregister(connection.socket.fileno())
        if connection in self._idle:
            self._idle.remove(connection)
        else:
            self._finish(NO_ANSWER)

    def _finish(self, status: int) -> None:
        self._answered += 1
        self._statuses[status] += 1


def open_loop(  # noqa: PLR0913  # the last two have defaults that most want
    url: str,
    bodies: Sequence[bytes],
    rate: float,
    seconds: float,
    most_connections: int = MOST_CONNECTIONS,
    *,
    headers: Mapping[str, str] = NO_HEADERS,
) -> OpenLoop:
    """POST the bodies in turn at this rate, from a process of its own, with these headers besides."""
    address, _, path = url.removeprefix("http://").partition("/")
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        file.write(b"\n".join(bodies))
        file.flush()
        options = [file.name, str(rate), str(seconds), str(most_connections), json.dumps(dict(headers))]
        result = subprocess.run(  # noqa: S603  # its own command
            [sys.executable, "-m", "benchmarks.openloop", address, f"/{path}", *options],
            cwd=Path(__file__).resolve().parent.parent,
            capture_output=True,
            text=True,
            timeout=seconds + 90,
            check=False,
        )
    if result.returncode:
        raise LoadError(f"the open-loop generator failed on {url}: {result.stderr}")
    document = json.loads(result.stdout)
    document["statuses"] = {int(status): count for status, count in document["statuses"].items()}
    return OpenLoop(**document)


def main(arguments: Sequence[str]) -> int:
    """Print one round's figures as JSON."""
    address, path, bodies, rate, seconds, most_connections, headers = arguments
    host, _, port = address.partition(":")
    lines = {"Host": address, "Content-Type": "application/json", **json.loads(headers)}
    head = "\r\n".join([f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items())])
    head += "\r\nContent-Length: "
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in Path(bodies).read_bytes().splitlines() if body]
    with suppress(PermissionError):
        # What it measures must not be when it was given its turn: clients have processors of their own.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    outcome = Generator((host, int(port)), requests, float(rate), float(seconds), int(most_connections)).run()
    print(json.dumps(asdict(outcome)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
