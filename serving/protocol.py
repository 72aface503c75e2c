"""HTTP/1.1 by httptools, which parses at a fraction of h11's cost, without what makes it unsafe behind a proxy.

httptools ends a request at an `Upgrade` header: it drops the body (Java's HttpClient offers h2c by default) and takes
what follows for the next request, which lets a client smuggle one in. This service upgrades to nothing, and a server
may ignore the header (RFC 9110, 7.8), so the parser never sees it. Nor does httptools limit what it keeps of an
unfinished header, or of trailers. See docs/decisions/0005.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 65_536
"""What one message may need besides its body; h11's limit."""

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


class HTTPProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = False
        self._held = b""
        self._after_newline = False
        self._begun = False
        self._head_bytes = 0
        self._deaf = False

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, but for a header name that may yet turn out to be `Upgrade`."""
        if self._deaf:
            return
        line_start = b"\n" if self._after_newline else b""
        # Equal in length, so that nothing moves. No body is meant: in no JSON does a line begin with this name.
        seen = _UPGRADE.sub(_IGNORED, line_start + self._held + data)
        unfinished = _UNFINISHED.search(seen)
        end = unfinished.start(1) if unfinished else len(seen)
        self._feed(seen[len(line_start) : end])
        self._held = seen[end:]
        if not self._in_head:
            self._feed(self._held)
            self._held = b""

    def _feed(self, data: bytes) -> None:
        if not data or self.transport.is_closing():
            return
        self._after_newline = data.endswith(b"\n")
        self._begun = False
        self._head_bytes += len(data)
        super().data_received(data)
        if self._begun:
            self._head_bytes = 0  # of its first part it isn't known where the message before it ended
        if self._head_bytes > MAX_HEAD_BYTES:
            self._deaf = True
            self.send_400_response("Request head too large.")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = self._begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers are of no use here."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The body begins."""
        self._in_head = False
        super().on_headers_complete()
        if self.scope["method"] == "POST":
            self.cycle.transport = _WholeResponse(self.transport)  # type: ignore[assignment]  # all that a cycle uses

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._head_bytes -= len(body)
        super().on_body(body)

    def _unsupported_upgrade_warning(self) -> None:
        """Answer CONNECT as the request that it is, and take nothing that follows it for another."""
        self._deaf = True
        self.cycle.keep_alive = False
