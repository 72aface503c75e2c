"""A served service of several workers, asked again and again under the same keys."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import httpx
import pytest

from records.identifiers import from_text
from records.keyring import add_key, read_keyring
from records.reading import Archive
from records.stores.opening import open_store
from records.stores.postgresql.schema import migrate
from records.verifying.chains import verify
from serving.http.idempotency import REPLAYED
from tests import expect
from tests.crowd import run
from tests.faults.failpoint import PATIENT, held
from tests.postgres import Postgres
from tests.servers import HANG_SECONDS, Server, copy_store, serving, wait_for

pytestmark = pytest.mark.slow

TARGET = "tests.records.killed_service:CreditRisk"
WORKERS = 4
KEYS, CALLERS = 160, 4


@dataclass
class Kept:
    """A server, and the store that it keeps its decisions in."""

    server: Server
    where: str
    key_file: Path

    def post(self, body: Any, key: str | None = None, path: str = "/predict") -> httpx.Response:
        """The response to a request on a connection of its own, so of any worker."""
        headers = {"Content-Type": "application/json"} | ({} if key is None else {"Idempotency-Key": key})
        content = body if isinstance(body, str | bytes) else json.dumps(body)
        return httpx.post(f"{self.server.url}{path}", content=content, headers=headers, timeout=HANG_SECONDS)

    def decisions(self) -> int:
        """How many are on record, each chain being whole."""
        store = open_store(self.where)
        try:
            found = list(verify(store))
        finally:
            store.close()
        assert [] == [fault for each in found for fault in each.faults]
        return sum(each.head.sequence for each in found)

    def document(self, decision_id: str) -> dict[str, Any]:
        """A decision, as `python -m records show` prints it."""
        store = open_store(self.where)
        try:
            found = Archive(store, read_keyring(self.key_file)).get(from_text(decision_id))
        finally:
            store.close()
        assert found is not None
        return found.document()

    def result(self, name: str) -> float:
        """How many requests came to a result, over all workers."""
        wanted = f'credit_risk_idempotent_requests_total{{result="{name}"}} '
        lines = httpx.get(f"{self.server.url}/metrics", timeout=HANG_SECONDS).text.splitlines()
        return sum(float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.database)])
def kept(request: pytest.FixtureRequest, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("idempotent")
    where = f"sqlite:{folder / 'records'}"
    if request.param == "postgres":
        cluster: Postgres = request.getfixturevalue("cluster")
        where = cluster.url(cluster.new_schema())
        migrate(where)
    add_key(folder / "keys.json")
    settings = PATIENT | {
        "CREDIT_RISK_RECORDS": where,
        "CREDIT_RISK_RECORDS_KEY_FILE": str(folder / "keys.json"),
        "CREDIT_RISK_WORKERS": str(WORKERS),
        "CREDIT_RISK_MAX_CONCURRENCY": str(WORKERS * CALLERS * KEYS * 2),  # whichever worker they come to
    }
    home = copy_store(store, folder / "home")
    with serving(home, target=TARGET, **settings) as server:
        wait_for(lambda: len(server.find(message="ready")) == WORKERS)
        yield Kept(server, where, folder / "keys.json")


@pytest.mark.parametrize("path", ["/predict", "/predict/explain", "/predict/batch", "/predict/batch?partial=true"])
def test_the_same_again(kept: Kept, example: dict[str, Any], path: str) -> None:
    """Byte for byte, by whichever worker, and there is one decision of each row."""
    before, key = kept.decisions(), str(uuid4())
    body = [example, example] if "batch" in path else example
    first = kept.post(body, key, path)
    assert REPLAYED not in first.headers
    assert "decision_id" in json.dumps(expect.answer(first))
    for _ in range(2 * WORKERS):
        again = kept.post(body, key, path)
        assert "true" == again.headers[REPLAYED]
        assert first.content == again.content
        assert expect.answer(again)
    assert before + (2 if "batch" in path else 1) == kept.decisions()


def test_rows_that_are_bad_all_of_them(kept: Kept) -> None:
    """A partial batch's answer is an answer, without any decision."""
    key, path = str(uuid4()), "/predict/batch?partial=true"
    first = kept.post([{}, {}], key, path)
    assert first.content == kept.post([{}, {}], key, path).content
    assert 200 == first.status_code


def test_another_request(kept: Kept, example: dict[str, Any]) -> None:
    """Another body, also one that says the same; another route; another query."""
    key = str(uuid4())
    expect.answer(kept.post([example], key, "/predict/batch"))
    before = kept.decisions()
    others = [
        kept.post([example | {"person_age": 40}], key, "/predict/batch"),
        kept.post(json.dumps([example], indent=1), key, "/predict/batch"),
        kept.post([example], key, "/predict/batch?partial=true"),
        kept.post(example, key, "/predict"),
        kept.post("{", key, "/predict"),
    ]
    for other in others:
        expect.problem(other, 422, "idempotency-key-reused")
    assert before == kept.decisions()


def test_errors_leave_the_key_free(kept: Kept, example: dict[str, Any]) -> None:
    """What was refused may be sent again, mended, under the same key."""
    key = str(uuid4())
    expect.problem(kept.post("{", key), 400, "malformed-json")
    expect.problem(kept.post({}, key), 422, "invalid-request")
    answered: list[httpx.Response] = []

    def free() -> bool:  # another worker may ask before the first one has let go
        answered.append(kept.post(example, key))
        return answered[-1].status_code == 200

    wait_for(free)
    assert answered[-1].content == kept.post(example, key).content


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"a\tb", "schlüssel".encode(), [b"one", b"two"], [b"one", b"one"]])
def test_no_key(kept: Kept, example: dict[str, Any], key: bytes | list[bytes]) -> None:
    """The header is named."""
    values = key if isinstance(key, list) else [key]
    headers = [(b"Idempotency-Key", value) for value in values] + [(b"Content-Type", b"application/json")]
    response = httpx.post(
        f"{kept.server.url}/predict", content=json.dumps(example), headers=headers, timeout=HANG_SECONDS
    )
    assert "Idempotency-Key" in expect.problem(response, 400, "bad-idempotency-key")["detail"]


