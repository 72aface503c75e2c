"""The bytes of a connection: an offered upgrade is ignored, and nothing in a body is taken for a request."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from serving.settings import MAX_HEAD_BYTES
from tests.servers import HANG_SECONDS, Server

SMUGGLED = b"GET /version HTTP/1.1\r\nHost: x\r\nX-Request-ID: smuggled\r\n\r\n"
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n"


def request(body: bytes, headers: bytes = UPGRADE, method: bytes = b"POST") -> bytes:
    """A request for /predict."""
    head = b" /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    return method + head + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


LAST = b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-ID: the-last\r\nConnection: close\r\n\r\n"


def exchange(server: Server, parts: Sequence[bytes], pause: float = 0.05) -> bytes:
    """What the server sends on one connection that the parts arrive on, until it has nothing more to say.

    That is found out by a last request on the same connection, whose answer is left out; no silence is long enough.
    """
    received = b""
    with socket.create_connection(server.address, timeout=HANG_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
        with suppress(ConnectionError):
            # Only once there is an answer: bytes to a connection that is closed would take an unread one with them.
            received += connection.recv(65536)
            if b"connection: close" not in received.lower():
                connection.sendall(LAST)
            while part := connection.recv(65536):
                received += part
    answers = received.split(b"HTTP/1.1 ")
    return b"HTTP/1.1 ".join(answers[:-1] if b"the-last" in answers[-1] else answers)


def cut(data: bytes, *places: int) -> list[bytes]:
    """The data in parts that begin at the places."""
    return [data[start:end] for start, end in zip((0, *places), (*places, len(data)), strict=True)]


class TestUpgrade:
    @pytest.mark.parametrize("name", [b"Upgrade", b"upgrade", b"UPGRADE"])
    @pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
    def test_the_body_is_read(self, server: Server, example: dict[str, Any], name: bytes, protocol: bytes) -> None:
        body = json.dumps(example).encode()
        sent = request(body, UPGRADE.replace(b"Upgrade:", name + b":").replace(b"h2c", protocol))
        received = exchange(server, [sent])
        assert received.startswith(b"HTTP/1.1 200 ")

    def test_wherever_the_header_is_cut(self, server: Server, example: dict[str, Any]) -> None:
        sent = request(json.dumps(example).encode())
        begin = sent.index(b"\r\nUpgrade:")
        for place in range(begin, begin + 14):
            assert exchange(server, cut(sent, place), pause=0.02).startswith(b"HTTP/1.1 200 "), place
        byte_by_byte = cut(sent, *range(begin, begin + 14), len(sent) - 5)
        assert exchange(server, byte_by_byte, pause=0.01).startswith(b"HTTP/1.1 200 ")

    @pytest.mark.parametrize("parts", [1, 2])
    def test_the_body_is_no_request(self, server: Server, parts: int) -> None:
        sent = request(SMUGGLED)
        received = exchange(server, cut(sent, *[len(sent) - len(SMUGGLED)][: parts - 1]))
        assert received.startswith(b"HTTP/1.1 400 ")
        assert received.count(b"HTTP/1.1 ") == 1
        assert b"smuggled" not in received

    def test_connect_is_the_last_request_of_its_connection(self, server: Server) -> None:
        received = exchange(server, [request(SMUGGLED, b"", b"CONNECT"), SMUGGLED])
        assert received.startswith(b"HTTP/1.1 405 ")
        assert b"smuggled" not in received


class TestBodies:
    def test_that_end_like_the_name_are_answered(self, server: Server) -> None:
        """Nothing of a body is held back."""
        for ending in (b"\n", b"\nu", b"\nUpgrad", b"\nupgrade"):
            received = exchange(server, [request(b"{}" + ending, b"")], pause=0)
            assert received.startswith(b"HTTP/1.1 4"), ending

    def test_pipelined_requests_are_answered_in_order(self, server: Server, example: dict[str, Any]) -> None:
        first, second = (
            request(json.dumps(example).encode(), UPGRADE + b"X-Request-ID: pipelined-%d\r\n" % number)
            for number in (1, 2)
        )
        received = exchange(server, [first + second])
        assert received.count(b"HTTP/1.1 200 ") == 2
        assert received.index(b"pipelined-1") < received.index(b"pipelined-2")

    @pytest.mark.parametrize(
        "headers",
        [b"Transfer-Encoding: chunked\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding : chunked\r\n"],
        ids=["chunked too", "two lengths", "space before the colon"],
    )
    def test_whose_length_is_in_doubt_are_refused(self, server: Server, headers: bytes) -> None:
        received = exchange(server, [request(SMUGGLED, headers)])
        assert received.startswith(b"HTTP/1.1 400 ")
        assert b"smuggled" not in received

    def test_trailers_change_nothing(self, server: Server, example: dict[str, Any]) -> None:
        body = json.dumps(example).encode()
        chunked = b"%x\r\n%b\r\n0\r\nX-Request-ID: trailer\r\n\r\n" % (len(body), body)
        head = request(b"", b"Transfer-Encoding: chunked\r\n").replace(b"Content-Length: 0\r\n", b"")
        received = exchange(server, [head, chunked])
        assert received.startswith(b"HTTP/1.1 200 ")
        assert b"trailer" not in received


class TestHeads:
    @pytest.mark.parametrize("kind", ["target", "header", "headers", "trailer"])
    def test_that_never_end_are_refused(self, server: Server, kind: str) -> None:
        beginning = {
            "target": b"GET /",
            "header": b"GET / HTTP/1.1\r\nX: ",
            "headers": b"GET / HTTP/1.1\r\n",
            "trailer": b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
        }[kind]
        more = b"X: yyyyyyyyyy\r\n" * 1024 if kind == "headers" else b"y" * 16384
        sent = 0
        with socket.create_connection(server.address, timeout=HANG_SECONDS) as connection:
            connection.sendall(beginning)
            time.sleep(0.1)
            try:
                while sent < 64 * MAX_HEAD_BYTES:
                    connection.sendall(more)
                    sent += len(more)
            except (ConnectionResetError, BrokenPipeError):
                pass
        assert sent < 64 * MAX_HEAD_BYTES

    @pytest.mark.parametrize("parts", [1, 2, 9])
    def test_that_are_too_large_are_refused(self, server: Server, example: dict[str, Any], parts: int) -> None:
        """Over the limit however it is cut, also where it comes whole."""
        headers = b"".join(b"X-%d: %b\r\n" % (number, b"y" * 1000) for number in range(66))
        sent = request(json.dumps(example).encode(), headers)
        received = exchange(server, cut(sent, *range(len(sent) // parts + 1, len(sent), len(sent) // parts + 1)))
        assert received.startswith(b"HTTP/1.1 431 ")
        assert b"urn:problem:credit-risk-api:head-too-large" in received

    @pytest.mark.parametrize(
        ("head", "status", "kind"),
        [
            (b"HTTP/1.1\r\n", 400, b"bad-head"),
            (b"HTTP/1.1\r\nHost: x\r\nHost: x\r\n", 400, b"bad-head"),
            (b"HTTP/1.0\r\nHost: x\r\nHost: y\r\n", 400, b"bad-head"),
            (b"HTTP/1.1\r\nHost: x/y\r\n", 400, b"bad-head"),
            (b"HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n", 501, b"unknown-transfer-coding"),
            (b"HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501, b"unknown"),
            (b"HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity, chunked\r\n", 501, b"unknown-transfer-coding"),
            (b"HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n", 400, b"bad-head"),
        ],
    )
    def test_that_leave_something_in_doubt_are_refused(
        self, server: Server, head: bytes, status: int, kind: bytes
    ) -> None:
        """The answer is a problem document, what follows is no request, and the connection ends."""
        sent = b"POST /predict " + head + b"Content-Type: application/json\r\nX-Request-ID: doubt\r\n\r\n"
        received = exchange(server, [sent + b"2\r\n{}\r\n0\r\n\r\n" + SMUGGLED])
        assert received.startswith(b"HTTP/1.1 %d " % status)
        assert b"urn:problem:credit-risk-api:" + kind in received
        assert b"x-request-id: doubt" in received
        assert b"connection: close" in received
        assert received.count(b"HTTP/1.1 ") == 1

    def test_are_refused_behind_what_is_owed(self, server: Server, example: dict[str, Any]) -> None:
        """A refusal comes in its turn."""
        good = request(json.dumps(example).encode(), b"")
        received = exchange(server, [good + good.replace(b"Host: x\r\n", b"") + good])
        assert received.startswith(b"HTTP/1.1 200 ")
        assert received.count(b"HTTP/1.1 ") == 2
        assert b"HTTP/1.1 400 " in received

    @pytest.mark.parametrize("host", [b"", b"x", b"x_y.z:80", b"[::1]:3000"])
    def test_with_a_host_are_taken(self, server: Server, host: bytes) -> None:
        assert exchange(server, [b"GET /livez HTTP/1.1\r\nHost: %b\r\n\r\n" % host]).startswith(b"HTTP/1.1 200 ")

    def test_without_a_host_are_taken_from_http_1_0(self, server: Server) -> None:
        assert exchange(server, [b"GET /livez HTTP/1.0\r\n\r\n"]).startswith(b"HTTP/1.1 200 ")

    def test_of_ordinary_size_are_taken(self, server: Server, example: dict[str, Any]) -> None:
        headers = b"".join(b"X-%d: %b\r\n" % (number, b"y" * 1000) for number in range(32))
        received = exchange(server, cut(request(json.dumps(example).encode(), headers), 10_000, 20_000))
        assert received.startswith(b"HTTP/1.1 200 ")

    def test_after_large_bodies_are_taken(self, server: Server, example: dict[str, Any]) -> None:
        """What counts against a head's limit is no body's."""
        large = json.dumps(example).encode() + b" " * 10 * MAX_HEAD_BYTES
        received = exchange(server, [request(large), request(large), request(json.dumps(example).encode())])
        assert received.count(b"HTTP/1.1 200 ") == 3


class TestPipelines:
    def test_requests_that_wait_keep_no_memory(self, server: Server) -> None:
        """A connection that only sends would be read on after each response."""
        before = server.worker.memory_info().rss
        with socket.create_connection(server.address, timeout=1) as connection:
            end = time.monotonic() + 3
            try:
                while time.monotonic() < end:
                    connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 4096)
            except OSError:
                pass
        assert server.worker.memory_info().rss - before < 64 << 20

    def test_what_is_owed_is_answered_before_what_is_broken(self, server: Server, example: dict[str, Any]) -> None:
        received = exchange(server, [request(json.dumps(example).encode(), b"") + b"BROKEN\x00\r\n\r\n"])
        assert received.startswith(b"HTTP/1.1 200 ")
        assert received.count(b"HTTP/1.1 ") == 1

    def test_a_refused_expectation_ends_its_connection(self, server: Server) -> None:
        head = request(SMUGGLED, b"Expect: 100-continue\r\n").removesuffix(SMUGGLED).replace(b"/json", b"/xml")
        received = exchange(server, [head, SMUGGLED])
        assert received.startswith(b"HTTP/1.1 415 ")
        assert b"connection: close" in received
        assert b"smuggled" not in received

    def test_chunks_may_be_as_small_as_tokens(self, server: Server, example: dict[str, Any]) -> None:
        tokens = [token.encode() for token in json.JSONEncoder().iterencode([example] * 500)]
        head = b"POST /predict/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        body = b"".join(b"%x\r\n%b\r\n" % (len(token), token) for token in tokens)
        received = exchange(server, [head + b"Transfer-Encoding: chunked\r\n\r\n", body + b"0\r\n\r\n"])
        assert received.startswith(b"HTTP/1.1 200 ")
