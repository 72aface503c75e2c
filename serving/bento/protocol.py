"""HTTP/1.1 by httptools, which parses at a fraction of h11's cost, without what makes it unsafe behind a proxy.

httptools ends a request at an `Upgrade` header: it drops the body (Java's HttpClient offers h2c by default) and takes
what follows for the next request, which lets a client smuggle one in. This service upgrades to nothing, and a server
may ignore the header (RFC 9110, 7.8), so the parser never sees it. Nor does httptools limit what it keeps of an
unfinished header, or of trailers. See docs/decisions/0005.

A head that was parsed but must not be acted on goes to the application with the refusal in its scope, so that it is
answered in order, counted and logged as any other; nothing behind it is read. So does a message for whose bytes there
is no room; of that the rest is read and dropped, so that its sender gets to read the answer.

Bytes are counted as they arrive, until the application is done with their request; those of an answer, as far as the
client doesn't read it. Small messages are counted and never refused: a probe or a single application has to get through
while others fill the room, and a connection by itself takes more than they do.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Sized
from functools import partial
from typing import Any, ClassVar
from uuid import uuid4

from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from serving.access.people import PEER
from serving.http.heads import REFUSAL, head_bytes, head_refusal, too_large_head
from serving.http.in_flight import BytesInFlight
from serving.http.problems import OverloadedError, ProblemError, SlowRequestError
from serving.settings import MAX_HEAD_BYTES

KEEP_ALIVE_SECONDS = 75
"""How long an idle connection is kept: longer than load balancers and proxies do (60 s is usual), or one of them would
now and then send a request on a connection that is just being closed."""

UVICORN_KEEP_ALIVE_SECONDS = 5
"""What BentoML hands on where nobody has said anything."""

MAX_PIPELINED = 64
"""Requests of one connection that may wait for those before them; it is closed behind the last of them."""

SMALL_BYTES = 4096
"""What a message may have, head and body, for there to be room always."""

TURN_BYTES = 65_536
"""Bytes parsed before others get their turn on the event loop: in the smallest chunks some 10 ms of work. uvloop reads
four times as many at once, and goes on reading."""

_UPGRADE = re.compile(rb"\nupgrade:", re.IGNORECASE)
_IGNORED = b"\nignored:"
_UNFINISHED = re.compile(rb"\n(u(?:p(?:g(?:r(?:a(?:d(?:e)?)?)?)?)?)?)\Z", re.IGNORECASE)
"""The beginning of the header's name at the end of what has been received."""


def _no_room() -> OverloadedError:
    return OverloadedError(
        "the requests in progress hold as many bytes as they may; repeat the request after Retry-After seconds"
    )


class _WholeResponse:
    """Sends the response to one POST: its head waits for the first part of its body.

    uvicorn writes them one by one, and each is a system call and a packet. What has a body only; HEAD would wait. A
    response that is whole with that part, as nearly all are, is written past uvicorn, which looks into each header.
    """

    __slots__ = ("_cycle", "_send", "_start")

    def __init__(self, cycle: RequestResponseCycle, send: ASGISendCallable) -> None:
        self._cycle = cycle
        self._send = send
        self._start: Any = None

    async def send(self, message: Any) -> None:
        start, self._start = self._start, None
        if start is None:
            if message["type"] == "http.response.start":
                self._start = message
            else:
                await self._send(message)
            return
        cycle = self._cycle
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if (content := self._content(start, message)) is None:
            cycle.transport = together = _Together(cycle.transport)  # type: ignore[assignment]  # all that it uses
            await self._send(start)
            await self._send(message)
            cycle.transport = together.transport
        elif not cycle.disconnected:
            cycle.waiting_for_100_continue = False
            cycle.response_started = cycle.response_complete = True
            cycle.transport.write(content)
            cycle.message_event.set()
            cycle.on_response()

    def _content(self, start: Any, message: Any) -> bytes | None:
        """A response's bytes; None where it isn't whole, or there is more to it than to be written."""
        headers, body = start["headers"], message.get("body", b"")
        by_name = dict(headers)
        if (
            message.get("more_body", False)
            or not self._cycle.keep_alive
            or by_name.get(b"content-length") != b"%d" % len(body)
            or b"connection" in by_name
        ):
            return None
        lines = [b"%b: %b\r\n" % header for header in (*self._cycle.default_headers, *headers)]
        head = b"".join((STATUS_LINE[start["status"]], *lines))
        # A line's end within a header is for uvicorn to refuse.
        return head + b"\r\n" + body if head.count(b"\n") == head.count(b"\r") == len(lines) + 1 else None


