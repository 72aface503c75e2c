"""New connections taken many at a turn of the event loop, where many requests are at work in it.

uvloop takes one a turn. A turn is the longer the more requests are at work in it, so that under load new connections, a
probe's among them, would wait for seconds while the old ones are served. So besides uvloop somebody else looks after
the same socket, and takes the more of those that wait the more is at work. A worker with little to do takes few, and
leaves the others to its siblings, who listen on the same socket.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from functools import wraps
from typing import Any

import uvicorn

FEW = 4
"""Connections taken a turn by a worker with nothing to do, besides uvloop's one. One that comes alone costs a system
call that finds nothing more."""


class Taking:
    """Takes a server's new connections, up to its end.

    Args:
        server: one that has started.
        listener: one of its sockets.
    """

    def __init__(self, server: uvicorn.Server, listener: socket.socket) -> None:
        self._server = server
        self._listener = _another(listener)
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[None]] = set()
        self._loop.add_reader(self._listener, self._take)

    def _take(self) -> None:
        for _ in range(FEW + len(self._server.server_state.tasks)):
            try:
                connection, _ = self._listener.accept()
            except OSError:  # none waits; what else there may be, uvloop finds out itself, and tells
                return
            connection.setblocking(False)
            task = self._loop.create_task(self._connect(connection))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection, ssl=self._server.config.ssl)
        except OSError:  # gone again, or its TLS is none
            connection.close()

    def _protocol(self) -> asyncio.Protocol:
        config, state = self._server.config, self._server.server_state
        made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn makes them
            config=config, server_state=state, app_state=self._server.lifespan.state
        )
        return made

    def close(self) -> None:
        """Take no more."""
        self._loop.remove_reader(self._listener)
        self._listener.close()

    async def wait_closed(self) -> None:
        """Nothing is left to be waited for."""


def _another(sock: socket.socket) -> socket.socket:
    """The same socket under one file descriptor more.

    `dup` would have the socket block, and not only here: all workers share it. One that is at work, and takes a
    connection just then, would wait in `accept` for the next one, with all that it has to answer.
    """
    return socket.socket(fileno=os.dup(sock.fileno()))


def take_many_connections() -> None:
    """Have uvicorn do so wherever it is given its sockets, as BentoML does. Doing it again changes nothing.

    Elsewhere than on Linux, where none of this was measured, it stays as it is.
    """
    startup = uvicorn.Server.startup
    if getattr(startup, "takes_many", False) or sys.platform != "linux":
        return

    @wraps(startup)
    async def taking_many(self: uvicorn.Server, sockets: list[socket.socket] | None = None) -> Any:
        await startup(self, sockets)
        # Ended by uvicorn as its own.
        self.servers += [Taking(self, each) for each in sockets or ()]  # type: ignore[misc]  # as much of one as is used

    taking_many.takes_many = True  # type: ignore[attr-defined]  # a mark
    uvicorn.Server.startup = taking_many  # type: ignore[method-assign]  # there is no other way in
