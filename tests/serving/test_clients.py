"""BentoML's own clients find the routes by themselves and get the same answers as any other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import bentoml
import httpx
import pytest
from bentoml.exceptions import BentoMLException

from tests import expect
from tests.crowd import run
from tests.servers import Server


@pytest.fixture
def bento(server: Server) -> Iterator[bentoml.SyncHTTPClient]:
    """BentoML's synchronous client."""
    with bentoml.SyncHTTPClient(server.url) as running:
        yield running
    running._temp_dir.cleanup()  # BentoML leaves it to the garbage collector, which warns


class TestSyncClient:
    def test_same_answers(self, bento: bentoml.SyncHTTPClient, client: httpx.Client, example: dict[str, Any]) -> None:
        """A method of the client for each scoring route, the application its one positional argument."""
        answers = [
            bento.predict(dict(example)),
            bento.predict_batch([example, example]),
            bento.predict_explain(dict(example)),
        ]

        assert [
            expect.answer(client.post("/predict", json=example)),
            expect.answer(client.post("/predict/batch", json=[example, example])),
            expect.answer(client.post("/predict/explain", json=example)),
        ] == answers

    def test_request_id(self, bento: bentoml.SyncHTTPClient, example: dict[str, Any]) -> None:
        """A header set on the client reaches the service."""
        bento.client.headers["X-Request-ID"] = "from-bentoml"

        response = bento.request("POST", "/predict", json=example)

        assert "from-bentoml" == response.headers["X-Request-ID"]

    def test_error(self, bento: bentoml.SyncHTTPClient, example: dict[str, Any]) -> None:
        """A refused application raises BentoML's exception with the status, and the problem document as its message."""
        with pytest.raises(BentoMLException) as caught:
            bento.predict({**example, "loan_grade": "Z"})

        assert HTTPStatus.UNPROCESSABLE_ENTITY == caught.value.error_code
        assert [["loan_grade"]] == [error["loc"] for error in json.loads(str(caught.value))["errors"]]

    def test_readiness(self, bento: bentoml.SyncHTTPClient) -> None:
        """The client can ask whether the service is ready."""
        assert bento.is_ready()


class TestAsyncClient:
    def test_at_once(self, server: Server, client: httpx.Client, applications: list[dict[str, Any]]) -> None:
        """Sixteen calls in flight together: each gets its own answer."""
        rows = [application for application in applications if len(application) == 11][:16]

        async def call() -> list[Any]:
            async with bentoml.AsyncHTTPClient(server.url) as bento:
                answers = await asyncio.gather(*(bento.predict(dict(row)) for row in rows))
            bento._temp_dir.cleanup()
            return answers

        assert [expect.answer(client.post("/predict", json=row)) for row in rows] == run(call())
