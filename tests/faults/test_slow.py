"""Bodies and heads that come slowly or not to their end, callers that are gone, and a service that stands still."""

from __future__ import annotations

import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import expect
from tests.faults.failpoint import TARGET, held
from tests.servers import HANG_SECONDS, Server, SlowRequest, copy_store, serving, wait_for

TIMEOUT_SECONDS = 5
MAX_CONCURRENCY = 4


@pytest.fixture(scope="module")
def hurried(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that gives heads and bodies a second."""
    settings = {
        "CREDIT_RISK_HEAD_SECONDS": "1",
        "CREDIT_RISK_BODY_SECONDS": "1",
        "CREDIT_RISK_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
        "CREDIT_RISK_MAX_CONCURRENCY": str(MAX_CONCURRENCY),
    }
    home = copy_store(store, tmp_path_factory.mktemp("hurried"))
    with serving(home, target=TARGET, **settings) as server:
        yield server


class TestBodies:
    def test_slow_body(self, hurried: Server, example: dict[str, Any]) -> None:
        """A body that doesn't come in time is 408, as the API page says, and ends its connection."""
        responses = httpx.get(f"{hurried.url}/docs.json").json()["paths"]["/predict"]["post"]["responses"]
        documented = responses["408"]["content"]["application/problem+json"]["example"]

        response = SlowRequest(hurried, "/predict", example).response()

        problem = expect.problem(response, 408, "slow-request")
        assert documented | {"request_id": problem["request_id"]} == problem
        assert "close" == response.headers["Connection"]

    def test_slow_bodies_take_no_place(self, hurried: Server, example: dict[str, Any]) -> None:
        """However many requests are not complete, those that are get their answers."""
        slow = [SlowRequest(hurried, "/predict", example) for _ in range(4 * MAX_CONCURRENCY)]

        expect.answer(httpx.post(f"{hurried.url}/predict", json=example))

        assert {408} == {request.response().status_code for request in slow}


class TestTrickles:
    """What comes a byte at a time ends in time, wherever in a request it does; each byte alone is quick enough."""

    @pytest.mark.parametrize(
        ("beginning", "more", "answer"),
        [
            pytest.param(b"GET /livez HTTP/1.1\r\nX: ", b"y", b"HTTP/1.1 408 ", id="head"),
            pytest.param(b"\r\n", b"\r\n", b"", id="line ends before a request"),
            pytest.param(
                b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n",
                b" ",
                b"HTTP/1.1 408 ",
                id="body",
            ),
            pytest.param(
                b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n",
                b" ",
                b"HTTP/1.1 415 ",
                id="the rest of a refused body",
            ),
            pytest.param(
                b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n",
                b" ",
                b"HTTP/1.1 200 ",
                id="a body that nobody reads",
            ),
            pytest.param(
                b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /",
                b"x",
                b"HTTP/1.1 200 ",
                id="the head of the next request",
            ),
            pytest.param(
                b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: ",
                b"y",
                b"HTTP/1.1 408 ",
                id="trailers",
            ),
        ],
    )
    def test_end(self, hurried: Server, beginning: bytes, more: bytes, answer: bytes) -> None:
        """Without a limit this connection would live for as long as the test has patience."""
        received = b""
        with socket.create_connection(hurried.address, timeout=0.1) as connection:
            connection.sendall(beginning)

            def ended() -> bool:
                nonlocal received
                try:
                    part = connection.recv(65536)
                except TimeoutError:
                    connection.sendall(more)
                    return False
                received += part
                return not part

            with suppress(ConnectionError):
                wait_for(ended, 60)
        assert received.startswith(answer)


class TestHalfOpen:
    def test_who_is_gone_leaves_no_connection(self, hurried: Server, example: dict[str, Any]) -> None:
        """Reset in the middle of a body, and before the answer: nothing of either stays open."""
        before = len(hurried.worker.net_connections("tcp"))
        for rest in (False, True):
            with held(hurried.home):
                request = SlowRequest(hurried, "/predict/explain", example)
                if rest:
                    request.send_rest()
                sock = request._connection.sock
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                request.give_up()

        wait_for(lambda: len(hurried.worker.net_connections("tcp")) <= before)
        expect.answer(httpx.post(f"{hurried.url}/predict", json=example, timeout=HANG_SECONDS))


@pytest.mark.slow
class TestStopped:
    def test_what_comes_meanwhile_is_answered(self, hurried: Server, example: dict[str, Any]) -> None:
        """A service that stands still for longer than its limits tells who has waited too long, and loses nobody."""
        with held(hurried.home):
            at_work = SlowRequest(hurried, "/predict/explain", example).send_rest()
            wait_for(
                lambda: at_work.port in {each.raddr.port for each in hurried.worker.net_connections() if each.raddr}
            )
            begun = SlowRequest(hurried, "/predict", example)
            hurried.worker.send_signal(signal.SIGSTOP)
            try:
                stopped = time.monotonic()
                begun.send_rest()
                meanwhile = [SlowRequest(hurried, "/predict", example).send_rest() for _ in range(2 * MAX_CONCURRENCY)]
                wait_for(lambda: time.monotonic() > stopped + TIMEOUT_SECONDS + 1)
            finally:
                hurried.worker.send_signal(signal.SIGCONT)
            expect.problem(at_work.response(), 504, "timeout")

        assert begun.response().status_code in (200, 408)  # it has been too slow, for all that the service can tell
        for request in meanwhile:
            response = request.response()
            if response.status_code == 429:
                expect.problem(response, 429, "too-many-requests")
            else:
                expect.answer(response)
