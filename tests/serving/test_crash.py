"""A fault of the service itself: told as such, to the one request, in JSON, and without a value."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.crowd import post_all, run
from tests.servers import Server, copy_store, serving, wait_for

SENTINEL = 1_234_567


@pytest.fixture(scope="module")
def crashing(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = copy_store(store, tmp_path_factory.mktemp("crashing"))
    with serving(home, target="tests.crashing_service:CreditRisk") as running:
        yield running


def test_it_is_a_500_that_quotes_nothing(crashing: Server, example: dict[str, Any]) -> None:
    bad = example | {"loan_amnt": SENTINEL, "loan_percent_income": None}
    response = httpx.post(f"{crashing.url}/predict", json=bad, headers={"X-Request-ID": "crash-1"})
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["request_id"] == "crash-1"
    assert str(SENTINEL) not in response.text
    (line, *_) = wait_for(lambda: crashing.find(message="assessing failed"))
    assert line["exception"]["type"] == "RuntimeError"
    assert any("crashing_service.py" in frame for frame in line["exception"]["frames"])
    assert str(SENTINEL) not in crashing.log.read_text(encoding="utf-8")


def test_it_does_not_reach_the_neighbours(
    crashing: Server, example: dict[str, Any], applications: list[dict[str, Any]]
) -> None:
    documents = list(applications[:32])
    documents[7] = example | {"loan_amnt": SENTINEL, "loan_percent_income": None}
    answers = run(post_all(crashing, "/predict", documents, clients=32))
    assert [500 if i == 7 else 200 for i in range(32)] == [answer.status_code for answer in answers]


def test_a_batch_with_it_fails_as_a_whole(
    crashing: Server, example: dict[str, Any], applications: list[dict[str, Any]]
) -> None:
    documents = [*applications[:5], example | {"loan_amnt": SENTINEL, "loan_percent_income": None}]
    assert httpx.post(f"{crashing.url}/predict/batch", json=documents).status_code == 500
