"""HTTP/1.1 by httptools, which parses at a fraction of h11's cost, without what makes it unsafe behind a proxy.

httptools ends a request at an `Upgrade` header: it drops the body (Java's HttpClient offers h2c by default) and takes
what follows for the next request, which lets a client smuggle one in. This service upgrades to nothing, and a server
may ignore the header (RFC 9110, 7.8), so the parser never sees it. Nor does httptools limit what it keeps of an
unfinished header, or of trailers. See docs/decisions/0005.

A head that was parsed but must not be acted on goes to the application with the refusal in its scope, so that it is
answered in order, counted and logged as any other; nothing behind it is read.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sized
from typing import Any, ClassVar
from uuid import uuid4

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.http.heads import MAX_HEAD_BYTES, REFUSAL, head_bytes, head_refusal, too_large_head
from serving.http.problems import ProblemError, SlowRequestError

KEEP_ALIVE_SECONDS = 75
"""How long an idle connection is kept: longer than load balancers and proxies do (60 s is usual), or one of them would
now and then send a request on a connection that is just being closed."""

UVICORN_KEEP_ALIVE_SECONDS = 5
"""What BentoML hands on where nobody has said anything."""

MAX_PIPELINED = 64
"""Requests of one connection that may wait for those before them; it is closed behind the last of them."""

_UPGRADE = re.compile(rb"\nupgrade:", re.IGNORECASE)
_IGNORED = b"\nignored:"
_UNFINISHED = re.compile(rb"\n(u(?:p(?:g(?:r(?:a(?:d(?:e)?)?)?)?)?)?)\Z", re.IGNORECASE)
"""The beginning of the header's name at the end of what has been received."""


_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class _WholeResponse:
    """A connection's transport as the response to one POST sees it: its head waits for the first part of its body.

    uvicorn writes them one by one, and each is a system call and a packet. What has a body only; HEAD would wait.
    """

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        if data == _CONTINUE:
            self._transport.write(data)
        elif self._head is None:
            self._head = data
        else:
            self._transport.writelines((self._head, data))
            self._head = b""

    def close(self) -> None:
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class _OneAfterTheOther(FlowControl):
    """Reads no more of a connection while requests of it wait: uvicorn would read on after each response."""

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if not self._waiting:
            super().resume_reading()


class HTTPProtocol(HttpToolsProtocol):
    """One connection.

    Attributes:
        head_seconds: how long a head may take from its first byte on.
        body_seconds: how long the rest of a message may take, also one that was answered before it was complete.
    """

    head_seconds: ClassVar[float] = 10.0
    body_seconds: ClassVar[float] = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.timeout_keep_alive == UVICORN_KEEP_ALIVE_SECONDS:
            self.timeout_keep_alive = KEEP_ALIVE_SECONDS
        self._in_head = self._in_body = False
        self._messages = 0
        self._watched: tuple[bool, int] | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._held = b""
        self._after_newline = False
        self._begun = False
        self._head_bytes = 0
        self._fed = 0
        self._deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as theirs
        """Take over the connection."""
        super().connection_made(transport)
        self.flow = _OneAfterTheOther(transport, self.pipeline)
        # uvicorn lets a connection that never sends anything be.
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything: uvicorn keeps what waits for a timer where the connection was reset."""
        self._unset_keepalive_if_required()
        self._watch(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, but for a header name that may yet turn out to be `Upgrade`."""
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

    def _feed(self, data: bytes) -> None:
        if not data or self._deaf or self.transport.is_closing():
            return
        self._after_newline = data.endswith(b"\n")
        self._begun = False
        self._fed = len(data)
        self._head_bytes += len(data)
        super().data_received(data)
        if self._begun:
            self._head_bytes = 0  # of its first part it isn't known where the message before it ended
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
        self._in_head = self._begun = True
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
        if self.scope["method"] == "POST":
            self.cycle.transport = _WholeResponse(self.transport)  # type: ignore[assignment]  # all that a cycle uses

        if self.expect_100_continue:
            # Refused without 100, its body may come or not: what follows can't be told from it (RFC 9110, 10.1.1).
            self.cycle.keep_alive = False
        if refusal is not None:
            self._deaf = True
            self.cycle.keep_alive = False

    def _refusal(self) -> ProblemError | None:
        # Summing up costs each request; most heads come in one small part.
        if self._head_bytes + self._fed > MAX_HEAD_BYTES and head_bytes(self.url, self.headers) > MAX_HEAD_BYTES:
            return too_large_head()
        return head_refusal(self.parser.get_http_version(), self.headers)

    def on_message_complete(self) -> None:
        """The body ends."""
        self._in_body = False
        super().on_message_complete()

    def on_chunk_complete(self) -> None:
        """Chunks as small as a token of JSON are all frame."""
        self._begun = True

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._head_bytes -= len(body)
        if not self._deaf:
            super().on_body(body)

    def _unsupported_upgrade_warning(self) -> None:
        """Answer CONNECT as the request that it is, and take nothing that follows it for another."""
        self._deaf = True
        self.cycle.keep_alive = False
