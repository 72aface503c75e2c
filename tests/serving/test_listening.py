"""New connections are taken while old ones keep the event loop busy."""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop

from serving.bento.listening import FEW, _another, take_many_connections
from tests.certificates import authority, signed
from tests.servers import run_python

CHANGED = "uvicorn has changed inside: see serving/bento/listening.py"
WAITING = 64

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="connections are taken by uvloop alone elsewhere")


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Never called."""


def test_uvicorn_starts_with_the_sockets_that_it_is_given() -> None:
    assert ["self", "sockets"] == list(inspect.signature(uvicorn.Server.startup).parameters), CHANGED
    assert "startup(sockets=sockets)" in inspect.getsource(uvicorn.Server._serve), CHANGED


def test_uvicorn_makes_its_protocols_so() -> None:
    """Of the same arguments but the loop, which a protocol finds by itself."""
    assert "config=config,\n                server_state=self.server_state,\n" in inspect.getsource(
        uvicorn.Server.startup
    ), CHANGED


def test_once_is_enough() -> None:
    take_many_connections()
    startup = uvicorn.Server.startup
    take_many_connections()
    assert startup is uvicorn.Server.startup


async def turns_until_all_are_taken(listener: socket.socket, is_busy: bool) -> int:
    """Turns of the event loop in which a server takes WAITING connections, which have all been made before."""
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    clients = [socket.create_connection(listener.getsockname()) for _ in range(WAITING)]
    await server.startup([listener])
    if is_busy:
        server.server_state.tasks |= {asyncio.ensure_future(asyncio.sleep(0)) for _ in range(WAITING)}
    turns = 0
    while len(server.server_state.connections) < WAITING:
        await asyncio.sleep(0)
        turns += 1
        assert turns < 1000
    server.server_state.tasks.clear()
    for client in clients:
        client.close()
    await server.shutdown([listener])
    return turns


@pytest.mark.parametrize(
    ("is_busy", "expected"),
    [
        pytest.param(True, lambda turns: turns < WAITING / FEW / 2, id="by a busy worker all at once"),
        pytest.param(False, lambda turns: WAITING / FEW / 2 < turns < WAITING, id="by an idle one a few a turn"),
    ],
)
def test_connections_are_taken(is_busy: bool, expected: Callable[[int], bool]) -> None:
    """More of them the more is at work; an idle worker leaves some to its siblings."""
    take_many_connections()
    listener = socket.create_server(("127.0.0.1", 0), backlog=WAITING)
    listener.setblocking(False)
    assert expected(uvloop.run(turns_until_all_are_taken(listener, is_busy)))


def test_a_worker_that_starts_stops_no_other() -> None:
    """All workers listen on one socket: if it blocked for a moment, one at work would wait in `accept` and hang."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)  # as the event loop of the worker at work had it
        with _another(listener) as other:
            assert not os.get_blocking(listener.fileno())
            assert listener.getsockname() == other.getsockname()


def test_elsewhere_than_on_linux_uvicorn_stays_as_it_is() -> None:
    code = (
        "import sys; sys.platform = 'darwin'; import uvicorn; before = uvicorn.Server.startup;"
        "from serving.bento.listening import take_many_connections; take_many_connections();"
        "print(before is uvicorn.Server.startup)"
    )
    assert "True\n" == run_python("-c", code, home=Path())


def test_nothing_listens_once_a_server_has_ended() -> None:
    """All handles are closed, or the port would stay open, and connections to it would wait for ever."""
    take_many_connections()
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()

    async def serve() -> None:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        while not server.started or len(server.servers) < 2:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
        server.should_exit = True
        await serving

    uvloop.run(serve())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_connections_that_are_no_tls_harm_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Their handshakes fail, which is their own affair, and no line is owed for them; others are answered."""
    take_many_connections()
    own = authority(tmp_path, "authority")
    pair = signed(tmp_path, "server", own)

    async def no_content(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def ask(address: Any, trust: ssl.SSLContext | None) -> bytes:
        named = {} if trust is None else {"ssl": trust, "server_hostname": "127.0.0.1"}
        reader, writer = await asyncio.open_connection(*address, **named)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def serve() -> list[bytes]:
        config = uvicorn.Config(no_content, lifespan="off", log_config=None)
        config.load()
        config.ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        config.ssl.load_cert_chain(pair.certificate, pair.key)
        server = uvicorn.Server(config)
        listener = socket.create_server(("127.0.0.1", 0), backlog=WAITING)
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        trust = ssl.create_default_context(cafile=str(own.certificate))
        asked = [ask(listener.getsockname(), trust if number % 2 else None) for number in range(WAITING)]
        answers = await asyncio.gather(*asked)
        server.should_exit = True
        await serving
        return answers

    answers = uvloop.run(serve())
    assert {True} == {answer.startswith(b"HTTP/1.1 204") for answer in answers[1::2]}
    assert {b""} == set(answers[::2])
    assert not [record for record in caplog.records if record.levelname == "ERROR" and "Task" in record.getMessage()]
