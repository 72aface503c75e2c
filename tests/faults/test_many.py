"""More connections and requests than there are places, all of one caller; and SIGTERM while they are at work."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import expect
from tests.faults.failpoint import PATIENT, TARGET, held
from tests.servers import HANG_SECONDS, Server, SlowRequest, copy_store, serving, wait_for

pytestmark = pytest.mark.slow

PLACES = 8
OF_ONE_CALLER = 7
GREEDY, HONEST = "127.0.0.1", "127.0.0.2"
REQUESTS = 40
IDLE_CONNECTIONS = 400


@pytest.fixture(scope="module")
def crowded(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = PATIENT | {"CREDIT_RISK_MAX_CONCURRENCY": str(PLACES), "CREDIT_RISK_DRAIN_SECONDS": "0"}
    with serving(copy_store(store, tmp_path_factory.mktemp("crowded")), target=TARGET, **settings) as server:
        yield server


def explain(server: Server, example: dict[str, Any], source: str) -> SlowRequest:
    """A complete request whose answer is asked for later."""
    return SlowRequest(server, "/predict/explain", example, source).send_rest()


def in_progress(server: Server) -> float:
    """Explanations that were asked for, and not answered."""
    lines = httpx.get(f"{server.url}/metrics", timeout=HANG_SECONDS).text.splitlines()
    wanted = (line for line in lines if line.startswith("bentoml_service_request_in_progress{"))
    return sum(float(line.split()[-1]) for line in wanted if 'endpoint="/predict/explain"' in line)


def test_one_caller_floods(crowded: Server, example: dict[str, Any]) -> None:
    """With connections that say nothing or half a head, and with more requests than there are places.

    It is answered as far as one caller's places go, and told so beyond; another caller notices nothing.
    """
    with ExitStack() as stack:
        for number in range(IDLE_CONNECTIONS):
            idle = stack.enter_context(closing(socket.create_connection(crowded.address)))
            idle.sendall(b"GET /livez HTTP/1.1\r\nX: y" * (number % 2))
        with held(crowded.home):
            greedy = [explain(crowded, example, GREEDY) for _ in range(REQUESTS)]
            wait_for(lambda: in_progress(crowded) == OF_ONE_CALLER)

            with httpx.Client(
                base_url=crowded.url, transport=httpx.HTTPTransport(local_address=HONEST), timeout=HANG_SECONDS
            ) as honest:
                decided = [expect.answer(honest.post("/predict", json=example)) for _ in range(5)]
                ready = honest.get("/readyz")
            last = explain(crowded, example, HONEST)
            wait_for(lambda: in_progress(crowded) == PLACES)
        responses = [request.response() for request in greedy]

        assert all(answer == decided[0] for answer in decided)
        assert 200 == ready.status_code
        assert "explanations" in expect.answer(last.response())
    assert {200: OF_ONE_CALLER, 429: REQUESTS - OF_ONE_CALLER} == Counter(
        response.status_code for response in responses
    )
    for response in responses:
        if response.status_code == 429:
            expect.problem(response, 429, "too-many-requests")
        else:
            expect.answer(response)


def test_told_to_end(crowded: Server, example: dict[str, Any]) -> None:
    """The last test here: it ends the server. Every request in flight is answered, nothing new is taken on."""
    sources = [GREEDY] * OF_ONE_CALLER + [HONEST] * (PLACES - OF_ONE_CALLER)
    with held(crowded.home):
        requests = [explain(crowded, example, source) for source in sources]
        wait_for(lambda: in_progress(crowded) == PLACES)
        crowded.terminate()
        wait_for(lambda: crowded.find(message="Shutting down"))
        wait_for(lambda: refuses_connections(crowded))

    answers = [expect.answer(request.response()) for request in requests]
    assert all(answer == answers[0] for answer in answers)
    assert 0 == crowded.wait()


def refuses_connections(server: Server) -> bool:
    try:
        socket.create_connection(server.address, timeout=1).close()
    except OSError:
        return True
    return False
