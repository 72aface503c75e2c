"""A listening socket that many new connections are taken from at each turn of the event loop.

uvloop takes one a turn. A turn is the longer the more requests are at work in it, so that under load new connections, a
probe's among them, would wait for seconds while the old ones are served.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from functools import wraps
from typing import Any

import uvicorn

HANDLES = 16 if sys.platform == "linux" else 1
"""Connections taken a turn. Each handle more costs a system call where one connection comes alone, in each worker.
Elsewhere than on Linux, where none of this was measured, a socket stays as it is."""


def several_handles(sockets: Sequence[socket.socket]) -> list[socket.socket]:
    """Each socket under several file descriptors, all of which the event loop serves in one turn."""
    return [handle for sock in sockets for handle in (sock, *(_another(sock) for _ in range(HANDLES - 1)))]


def _another(sock: socket.socket) -> socket.socket:
    """The same socket under one file descriptor more.

    `dup` would have the socket block, and not only here: all workers share it. One that is at work, and takes a
    connection just then, would wait in `accept` for the next one, with all that it has to answer.
    """
    return socket.socket(fileno=os.dup(sock.fileno()))


def listen_with_several_handles() -> None:
    """Have uvicorn listen so wherever it is given its sockets, as BentoML does. Doing it again changes nothing."""
    startup = uvicorn.Server.startup
    if getattr(startup, "several_handles", False):
        return

    @wraps(startup)
    async def with_several_handles(self: uvicorn.Server, sockets: list[socket.socket] | None = None) -> Any:
        await startup(self, several_handles(sockets) if sockets else sockets)

    with_several_handles.several_handles = True  # type: ignore[attr-defined]  # a mark
    uvicorn.Server.startup = with_several_handles  # type: ignore[method-assign]  # there is no other way in