class _Together:
    """A connection's transport, on which a head goes out with the first part of its body."""

    __slots__ = ("_head", "transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        if self._head is None:
            self._head = data
        else:
            self.transport.writelines((self._head, data))
            self._head = b""

    def close(self) -> None:
        self.transport.close()


class _OneAfterTheOther(FlowControl):
    """Reads no more of a connection while something of it waits: uvicorn would read on after each response."""

    def __init__(self, transport: asyncio.Transport, requests: Sized, parts: Sized) -> None:
        super().__init__(transport)
        self._requests = requests
        self._parts = parts

    def resume_reading(self) -> None:
        if not self._requests and not self._parts:
            super().resume_reading()


class HTTPProtocol(HttpToolsProtocol):
    """One connection.

    Attributes:
        head_seconds: how long a head may take from its first byte on.
        body_seconds: how long the rest of a message may take, also one that was answered before it was complete.
        answer_seconds: how long a client may take to read an answer.
        max_body_bytes: that a request may have; more is refused by whoever reads it.
        in_flight: what all connections hold.
    """

    head_seconds: ClassVar[float]
    body_seconds: ClassVar[float]
    answer_seconds: ClassVar[float]
    max_body_bytes: ClassVar[int]
    in_flight: ClassVar[BytesInFlight]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.timeout_keep_alive == UVICORN_KEEP_ALIVE_SECONDS:
            self.timeout_keep_alive = KEEP_ALIVE_SECONDS
        self.access_log = False  # the edge logs every request
        self._in_head = self._in_body = False
        self._messages = 0
        self._watched: tuple[bool, int] | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._held = b""
        self._after_newline = False
        self._begun = False
        self._head_bytes = self._first_part = 0
        self._fed = 0
        self._deaf = False
        self._dropping = False
        self._held_by: dict[RequestResponseCycle, int] = {}
        self._held_by_head = self._held_by_answer = 0
        self._answer_limit: asyncio.TimerHandle | None = None
        self._caller = ""
        self._parts: deque[bytes] = deque()
        self._next_turn: asyncio.Handle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as theirs
        """Take over the connection."""
        super().connection_made(transport)
        self.flow = _OneAfterTheOther(transport, self.pipeline, self._parts)
        if self.client is not None:
            self._caller = self.client[0]
        # What a client doesn't read at once is told by pause_writing. Not by 0: under TLS uvloop pauses at the limit,
        # not above it, so that with nothing waiting it would stop every answer.
        transport.set_write_buffer_limits(1)
        # uvicorn lets a connection that never sends anything be.
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything: uvicorn keeps what waits for a timer where the connection was reset."""
        self._unset_keepalive_if_required()
        self._watch(None)
        if self._next_turn is not None:
            self._next_turn.cancel()
        self._let_head_go()
        self._answer_is_read()
        for cycle, _ in self.pipeline:
            self._let_go(cycle)  # it never starts
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, each part of it in a turn of its own."""
        if len(data) > TURN_BYTES or self._parts:
            waiting = bool(self._parts)
            self._parts.extend(data[start : start + TURN_BYTES] for start in range(0, len(data), TURN_BYTES))
            if not waiting:
                self.flow.pause_reading()
                self._go_on()
        else:
            self._parse(data)

    def _go_on(self) -> None:
        self._parse(self._parts.popleft())
        if self._deaf or self.transport.is_closing():
            self._parts.clear()
        if self._parts:
            self._next_turn = self.loop.call_soon(self._go_on)
        elif self.cycle is None or self.cycle.response_complete or len(self.cycle.body) <= HIGH_WATER_LIMIT:
            self.flow.resume_reading()  # otherwise the application does so when it takes the body

    def _parse(self, data: bytes) -> None:
        """Parse a part, but for a header name that may yet turn out to be `Upgrade`."""
        if self._deaf:
            return
        line_start = b"\n" if self._after_newline else b""
        # Equal in length, so that nothing moves. In a body, at most an unknown field's name changes.
        seen = _UPGRADE.sub(_IGNORED, line_start + self._held + data)
        unfinished = _UNFINISHED.search(seen)
        end = unfinished.start(1) if unfinished else len(seen)
        self._feed(seen[len(line_start) : end])
        self._held = seen[end:]
        if not self._in_head:
            self._feed(self._held)
            self._held = b""
        # What comes whole, as nearly all does, needs no timer.
        if self._in_head or self._in_body:
            self._watch((self._in_head, self._messages))
            if self._in_head:
                self._hold_head()
        elif self._is_idle():
            self._watch((True, self._messages))  # line ends between two messages
        elif self._watched is not None:
            self._watch(None)

    def _is_idle(self) -> bool:
        return self.timeout_keep_alive_task is None and (self.cycle is None or self.cycle.response_complete)

    def _watch(self, part: tuple[bool, int] | None) -> None:
        """Limit the time that a message's head or body takes; all its bytes together, or trickling would be endless."""
        if part == self._watched and part is not None:
            return
        if self._limit is not None:
            self._limit.cancel()
        self._watched, self._limit = part, None
        if part is not None:
            self._limit = self.loop.call_later(self.head_seconds if part[0] else self.body_seconds, self._too_slow)

    def _too_slow(self) -> None:
        part, self._watched = self._watched, None
        if self.transport.is_closing() or self._deaf or part is None:
            return
        if self.flow.read_paused:
            self._watch(part)  # it is this side that doesn't read
        elif part[0]:
            self._refuse_unread(SlowRequestError())
        elif self.cycle.response_complete:
            self.transport.close()
        else:
            self._deaf = True
            self.cycle.keep_alive = False
            self.cycle.scope[REFUSAL] = SlowRequestError()  # type: ignore[literal-required]  # a server may add to it
            self.cycle.message_event.set()

    def _hold_head(self) -> None:
        """Count the bytes of an unfinished head; one that comes whole is counted at its end."""
        more = self._first_part + self._head_bytes - self._held_by_head
        if more > 0:
            if self._hold(self._held_by_head, more):
                self._held_by_head += more
            else:
                self._refuse_unread(_no_room())

    def _hold(self, held: int, more: int) -> bool:
        """Count more bytes of a message of which so many are held."""
        if held + more > SMALL_BYTES:
            return self.in_flight.take(self._caller, more)
        self.in_flight.add(self._caller, more)
        return True

    def _let_head_go(self) -> None:
        if self._held_by_head:
            self.in_flight.give_back(self._caller, self._held_by_head)
            self._held_by_head = 0

    def _let_go(self, cycle: RequestResponseCycle) -> None:
        self.in_flight.give_back(self._caller, self._held_by.pop(cycle, 0))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        super()._start_asgi_task(cycle, partial(self._answer, cycle, app))

    async def _answer(
        self,
        cycle: RequestResponseCycle,
        app: ASGI3Application,
        scope: Scope,
        receive: ASGIReceiveCallable,
        send: ASGISendCallable,
    ) -> None:
        scope[PEER] = self.client  # type: ignore[literal-required]  # a server may add to it
        if scope["method"] == "POST":  # type: ignore[typeddict-item]  # a request's, which has one
            send = _WholeResponse(cycle, send).send
        try:
            await app(scope, receive, send)
        finally:
            self._let_go(cycle)

    def pause_writing(self) -> None:
        """Count what the client doesn't read, and limit how long it may not."""
        super().pause_writing()
        self._held_by_answer = self.transport.get_write_buffer_size()
        self.in_flight.add(self._caller, self._held_by_answer)
        self._answer_limit = self.loop.call_later(self.answer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: all has been read, or as good as."""
        self._answer_is_read()
        super().resume_writing()

    def _answer_is_read(self) -> None:
        if self._answer_limit is not None:
            self._answer_limit.cancel()
            self._answer_limit = None
            self.in_flight.give_back(self._caller, self._held_by_answer)

    def _feed(self, data: bytes) -> None:
        if not data or self._deaf or self.transport.is_closing():
            return
        self._after_newline = data.endswith(b"\n")
        self._begun = False
        self._fed = len(data)
        self._head_bytes += len(data)
        super().data_received(data)
        if self._begun:
            self._first_part = self._fed  # in which it isn't known where the message before it ended
            self._head_bytes = 0
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse_unread(too_large_head())

    def _refuse_unread(self, problem: ProblemError) -> None:
        """Refuse a message without a whole head: no application ever sees it."""
        if not self._deaf and self._is_first_owed():
            response = problem.response(uuid4().hex)
            head = [STATUS_LINE[problem.status], *(b"%b: %b\r\n" % header for header in response.raw_headers)]
            self.transport.write(b"".join((*head, b"connection: close\r\n\r\n", response.body)))
            self.transport.close()
        self._deaf = True

    def send_400_response(self, msg: str) -> None:
        """Refuse what can't be parsed, behind the answers that are owed for what could."""
        if not self._deaf and self._is_first_owed():
            super().send_400_response(msg)
        self._deaf = True

    def _is_first_owed(self) -> bool:
        """Whether no answer is owed before the one to what is being read; else the connection ends behind those."""
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            return True
        self.cycle.keep_alive = False
        return False

    def on_message_begin(self) -> None:
        """A request begins."""
        if self._deaf or len(self.pipeline) >= MAX_PIPELINED:
            raise BufferError("no more requests are read")  # the parser's only way to stop
        super().on_message_begin()
        self._unset_keepalive_if_required()
        self._in_head = self._begun = True
        self._dropping = False
        self._messages += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers are of no use here."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The body begins."""
        self._in_head, self._in_body = False, True
        refusal = self._refusal()
        if refusal is not None:
            self.scope[REFUSAL] = refusal  # type: ignore[literal-required]  # a server may add to it
        super().on_headers_complete()
        held = self._held_by[self.cycle] = self._hold_message()  # only now: a target that is no URL ends it before
        if held == 0:
            self._drop()

        if self.expect_100_continue:
            # Refused without 100, its body may come or not: what follows can't be told from it (RFC 9110, 10.1.1).
            self.cycle.keep_alive = False
        if refusal is not None:
            self._deaf = True
            self.cycle.keep_alive = False

    def _hold_message(self) -> int:
        """Count a message's head from now on; 0 where there is no room for it, or for the body that it declares."""
        self._let_head_go()
        # Summing up costs each request; most heads come in one small part.
        small = self._first_part + self._head_bytes + self._fed <= SMALL_BYTES
        head = self._fed if small else head_bytes(self.url, self.headers)
        room = self.in_flight.room(self._caller) - head
        if room < self.max_body_bytes and room < (declared := self._declared()) and head + declared > SMALL_BYTES:
            return 0
        self.in_flight.add(self._caller, head)
        return head

    def _declared(self) -> int:
        """The length of the body to come, as far as it is known and one that is read at all."""
        length = next((value for name, value in self.headers if name == b"content-length"), b"0")
        declared = int(length) if length.isdigit() else 0
        return declared if declared <= self.max_body_bytes else 0

    def _drop(self) -> None:
        """Refuse a message for whose bytes there is no room, and keep nothing of what is still to come of it."""
        self._dropping = True
        self.cycle.scope.setdefault(REFUSAL, _no_room())  # type: ignore[misc]  # a server may add to it
        self.cycle.body = bytearray()
        self.cycle.message_event.set()

    def _refusal(self) -> ProblemError | None:
        # Summing up costs each request; most heads come in one small part.
        most = self._first_part + self._head_bytes + self._fed
        if most > MAX_HEAD_BYTES and head_bytes(self.url, self.headers) > MAX_HEAD_BYTES:
            return too_large_head()
        return head_refusal(self.parser.get_http_version(), self.headers)

    def on_message_complete(self) -> None:
        """The body ends."""
        self._in_body = False
        super().on_message_complete()
        if self.cycle.response_complete and self.timeout_keep_alive_task is None:
            # Answered before it was complete: uvicorn took its time limit off when more of the body came.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_chunk_complete(self) -> None:
        """Chunks as small as a token of JSON are all frame."""
        self._begun = True

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._head_bytes -= len(body)
        if self._deaf or self._dropping or self.cycle.response_complete:
            return
        if self._hold(self._held_by[self.cycle], len(body)):
            self._held_by[self.cycle] += len(body)
            super().on_body(body)
        else:
            self._drop()

    def _unsupported_upgrade_warning(self) -> None:
        """Answer CONNECT as the request that it is, and take nothing that follows it for another."""
        self._deaf = True
        self.cycle.keep_alive = False
