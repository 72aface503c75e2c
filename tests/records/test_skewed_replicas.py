"""Two replicas whose clocks are five minutes apart, one PostgreSQL: each key is answered once, each chain is whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from records.keyring import add_key
from records.stores.opening import open_store
from records.stores.postgresql.schema import migrate
from records.verifying.chains import verify
from serving.http.idempotency import REPLAYED
from tests import expect
from tests.postgres import Postgres
from tests.servers import HANG_SECONDS, Server, copy_store, run_python, serving

pytestmark = [pytest.mark.slow, pytest.mark.database]

TARGET = "tests.records.skewed_service:CreditRisk"
MINUTES = 5
KEYS = 40


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, cluster: Postgres) -> dict[str, str]:
    """The settings that both have."""
    key_file = tmp_path_factory.mktemp("skewed") / "keys.json"
    add_key(key_file)
    where = cluster.url(cluster.new_schema())
    migrate(where)
    return {"CREDIT_RISK_RECORDS": where, "CREDIT_RISK_RECORDS_KEY_FILE": str(key_file)}


@pytest.fixture(scope="module")
def replicas(store: Path, tmp_path_factory: pytest.TempPathFactory, kept: dict[str, str]) -> Iterator[list[Server]]:
    with ExitStack() as running:
        yield [
            running.enter_context(
                serving(
                    copy_store(store, tmp_path_factory.mktemp(name)),
                    target=TARGET,
                    CLOCK_AHEAD_SECONDS=str(60 * minutes),
                    **kept,
                )
            )
            for name, minutes in (("right", 0), ("behind", -MINUTES))
        ]


def decide(server: Server, body: dict[str, Any], key: str) -> httpx.Response:
    return httpx.post(f"{server.url}/predict", json=body, headers={"Idempotency-Key": key}, timeout=HANG_SECONDS)


def test_each_key_is_answered_once(
    replicas: list[Server], kept: dict[str, str], applications: list[dict[str, Any]]
) -> None:
    """By either first, and the same by the other; nothing of another replica's clock expires it or makes it late."""
    orders = cycle([replicas, replicas[::-1]])
    ids = set()
    for body, order in zip(applications[:KEYS], orders, strict=False):
        key = str(uuid4())
        first, again = (decide(server, body, key) for server in order)
        assert first.content == again.content
        assert (REPLAYED in first.headers, again.headers[REPLAYED]) == (False, "true")
        ids.add(expect.answer(first)["decision_id"])
        expect.problem(decide(order[1], body | {"person_age": 99}, key), 422, "idempotency-key-reused")
    with closing(open_store(kept["CREDIT_RISK_RECORDS"])) as reader:
        found = list(verify(reader))
    assert [] == [fault for each in found for fault in each.faults]
    assert [KEYS // 2] * 2 == [each.head.sequence for each in found]
    assert KEYS == len(ids)
    print(f"{KEYS} keys at 2 replicas {MINUTES} minutes apart: {len(ids)} decisions")


def test_what_either_kept_is_made_again(replicas: list[Server], kept: dict[str, str], example: dict[str, Any]) -> None:
    """By a process whose clock is right."""
    for server in replicas:
        decision_id = expect.answer(decide(server, example, str(uuid4())))["decision_id"]
        (line,) = run_python("-m", "records", "replay", decision_id, home=server.home, **kept).splitlines()[:1]
        assert "identical" in line