def test_while_it_is_being_answered(kept: Kept, example: dict[str, Any]) -> None:
    """409, by whichever worker; and the first one's answer when there is one. Other keys are not concerned."""
    key, before = str(uuid4()), kept.decisions()

    async def requests() -> tuple[bytes, list[httpx.Response]]:
        with held(kept.server.home):
            claimed = kept.result("first")
            first = asyncio.create_task(asyncio.to_thread(kept.post, example, key, "/predict/explain"))
            await asyncio.to_thread(wait_for, lambda: kept.result("first") > claimed)
            refused = [await asyncio.to_thread(kept.post, example, key, "/predict/explain") for _ in range(2 * WORKERS)]
            expect.answer(await asyncio.to_thread(kept.post, example, str(uuid4())))
        return (await first).content, refused

    content, refused = asyncio.run(requests())
    for response in refused:
        assert "1" == response.headers["Retry-After"]
        expect.problem(response, 409, "idempotency-key-in-use")
    assert content == kept.post(example, key, "/predict/explain").content
    assert before + 2 == kept.decisions()


def test_many_callers_at_once(kept: Kept, applications: list[dict[str, Any]]) -> None:
    """Each key is answered once, whoever asks, and all are told the same."""
    before, keys = kept.decisions(), [str(uuid4()) for _ in range(KEYS)]
    answers: dict[str, Counter[bytes]] = {key: Counter() for key in keys}
    statuses: Counter[tuple[int, bool]] = Counter()

    async def ask(session: aiohttp.ClientSession, number: int) -> None:
        key, body = keys[number], json.dumps(applications[number])
        while True:
            async with session.post(
                f"{kept.server.url}/predict", data=body, headers={"Idempotency-Key": key}
            ) as response:
                statuses[response.status, REPLAYED in response.headers] += 1
                if response.status == 200:
                    answers[key][await response.read()] += 1
                    return
            await asyncio.sleep(0.05)

    async def caller() -> None:
        connector = aiohttp.TCPConnector(limit=KEYS)
        headers = {"Content-Type": "application/json"}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            await asyncio.gather(*(ask(session, number) for number in range(KEYS)))

    async def everybody() -> None:
        await asyncio.gather(*(caller() for _ in range(CALLERS)))

    run(everybody())
    decided = kept.decisions() - before
    print(f"{CALLERS} callers, {KEYS} keys, {WORKERS} workers: {decided} decisions; {dict(statuses)}")
    assert {(200, False), (200, True), (409, False)} >= set(statuses)
    assert KEYS == statuses[200, False] == decided
    assert KEYS * (CALLERS - 1) == statuses[200, True]
    assert all([CALLERS] == list(found.values()) for found in answers.values())


@pytest.mark.parametrize("where", ["before", "behind"])
def test_killed(kept: Kept, example: dict[str, Any], where: str) -> None:
    """Between claim and commit, and between commit and answer: asked again there is one decision, and it is told."""
    key, before = str(uuid4()), kept.decisions()
    (kept.server.home / where).touch()
    with pytest.raises(httpx.TransportError):
        kept.post(example, key)
    assert before + (1 if where == "behind" else 0) == kept.decisions()
    answered: list[httpx.Response] = []

    def asked_again() -> bool:
        try:
            answered.append(kept.post(example, key))
        except httpx.TransportError:  # the supervisor has not yet seen that the worker is gone
            return False
        return answered[-1].status_code == 200

    wait_for(asked_again)
    response = answered[-1]
    assert (REPLAYED in response.headers) == (where == "behind")
    record = kept.document(expect.answer(response)["decision_id"])
    assert key == record["idempotency_key"]
    assert response.content == kept.post(example, key).content
    assert before + 1 == kept.decisions()
    print(f"killed {where} its commit: {kept.decisions() - before} decision, replayed: {REPLAYED in response.headers}")


def test_is_counted_and_documented(kept: Kept) -> None:
    """Each result has a series by now; the document has the header, both problems and the mark of a repeated answer."""
    assert all(kept.result(name) > 0 for name in ("first", "replayed", "in_use", "other_request"))
    document = httpx.get(f"{kept.server.url}/docs.json", timeout=HANG_SECONDS).json()
    for path in ("/predict", "/predict/batch", "/predict/explain"):
        operation = document["paths"][path]["post"]
        assert "Idempotency-Key" in [each["name"] for each in operation["parameters"]]
        assert REPLAYED in operation["responses"]["200"]["headers"]
        assert "Retry-After" in operation["responses"]["409"]["headers"]
        examples = operation["responses"]["422"]["content"]["application/problem+json"]["examples"]
        assert {"invalid-request", "idempotency-key-reused"} == examples.keys()


def test_without_a_store(client: httpx.Client, example: dict[str, Any]) -> None:
    """It can't be promised, and is not passed over."""
    response = client.post("/predict", json=example, headers={"Idempotency-Key": "k-1"})
    assert "CREDIT_RISK_RECORDS" in expect.problem(response, 400, "no-idempotency")["detail"]
    document = client.get("/docs.json").json()
    assert "parameters" not in document["paths"]["/predict"]["post"]
