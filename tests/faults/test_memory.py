"""Memory under loads that hold as much of it as they can: bounded, and given back, in a served process."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from starlette.requests import Request

from serving.bento.allocator import give_memory_back
from tests.applications import portfolio
from tests.connections import Network
from tests.servers import Server, copy_store, serving, wait_for

MIB = 1_048_576
MOST = 512 * MIB
"""Limit of the container in deploy/kubernetes."""

GROWTH = 1.2
OF_LISTS = 1.35
"""Sixteen lists of 500 at once leave some 27 MiB in use: the interpreter's arenas, of which few are quite empty."""
PATIENCE_SECONDS = 9
"""Less than any of the time limits, so that nothing is given back because a connection was ended."""

HEAD = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def reset(connection: socket.socket) -> None:
    """End a connection without a word."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def at_once(number: int, client: Callable[[], socket.socket]) -> None:
    """Many clients, each of which leaves a connection open; at last all of them are reset."""
    with ThreadPoolExecutor(8) as pool:
        connections = list(pool.map(lambda _: client(), range(number)))
    for connection in connections:
        reset(connection)


def sending(server: Server, data: bytes, buffer: int | None = None) -> socket.socket:
    """A connection on which as much of the data was sent as is taken."""
    connection = socket.socket()
    if buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(5)
    connection.connect(server.address)
    with suppress(OSError):
        connection.sendall(data)
    return connection


def unfinished(server: Server) -> None:
    """400 bodies of 1 MiB that lack their last byte."""
    data = HEAD % (b"/predict/batch", MIB) + b"[" + b" " * (MIB - 2)
    at_once(400, lambda: sending(server, data))


def unknown_keys(server: Server) -> None:
    """32 objects of 1 MiB, all keys of which are unknown, at once."""
    keys = (",".join(f'"{number:x}":1' for number in range(110_000)))[: MIB - 2].rpartition(",")[0]
    data = HEAD % (b"/predict", len(keys) + 2) + b"{" + keys.encode() + b"}"

    def client() -> socket.socket:
        connection = sending(server, data)
        with suppress(OSError):
            connection.recv(1)
        return connection

    at_once(32, client)


def slow_readers(server: Server) -> None:
    """200 lists of 500 applications, whose answers nobody reads."""
    rows = json.dumps(portfolio(500, seed=2)).encode()
    data = HEAD % (b"/predict/batch", len(rows)) + rows
    at_once(200, lambda: sending(server, data, buffer=2304))


@contextmanager
def peak_of(process: psutil.Process) -> Iterator[list[int]]:
    """The most that a process has had meanwhile, as the list's only item."""
    most, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            most[0] = max(most[0], process.memory_info().rss)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield most
    finally:
        over.set()
        watching.join()


@pytest.fixture(scope="module")
def loaded(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own, that has answered what there is to answer."""
    with serving(copy_store(store, tmp_path_factory.mktemp("loaded"))) as server:
        rows = portfolio(500, seed=1)
        for _ in range(4):
            httpx.post(f"{server.url}/predict/batch", json=rows, timeout=60).raise_for_status()
            httpx.post(f"{server.url}/predict", json=rows[0], timeout=60).raise_for_status()
        yield server


@pytest.mark.slow
@pytest.mark.parametrize(("load", "growth"), [(unfinished, GROWTH), (unknown_keys, GROWTH), (slow_readers, OF_LISTS)])
def test_memory_comes_back(loaded: Server, load: Callable[[Server], None], growth: float) -> None:
    """After three rounds of each load the process is about as large as it was, and it has never been very large."""
    if not give_memory_back():
        pytest.skip("another C library than glibc")
    worker = loaded.worker
    idle = worker.memory_info().rss
    with peak_of(worker) as most:
        for _ in range(3):
            load(loaded)
            wait_for(lambda: httpx.get(f"{loaded.url}/readyz", timeout=60).status_code == 200)
    wait_for(lambda: worker.memory_info().rss <= growth * idle, PATIENCE_SECONDS)
    assert most[0] <= MOST


class TestLettingGo:
    """What travels as a value, or waits for a refusal, keeps no frame: in frames are body and document."""

    @pytest.mark.parametrize("kind", ["malformed", "invalid", "slow", "broken off", "no room", "answered"])
    def test_no_request_is_left_to_the_collector(self, kind: str) -> None:
        """The bodies would stay until it looks, which under few requests is hours."""

        marker = b" " * 7919
        bodies = {"malformed": b"[" + marker, "invalid": b"{" + marker + b'"x":1}', "answered": b"[{}]" + marker}
        body = bodies.get(kind, b"{}" + marker)
        whole = HEAD % (b"/predict", len(body)) + body

        async def scenario() -> list[Any]:
            network = Network()
            wire = network.connect()
            if kind == "no room":
                network.in_flight.add("others", 95_000)
            wire.send(whole[:-1])
            await network.settle()
            if kind == "slow":
                await network.wait(11)
            elif kind == "broken off":
                wire.reset()
            else:
                wire.send(whole[-1:])
            await network.settle()
            wire.reset()
            await network.settle()
            del wire
            return [each for each in gc.get_objects() if isinstance(each, Request)]

        gc.collect()
        gc.disable()
        try:
            assert asyncio.run(scenario()) == []
        finally:
            gc.enable()
