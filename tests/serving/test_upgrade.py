"""A request that offers an upgrade is answered as it is, body and all, and nothing in its body is another request."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from tests.servers import Server

SMUGGLED = b"GET /version HTTP/1.1\r\nHost: x\r\nX-Request-ID: smuggled\r\n\r\n"


def exchange(server: Server, body: bytes, *, split: bool) -> bytes:
    """What the server sends on one connection, until it has been silent for a second."""
    head = (
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n"
        b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n"
    )
    with socket.create_connection(server.address, timeout=5) as connection:
        for part in [head, body] if split else [head + body]:
            connection.sendall(part)
            if split:
                connection.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    connection.recv(1)
                split = False
        connection.settimeout(1)
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except TimeoutError:
            pass
    return received


@pytest.mark.parametrize("split", [False, True])
def test_the_body_is_read(server: Server, example: dict[str, Any], split: bool) -> None:
    received = exchange(server, json.dumps(example).encode(), split=split)
    assert received.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("split", [False, True])
def test_the_body_is_no_request(server: Server, split: bool) -> None:
    received = exchange(server, SMUGGLED, split=split)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1 ") == 1
    assert b"smuggled" not in received
