"""Requests in flight together are scored together, and nobody can tell by the answers."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import expect
from tests.crowd import post, post_all, run, session
from tests.servers import Server

Documents = Sequence[dict[str, Any]]


@pytest.fixture(scope="module")
def alone(client: httpx.Client, applications: Documents) -> list[str]:
    """The PDs as texts, each application sent alone."""
    return [
        expect.raw_numbers(client.post("/predict", json=application))["probability_of_default"]
        for application in applications
    ]


class TestSameBytes:
    def test_applications_are_varied(self, alone: list[str], applications: Documents) -> None:
        """Nearly every application has a PD of its own, and in some a value is missing."""
        assert len(set(alone)) > 250
        assert any(application.get("loan_int_rate") is None for application in applications)
        assert any(application.get("person_emp_length") is None for application in applications)

    @pytest.mark.parametrize("size", [300, 7])
    def test_batches(self, client: httpx.Client, alone: list[str], applications: Documents, size: int) -> None:
        """In one batch or in batches of 7: the same bytes of every PD."""
        batches = [applications[start : start + size] for start in range(0, len(applications), size)]

        answers = [expect.raw_numbers(client.post("/predict/batch", json=batch)) for batch in batches]

        assert alone == [row["probability_of_default"] for answer in answers for row in answer["results"]]

    @pytest.mark.parametrize("path", ["/predict", "/predict/explain"])
    def test_64_clients(self, server: Server, alone: list[str], applications: Documents, path: str) -> None:
        """With 64 clients at once: the same bytes of every PD, explained or not."""
        responses = run(post_all(server, path, applications, clients=64))

        assert alone == [expect.raw_numbers(response)["probability_of_default"] for response in responses]

    def test_concurrent_batches(self, server: Server, alone: list[str], applications: Documents) -> None:
        """Batches that are merged and split with others: the same bytes of every PD, in order."""
        batches = [[*applications[start:], *applications[:start]] for start in range(0, 300, 30)]

        responses = run(post_all(server, "/predict/batch", batches, clients=4))

        for number, response in enumerate(responses):
            rows = expect.raw_numbers(response)["results"]
            start = 30 * number
            assert [*alone[start:], *alone[:start]] == [row["probability_of_default"] for row in rows]


class TestNeighbours:
    @pytest.mark.parametrize("path", ["/predict", "/predict/explain"])
    def test_each_gets_its_own_answer(
        self, server: Server, client: httpx.Client, applications: Documents, path: str
    ) -> None:
        """64 different applications at once: each gets the whole answer that it gets alone."""
        alone = [client.post(path, json=application).json() for application in applications[:64]]

        responses = run(post_all(server, path, applications[:64], clients=64))

        assert alone == [expect.answer(response) for response in responses]

    @pytest.mark.parametrize("path", ["/predict", "/predict/explain"])
    @pytest.mark.parametrize("bad", [{}, {"loan_amnt": "much"}, [], None])
    def test_one_bad_row(self, server: Server, applications: Documents, path: str, bad: Any) -> None:
        """One bad application among 64 at once gets 422, and the 63 others 200."""
        bodies = [*applications[:31], bad, *applications[32:64]]

        responses = run(post_all(server, path, bodies, clients=64))

        assert [422 if number == 31 else 200 for number in range(64)] == [
            response.status_code for response in responses
        ]
        expect.problem(responses[31], 422, "invalid-request")


class TestAdaptiveBatches:
    def test_mean_size(self, server: Server, client: httpx.Client, applications: Documents) -> None:
        """Of 32 clients' requests more than two on average are scored at once, by BentoML's own histogram."""
        before = _batches(client)

        responses = run(post_all(server, "/predict", [*applications] * 4, clients=32))

        calls, rows = (after - earlier for after, earlier in zip(_batches(client), before, strict=True))
        print(f"mean adaptive batch size: {rows / calls:.2f}")
        assert {200} == {response.status_code for response in responses}
        assert rows == len(responses)
        assert rows / calls > 2

    def test_a_lone_request_is_a_batch_of_one(self, client: httpx.Client, example: dict[str, Any]) -> None:
        """Requests one after the other are each a batch of their own: none waits for company."""
        before = _batches(client)

        for _ in range(10):
            expect.answer(client.post("/predict", json=example))

        assert (before[0] + 10, before[1] + 10) == _batches(client)

    @pytest.mark.slow  # no verdict of `make test` is on how fast a machine is; this one is a ratio of two times
    def test_a_burst_is_soon_forgotten(self, server: Server, client: httpx.Client, applications: Documents) -> None:
        """After a burst of 128 clients a lone request takes about as long as before it."""

        def median() -> float:
            responses = [client.post("/predict", json=application) for application in applications[:60]]
            return statistics.median(response.elapsed.total_seconds() for response in responses)

        before = median()
        run(post_all(server, "/predict", [*applications] * 2, clients=128))
        after = min(median(), median())

        print(f"median of lone requests: {before * 1e3:.1f} ms before a burst, {after * 1e3:.1f} ms after it")
        assert after < 4 * before


class TestTurns:
    """A large request gives way to small ones between its chunks."""

    BATCHES = 40

    def test_beside_batches_of_500(self, server: Server, applications: Documents) -> None:
        """While batches of 500 come one after the other, lone requests are answered several times as often."""
        batch = (list(applications) * 2)[:500]

        batches, lone = run(self._beside(server, "/predict/batch", [batch] * self.BATCHES, applications[0]))

        print(f"lone requests answered beside {batches} batches of 500: {lone}")
        assert self.BATCHES == batches
        assert lone > 2 * batches

    def test_beside_explanations(self, server: Server, applications: Documents) -> None:
        """While 16 clients ask for explanations all the time, lone requests are answered meanwhile."""
        bodies = applications[:256]

        explanations, lone = run(self._beside(server, "/predict/explain", bodies, applications[0], clients=16))

        print(f"lone requests answered beside {explanations} explanations: {lone}")
        assert len(bodies) == explanations
        assert lone > explanations / 32

    async def _beside(
        self, server: Server, path: str, bodies: Sequence[Any], application: dict[str, Any], clients: int = 1
    ) -> tuple[int, int]:
        """How many of these bodies, and of single applications beside them, were answered with 200."""
        waiting, answered, lone, over = list(bodies)[::-1], 0, 0, False

        async with session(server, clients + 1) as client:

            async def large() -> None:
                nonlocal answered
                while waiting:
                    response = await post(client, path, waiting.pop())
                    answered += response.status_code == 200

            async def small() -> None:
                nonlocal lone
                while not over:
                    response = await post(client, "/predict", application)
                    assert response.status_code == 200
                    lone += not over

            beside = asyncio.create_task(small())
            await asyncio.gather(*(large() for _ in range(clients)))
            over = True
            await beside
        return answered, lone


def _batches(client: httpx.Client) -> tuple[float, float]:
    """Batches of /predict so far, and the requests in them."""
    samples = {
        sample.name: sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
        if sample.labels.get("method_name") == "predict"
    }
    name = "bentoml_service_adaptive_batch_size"
    return samples.get(f"{name}_count", 0), samples.get(f"{name}_sum", 0)
