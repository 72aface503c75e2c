"""New connections are taken while old ones keep the event loop busy."""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop

from serving.bento.listening import HANDLES, listen_with_several_handles, several_handles
from tests.servers import run_python

CHANGED = "uvicorn has changed inside: see serving/bento/listening.py"
WAITING = 4 * HANDLES


def test_uvicorn_starts_with_the_sockets_that_it_is_given() -> None:
    assert ["self", "sockets"] == list(inspect.signature(uvicorn.Server.startup).parameters), CHANGED
    assert "startup(sockets=sockets)" in inspect.getsource(uvicorn.Server._serve), CHANGED


def test_once_is_enough() -> None:
    listen_with_several_handles()
    startup = uvicorn.Server.startup
    listen_with_several_handles()
    assert startup is uvicorn.Server.startup


async def turns_until_all_are_taken(sockets: list[socket.socket], address: Any) -> int:
    """Turns of the event loop that it takes to accept WAITING connections, which have all been made before."""
    clients = [socket.create_connection(address) for _ in range(WAITING)]
    loop, taken, turns = asyncio.get_running_loop(), [], 0

    class Taken(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            taken.append(transport)

    servers = [await loop.create_server(Taken, sock=each) for each in sockets]
    while len(taken) < WAITING:
        await asyncio.sleep(0)
        turns += 1
        assert turns < 1000
    for transport in taken:
        transport.close()
    for server in servers:
        server.close()
        await server.wait_closed()
    for client in clients:
        client.close()
    return turns


@pytest.mark.parametrize("several", [False, True])
def test_connections_a_turn(several: bool) -> None:
    """With one handle a turn for each connection, or several handles would not be needed any more."""
    if several and HANDLES == 1:
        pytest.skip("one handle on this platform")
    listener = socket.create_server(("127.0.0.1", 0), backlog=WAITING)
    listener.setblocking(False)
    address = listener.getsockname()
    sockets = several_handles([listener]) if several else [listener]
    turns = uvloop.run(turns_until_all_are_taken(sockets, address))
    if several:
        assert turns < WAITING / 2
    else:
        assert turns >= WAITING, "uvloop takes several connections a turn: serving/bento/listening.py can go"


def test_a_worker_that_starts_stops_no_other() -> None:
    """All workers listen on one socket: if it blocked for a moment, one at work would wait in `accept` and hang."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)  # as the event loop of the worker at work had it
        inherited = socket.socket(fileno=os.dup(listener.fileno()))

        handles = several_handles([inherited])

        assert not os.get_blocking(listener.fileno())
        assert {listener.getsockname()} == {handle.getsockname() for handle in handles}
        for handle in handles:
            handle.close()


def test_elsewhere_than_on_linux_a_socket_stays_as_it_is() -> None:
    code = (
        "import sys; sys.platform = 'darwin'; from serving.bento.listening import several_handles as h; print(h([7]))"
    )
    assert "[7]\n" == run_python("-c", code, home=Path())


def test_nothing_listens_once_a_server_has_ended() -> None:
    """All handles are closed, or the port would stay open, and connections to it would wait for ever."""
    listen_with_several_handles()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        """Never called."""

    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()

    async def serve() -> None:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
        assert HANDLES == len(server.servers)
        server.should_exit = True
        await serving

    uvloop.run(serve())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
