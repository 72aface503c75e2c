"""The routes about records, of served processes: with keys and SQLite, and open on this machine with PostgreSQL."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_schema_validator import OAS30Validator

from records.keyring import add_key, read_keyring
from records.stores.opening import open_ledger
from records.upkeep.resealing import reseal
from serving.access.command import main
from tests import expect
from tests.servers import HANG_SECONDS, Server, copy_store, serving

pytestmark = pytest.mark.slow

ROUTES = (
    ("GET", "/decisions"),
    ("GET", "/decisions/{}"),
    ("POST", "/decisions/{}/replay"),
    ("POST", "/outcomes"),
)


class Recorded:
    """A served process with a store.

    Attributes:
        server: the process.
        where: its store.
        key_file: its keys.
        scoring: a client that may decide.
        reading: one that may read what is on record.
        telling: one that may tell outcomes.
    """

    def __init__(self, server: Server, where: str, key_file: Path, keys: dict[str, str]) -> None:
        def client(scope: str) -> httpx.Client:
            headers = {"Authorization": f"Bearer {keys[scope]}"} if keys else {}
            return httpx.Client(base_url=server.url, headers=headers, timeout=HANG_SECONDS)

        self.server = server
        self.where = where
        self.key_file = key_file
        self.scoring = client("decide,batch,explain")
        self.reading = client("records")
        self.telling = client("outcomes")

    def close(self) -> None:
        """Let go of its connections."""
        for client in (self.scoring, self.reading, self.telling):
            client.close()

    def decide(self, document: dict[str, Any], route: str = "/predict") -> str:
        """The id of a decision."""
        decision_id = expect.answer(self.scoring.post(route, json=document))["decision_id"]
        return str(decision_id)


def made_keys(file: Path) -> dict[str, str]:
    """A key for each scope, by the scope."""
    keys = {}
    for scopes in ("decide,batch,explain", "records", "outcomes"):
        arguments = ["new", "--name", f"of-{scopes[:6]}", "--scopes", scopes, "--expires", "2999-12-31"]
        with redirect_stdout(StringIO()) as out:
            assert 0 == main(["keys", *arguments, "--file", str(file)])
        keys[scopes] = out.getvalue().strip()
    return keys


@pytest.fixture(
    scope="module", params=["keys and sqlite", pytest.param("open and postgres", marks=pytest.mark.database)]
)
def recorded(
    request: pytest.FixtureRequest, store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("asked")
    key_file = folder / "keys.json"
    add_key(key_file)
    if request.param == "open and postgres":
        where, keys, access = str(request.getfixturevalue("lasting_database")), {}, {}
    else:
        where, keys = f"sqlite:{folder}/records", made_keys(folder / "callers.json")
        access = {"CREDIT_RISK_ACCESS": "keys", "CREDIT_RISK_KEYS_FILE": str(folder / "callers.json")}
    settings = access | {"CREDIT_RISK_RECORDS": where, "CREDIT_RISK_RECORDS_KEY_FILE": str(key_file)}
    with serving(copy_store(store, folder / "home"), **settings) as server:
        running = Recorded(server, where, key_file, keys)
        yield running
        running.close()


class TestFinding:
    def test_one(self, recorded: Recorded, example: dict[str, Any]) -> None:
        """All that was answered, as it came, and by what it was decided."""
        body = json.dumps(example, indent=1)
        answer = expect.answer(
            recorded.scoring.post("/predict/explain", content=body, headers={"Content-Type": "application/json"})
        )
        shown = expect.answer(recorded.reading.get(f"/decisions/{answer['decision_id']}"))
        for name in ("decision_id", "decision", "probability_of_default", "credit_score", "counterfactuals"):
            assert answer[name] == shown[name]
        assert body == shown["received"]
        assert answer["model_version"] == shown["basis"]["model_version"]
        assert (None, [], None, None) == tuple(shown[name] for name in ("notified", "holds", "outcome", "purged"))

    def test_by_reference_and_more(self, recorded: Recorded, example: dict[str, Any]) -> None:
        """The latest first; what is asked for besides narrows it down."""
        first, second = (recorded.decide(example | {"reference": "loan 1/ü&more"}) for _ in range(2))
        recorded.decide(example | {"reference": "loan 2"})

        def found(**asked: str) -> list[str]:
            answer = expect.answer(recorded.reading.get("/decisions", params=asked))
            assert "basis" not in answer["decisions"][0] if answer["decisions"] else True
            return [decision["decision_id"] for decision in answer["decisions"]]

        assert [second, first] == found(reference="loan 1/ü&more")
        assert [second] == found(reference="loan 1/ü&more", most="1")
        moment = expect.answer(recorded.reading.get(f"/decisions/{second}"))["time"]
        assert [second] == found(reference="loan 1/ü&more", since=moment)
        assert [first] == found(reference="loan 1/ü&more", until=moment)
        assert [] == found(reference="loan 1/ü&more", caller="nobody")
        outcome = expect.answer(recorded.reading.get(f"/decisions/{second}"))["decision"]
        assert [second, first] == found(reference="loan 1/ü&more", outcome=outcome)
        assert [] == found(reference="loan 3")

    @pytest.mark.parametrize(
        ("query", "named"),
        [
            ("since=yesterday&most=0&outcome=DENIED", {"since", "most", "outcome"}),
            ("most=501", {"most"}),
            ("most=%C2%B2", {"most"}),
            ("name=Mustermann", set()),
            ("most=1&most=2", set()),
        ],
    )
    def test_a_wrong_question(self, recorded: Recorded, query: str, named: set[str]) -> None:
        """Each wrong parameter is named, and not what stands there."""
        problem = expect.problem(recorded.reading.get(f"/decisions?{query}"), 422, "invalid-request")
        assert named == {error["loc"][0] for error in problem.get("errors", [])}
        assert not {"Mustermann", "yesterday", "DENIED"} & set(json.dumps(problem).split('"'))

    @pytest.mark.parametrize("decision", ["019ac0de-0000-7000-8000-000000000000", "4711", "{id}", "a b"])
    def test_none(self, recorded: Recorded, decision: str) -> None:
        for response in (
            recorded.reading.get(f"/decisions/{decision}"),
            recorded.reading.post(f"/decisions/{decision}/replay"),
        ):
            expect.problem(response, 404, "no-such-decision")
        expect.problem(recorded.reading.get(f"/decisions/{decision}/more"), 404, "not-found")
        expect.problem(recorded.reading.get("/decisions/"), 404, "not-found")

    def test_answers_are_as_documented(self, recorded: Recorded, example: dict[str, Any]) -> None:
        """By their schemas; the metrics know of routes, and of no ids."""
        decision = recorded.decide(example | {"reference": "documented"})
        rows = [{"reference": "documented", "defaulted": False, "date": "2026-11-27", "matured": False}]
        document = expect.answer(recorded.reading.get("/docs.json"))
        for path, response in (
            ("/decisions", recorded.reading.get("/decisions")),
            ("/decisions/{id}", recorded.reading.get(f"/decisions/{decision}")),
            ("/decisions/{id}/replay", recorded.reading.post(f"/decisions/{decision}/replay")),
            ("/outcomes", recorded.telling.post("/outcomes?correct=false", json=rows)),
        ):
            (operation,) = document["paths"][path].values()
            schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
            validator = OAS30Validator({**schema, "components": document["components"]})
            validator.validate(expect.answer(response))
        lines = [line for line in recorded.server.lines() if decision in json.dumps(line.get("route", ""))]
        assert [] == lines


class TestReplaying:
    def test_is_identical(self, recorded: Recorded, example: dict[str, Any]) -> None:
        for route in ("/predict", "/predict/explain"):
            decision = recorded.decide(example, route)
            assert {"decision_id": decision, "verdict": "identical", "what": []} == expect.answer(
                recorded.reading.post(f"/decisions/{decision}/replay")
            )


class TestOutcomes:
    def test_are_kept_once(self, recorded: Recorded, example: dict[str, Any]) -> None:
        """By id and by reference; contradicted they are named, and kept as a correction."""
        first, second = recorded.decide(example), recorded.decide(example | {"reference": "outcome 1"})
        today = expect.answer(recorded.reading.get(f"/decisions/{first}"))["time"][:10]
        rows = [
            {"decision_id": first, "defaulted": False, "date": today, "matured": True},
            {"reference": "outcome 1", "defaulted": True, "date": today, "matured": False},
        ]
        for kept in (2, 0):
            answer = expect.answer(recorded.telling.post("/outcomes", json=rows))
            assert {"kept": kept, "unchanged": 2 - kept, "erased": 0} == answer
        shown = expect.answer(recorded.reading.get(f"/decisions/{second}"))
        assert {"defaulted": True, "date": today, "matured": False} == shown["outcome"]
        rows[1]["defaulted"] = False
        problem = expect.problem(recorded.telling.post("/outcomes", json=rows), 422, "invalid-request")
        assert [[1, "defaulted"]] == [error["loc"] for error in problem["errors"]]
        assert 1 == expect.answer(recorded.telling.post("/outcomes?correct=true", json=rows))["kept"]

    def test_each_wrong_row_is_named(self, recorded: Recorded) -> None:
        """With its field; nothing is kept of the others."""
        good = {"reference": "nobody's", "defaulted": False, "date": "2026-11-27", "matured": True}
        rows = [good | {"date": "2026-02-30"}, good | {"defaulted": "no"}, good | {"decision_id": "4711"}, good]
        problem = expect.problem(recorded.telling.post("/outcomes", json=rows), 422, "invalid-request")
        assert [[1, "defaulted"]] == [error["loc"] for error in problem["errors"]]
        problem = expect.problem(recorded.telling.post("/outcomes", json=[rows[0], *rows[2:]]), 422, "invalid-request")
        assert [[0, "date"], [1, "decision_id"]] == [error["loc"] for error in problem["errors"]]
        problem = expect.problem(recorded.telling.post("/outcomes", json=[good]), 422, "invalid-request")
        assert [[0, "reference"]] == [error["loc"] for error in problem["errors"]]
        unnamed = {name: value for name, value in good.items() if name != "reference"}
        problem = expect.problem(recorded.telling.post("/outcomes", json=[unnamed]), 422, "invalid-request")
        assert [[0, "decision_id"]] == [error["loc"] for error in problem["errors"]]

    def test_what_is_no_list_of_them(self, recorded: Recorded) -> None:
        for body in ({}, [], [1] * 501):
            expect.problem(recorded.telling.post("/outcomes", json=body), 422, "invalid-request")
        many = expect.problem(recorded.telling.post("/outcomes", json=[{"x": 1}] * 500), 422, "invalid-request")
        assert len(json.dumps(many)) < 70_000
        assert "more_rows" == many["errors"][-1]["type"]
        expect.problem(recorded.telling.post("/outcomes?correct=yes", json=[1]), 422, "invalid-request")
        expect.problem(recorded.telling.post("/outcomes", content="["), 415, "unsupported-media-type")
        json_type = {"Content-Type": "application/json"}
        expect.problem(recorded.telling.post("/outcomes", content="[", headers=json_type), 400, "malformed-json")
        expect.problem(recorded.telling.get("/outcomes"), 405, "method-not-allowed")


class TestAccess:
    def test_each_needs_its_scope(self, recorded: Recorded) -> None:
        """Nobody reads by a key that decides or tells, nor tells by one that reads."""
        if recorded.where.startswith("postgres"):
            pytest.skip("open")
        with httpx.Client(base_url=recorded.server.url, timeout=HANG_SECONDS) as nobody:
            for method, path in ROUTES:
                asked = path.format("4711")
                expect.problem(nobody.request(method, asked), 401, "unauthorized")
                expect.problem(recorded.scoring.request(method, asked), 403, "forbidden")
                other = recorded.reading if path == "/outcomes" else recorded.telling
                expect.problem(other.request(method, asked), 403, "forbidden")

    def test_open_is_for_this_machine(self, recorded: Recorded) -> None:
        """Not for whoever was passed on by a proxy, or leads another name here."""
        if recorded.where.startswith("sqlite"):
            pytest.skip("not open")
        for headers in ({"X-Forwarded-For": "10.0.0.1"}, {"Host": "lender.example"}):
            for method, path in ROUTES:
                response = recorded.reading.request(method, path.format("4711"), headers=headers)
                assert "CREDIT_RISK_ACCESS" in expect.problem(response, 403, "forbidden")["detail"]


class TestBesides:
    def test_scoring_goes_on(self, recorded: Recorded, applications: list[dict[str, Any]]) -> None:
        """While others ask for as much as they may: every answer comes, and the event loop's turns go on."""
        ended = threading.Event()
        asked: list[int] = []

        def ask() -> None:
            with httpx.Client(
                base_url=recorded.server.url, headers=recorded.reading.headers, timeout=HANG_SECONDS
            ) as client:
                while not ended.is_set():
                    asked.append(client.get("/decisions?most=500").status_code)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for document in applications[:60]:
                recorded.decide(document)
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        assert {200} == set(asked)

    def test_a_key_that_came_later(self, recorded: Recorded, example: dict[str, Any]) -> None:
        """Records that are sealed by it are read without a restart."""
        if recorded.where.startswith("sqlite"):
            pytest.skip("can't be resealed while a service writes")
        decision = recorded.decide(example)
        assert 200 == recorded.reading.get(f"/decisions/{decision}").status_code
        add_key(recorded.key_file)
        ledger = open_ledger(recorded.where)
        assert sum(step.resealed for step in reseal(ledger, read_keyring(recorded.key_file)))
        ledger.close()
        assert 200 == recorded.reading.get(f"/decisions/{decision}").status_code
        assert recorded.decide(example)


def test_without_a_store(client: httpx.Client) -> None:
    """It says so."""
    for method, path in ROUTES:
        problem = expect.problem(client.request(method, path.format("4711")), 404, "no-records")
        assert "CREDIT_RISK_RECORDS" in problem["detail"]
