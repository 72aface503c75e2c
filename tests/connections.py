"""Connections without a network: the service's own protocol, edge and reading of bodies, driven byte by byte.

Time goes on only where a test says so, and a client reads, or doesn't, as the test has it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry
from starlette.responses import PlainTextResponse, Response
from uvicorn.server import ServerState

from preprocessing.contract import Contract, read_contract_file
from serving.access.access import Access
from serving.bento.protocol import HTTPProtocol
from serving.http.batches import Queued
from serving.http.bodies import Bodies
from serving.http.direct import DirectRoute, Places
from serving.http.edge import Edge
from serving.http.in_flight import BytesInFlight
from serving.http.problems import ProblemError
from serving.settings import Settings
from serving.telemetry.exchange import request_id
from serving.telemetry.telemetry import Telemetry
from tests.servers import ROOT

MAX_BODY_BYTES = 20_000
IN_FLIGHT = 100_000
PER_CALLER = 90_000
TURNS = 40
"""Of the event loop, after which nothing goes on by itself."""


@cache
def contract() -> Contract:
    """The default book's."""
    return read_contract_file(ROOT / "artifacts" / "model" / "contract.json")


class _Traffic:
    def started(self) -> None: ...

    def finished(self, status: int, seconds: float) -> None: ...


class _ShedError(Exception):
    pass


def application() -> Edge:
    """The service without a model: whatever could be scored is answered with how many rows that is."""
    telemetry = Telemetry(CollectorRegistry())
    settings = Settings(max_body_bytes=MAX_BODY_BYTES)
    bodies, places = Bodies(settings, contract, telemetry), Places(None)

    async def infer(queued: list[Queued]) -> list[Any]:
        await asyncio.sleep(0)
        return [each.item for each in queued]

    async def write(results: list[Any], _: Any) -> Response:
        (first, *_) = results
        if isinstance(first, ProblemError):
            return first.response(request_id())
        return PlainTextResponse("row " * len(results))

    def route(path: str, read: Callable[[Any], Awaitable[list[Queued]]]) -> DirectRoute:
        async def read_of(request: Any, _: Any) -> list[Queued]:
            return await read(request)

        return DirectRoute(
            path, bodies.arrive, read_of, infer, write, places, 10.0, _ShedError, _Traffic(), telemetry.tracing
        )

    direct = {"/predict": route("/predict", bodies.one), "/predict/batch": route("/predict/batch", bodies.many)}
    return Edge(PlainTextResponse("alive"), direct, settings, telemetry, Access(settings, telemetry))


class Protocol(HTTPProtocol):
    """The service's, with small limits."""

    max_body_bytes = MAX_BODY_BYTES
    in_flight: BytesInFlight


class Wire(asyncio.Transport):
    """A connection as the protocol sees it.

    Attributes:
        read: what the client has read.
        reading: whether the client reads.
        lost: whether the connection is no more.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, caller: str) -> None:
        super().__init__({"peername": (caller, 40_000), "sockname": ("127.0.0.1", 3000)})
        self.read, self.reading, self.lost = bytearray(), True, False
        self.protocol: HTTPProtocol
        self._loop = loop
        self._unread = bytearray()
        self._arrived: deque[bytes] = deque()
        self._closing = self._deaf = self._full = False
        self._high = 65_536

    # what the client does

    def send(self, data: bytes) -> None:
        """Send, if there is still somebody to send to."""
        if data and not self._closing:
            self._arrived.append(data)
            self._deliver()

    def read_on(self) -> None:
        """Read what is there, and go on reading."""
        self.reading = True
        self.read += self._unread
        self._unread.clear()
        if self._full:
            self._full = False
            self.protocol.resume_writing()
        if self._closing:
            self._loop.call_soon(self._lose, None)

    def reset(self) -> None:
        """End the connection, whatever is under way."""
        self._closing = True
        self._lose(ConnectionResetError())

    # what the protocol does

    def write(self, data: Any) -> None:
        if self._closing:
            return
        if self.reading:
            self.read += data
            return
        self._unread += data
        if len(self._unread) > self._high and not self._full:
            self._full = True
            self.protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:  # noqa: ARG002  # theirs
        assert high is not None
        self._high = high

    def get_write_buffer_size(self) -> int:
        return len(self._unread)

    def pause_reading(self) -> None:
        self._deaf = True

    def resume_reading(self) -> None:
        self._deaf = False
        self._loop.call_soon(self._deliver)

    def close(self) -> None:
        self._closing = True
        if not self._unread:
            self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        self._closing = True
        self._loop.call_soon(self._lose, None)

    def is_closing(self) -> bool:
        return self._closing

    def _deliver(self) -> None:
        while self._arrived and not self._deaf and not self._closing:
            self.protocol.data_received(self._arrived.popleft())

    def _lose(self, exc: Exception | None) -> None:
        if not self.lost:
            self.lost = True
            self._unread.clear()
            self.protocol.connection_lost(exc)


class Network:
    """Connections to one process, and its clock. To be made where an event loop runs.

    Args:
        room: bytes that all of them may hold.

    Attributes:
        in_flight: what all connections hold.
        complaints: of the event loop about what nobody caught.
    """

    def __init__(self, room: int = IN_FLIGHT) -> None:
        self.in_flight = BytesInFlight(room, room * PER_CALLER // IN_FLIGHT)
        self.complaints: list[dict[str, Any]] = []
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda _, context: self.complaints.append(context))
        self._now = 1000.0
        self._loop.time = lambda: self._now  # type: ignore[method-assign]  # a clock that stands still
        self._config = uvicorn.Config(application(), log_config=None, lifespan="off", ws="none")
        self._config.load()
        self._state = ServerState()

    def connect(self, caller: str = "10.0.0.1") -> Wire:
        """A new connection."""
        wire = Wire(self._loop, caller)
        wire.protocol = type("_", (Protocol,), {"in_flight": self.in_flight})(self._config, self._state, {}, self._loop)
        wire.protocol.connection_made(wire)
        return wire

    async def settle(self) -> None:
        """Let everything happen that needs no time."""
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def wait(self, seconds: float) -> None:
        """Let time go by."""
        self._now += seconds
        await self.settle()

    def timers(self) -> list[asyncio.TimerHandle]:
        """What still waits for its time."""
        return [timer for timer in self._loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]  # nowhere else

    def tasks(self) -> int:
        """Requests that the application is at work on."""
        return len(self._state.tasks)
