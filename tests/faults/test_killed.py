"""One of two workers is stopped, is killed, or finds another model in the store than was imported."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import expect
from tests.faults.failpoint import PATIENT, TARGET, held
from tests.servers import HANG_SECONDS, MODEL_ENTRY, Server, SlowRequest, copy_store, entry, ports, serving, wait_for

pytestmark = pytest.mark.slow

EACH = 3
"""Requests in flight in each worker."""

CALLS = 12


@pytest.fixture(scope="module")
def pair(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two workers."""
    with serving(
        copy_store(store, tmp_path_factory.mktemp("pair")), target=TARGET, CREDIT_RISK_WORKERS="2", **PATIENT
    ) as server:
        wait_for(lambda: 2 == len(server.find(message="ready")))
        yield server


def begun_in_each(server: Server, path: str, document: Any) -> dict[int, list[SlowRequest]]:
    """As many requests in each worker, each begun and not yet complete, by the worker's pid."""
    requests: dict[int, list[SlowRequest]] = {worker.pid: [] for worker in server.workers}
    surplus = []
    while any(len(each) < EACH for each in requests.values()):
        request = SlowRequest(server, path, document)

        def owner(request: SlowRequest = request) -> int | None:
            return next((worker.pid for worker in server.workers if request.port in ports(worker)), None)

        pid = wait_for(owner)
        (requests[pid] if len(requests[pid]) < EACH else surplus).append(request)
    for request in surplus:
        request.give_up()
    return requests


def asked_anew(server: Server, document: Any) -> list[httpx.Response]:
    """Responses to requests on new connections."""
    return [httpx.post(f"{server.url}/predict", json=document, timeout=HANG_SECONDS) for _ in range(CALLS)]


def outcomes(requests: Sequence[SlowRequest]) -> Counter[int | str]:
    """How many were answered with which status, or not at all."""
    counted: Counter[int | str] = Counter()
    for request in requests:
        outcome: int | str = "no answer"
        with suppress(ConnectionError, RemoteDisconnected):
            outcome = request.response().status_code
        counted[outcome] += 1
    return counted


def test_stopped(pair: Server, example: dict[str, Any]) -> None:
    """While one worker is stopped the other one answers what is new; what the first has taken it answers afterwards."""
    begun = begun_in_each(pair, "/predict", example)
    stopped, other = begun
    os.kill(stopped, signal.SIGSTOP)
    try:
        for requests in begun.values():
            for request in requests:
                request.send_rest()
        meanwhile = outcomes(begun[other])
        anew = [expect.answer(response) for response in asked_anew(pair, example)]
    finally:
        os.kill(stopped, signal.SIGCONT)

    assert {200: EACH} == meanwhile
    assert {200: EACH} == outcomes(begun[stopped])
    assert all(answer == anew[0] for answer in anew)


def test_killed(pair: Server, example: dict[str, Any]) -> None:
    """What was in flight in it is lost, and its callers see that; the other one answers, and a new one comes."""
    with held(pair.home):
        begun = begun_in_each(pair, "/predict/explain", example)
        killed, other = begun
        for requests in begun.values():
            for request in requests:
                request.send_rest()
        os.kill(killed, signal.SIGKILL)
        lost = outcomes(begun[killed])
        anew = [expect.answer(response) for response in asked_anew(pair, example)]

    assert {"no answer": EACH} == lost
    assert {200: EACH} == outcomes(begun[other])
    assert all(answer == anew[0] for answer in anew)
    wait_for(lambda: 3 == len(pair.find(message="ready")))
    assert 2 == len({worker.pid for worker in pair.workers} - {killed})


def test_damaged(pair: Server, example: dict[str, Any]) -> None:
    """Whoever has verified the model goes on with it; a worker that comes later won't serve what is there now."""
    before = expect.answer(asked_anew(pair, example)[0])
    for file in entry(pair.home, MODEL_ENTRY).iterdir():
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    assert all(expect.answer(response) == before for response in asked_anew(pair, example))

    pair.workers[0].kill()
    wait_for(lambda: pair.find(message="not ready: nothing verified to serve"))

    responses: list[httpx.Response] = []

    def both_have_answered() -> bool:
        responses.extend(asked_anew(pair, example))
        return {200, 503} <= {response.status_code for response in responses}

    wait_for(both_have_answered)
    for response in responses:
        if response.status_code == 503:
            expect.problem(response, 503, "not-ready")
        else:
            assert before == expect.answer(response)
