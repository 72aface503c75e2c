"""Callers of a soak: as many connections as are asked for, each with one request at a time."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from benchmarks.soak.kinds import Kind

ANSWER_SECONDS = 60.0
"""After which an answer is missing."""

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: close\r\n", re.IGNORECASE)

Outcome = tuple[str, str]
"""A kind's name, and what came of it: a status, "not asked for", or the error that there was in place of an answer."""


class Connection:
    """One connection, made anew when it has ended."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, kind: Kind, number: int) -> str:
        """What came of one request."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._ask(kind, number)
        except (OSError, EOFError, TimeoutError, ValueError) as exc:
            self.end()
            return type(exc).__name__

    async def _ask(self, kind: Kind, number: int) -> str:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        writer.write(kind.make(number))
        if kind.status is None:
            await writer.drain()
            self.end()
            return "not asked for"
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None:
            raise ValueError("an answer without a length")
        await reader.readexactly(int(length[1]))
        if kind.closes or _CLOSE.search(head):
            self.end()
        return head[9:12].decode("ascii")

    def end(self) -> None:
        """Close it."""
        if self._streams is not None:
            with suppress(OSError):
                self._streams[1].close()
            self._streams = None


class Callers:
    """All connections of a soak.

    Args:
        address: host and port.
        connections: how many.
        order: the kinds of requests, over and over.
        progress: called after each request.

    Attributes:
        outcomes: how often each came of each kind.
    """

    def __init__(
        self, address: tuple[str, int], connections: int, order: Sequence[Kind], progress: Callable[[], object]
    ) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self._connections = [Connection(*address) for _ in range(connections)]
        self._work = self._endless(order)
        self._progress = progress

    def _endless(self, order: Sequence[Kind]) -> Iterator[tuple[int, Kind]]:
        number = 0
        while True:
            for kind in order:
                yield number, kind
                number += 1

    async def ask(self, requests: int) -> None:
        """Send so many, and return when all have been answered: nothing is in flight then."""
        work = islice(self._work, requests)

        async def one(connection: Connection) -> None:
            for number, kind in work:
                self.outcomes[kind.name, await connection.ask(kind, number)] += 1
                self._progress()

        await asyncio.gather(*map(one, self._connections))

    async def end(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.end()
        await asyncio.sleep(0)  # which is when the sockets are closed
