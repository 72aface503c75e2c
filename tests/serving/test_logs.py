"""The log: JSON lines, one for each request and decision, and nothing of an application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import aiohttp
import httpx
import pytest

from tests import expect
from tests.applications import FIELDS
from tests.crowd import run, session
from tests.servers import Server, wait_for

JSON = {"Content-Type": "application/json"}


def request_line(server: Server, request_id: str) -> dict[str, Any]:
    """The one log line of a request; it is written after the response."""
    (line,) = wait_for(lambda: server.find(logger="credit_risk.request", request_id=request_id))
    return line


def decision_lines(server: Server, request_id: str) -> list[dict[str, Any]]:
    """The log lines of a request's decisions."""
    return server.find(logger="credit_risk.decision", request_id=request_id)


class TestRequests:
    @pytest.mark.parametrize(
        ("method", "path", "body", "status", "route", "rows"),
        [
            ("POST", "/predict", "one", 200, "/predict", 1),
            ("POST", "/predict/explain", "one", 200, "/predict/explain", 1),
            ("POST", "/predict/batch", "seven", 200, "/predict/batch", 7),
            ("POST", "/predict/batch?partial=true", "partial", 200, "/predict/batch", 2),
            ("POST", "/predict", "bad", 422, "/predict", 1),
            ("POST", "/predict", "malformed", 400, "/predict", None),
            ("GET", "/predict", None, 405, "/predict", None),
            ("GET", "/version", None, 200, "/version", None),
            ("GET", "/wp-login.php", None, 404, "unknown", None),
            ("GET", "/docs?name=SENTINEL", None, 200, "/docs", None),
        ],
    )
    def test_one_line(
        self,
        server: Server,
        client: httpx.Client,
        example: dict[str, Any],
        method: str,
        path: str,
        body: str | None,
        status: int,
        route: str,
        rows: int | None,
    ) -> None:
        """One line tells method, route as template, status, duration and rows of each request, refused or not."""
        bodies = {
            "one": json.dumps(example),
            "seven": json.dumps([example] * 7),
            "partial": json.dumps([example, {}]),
            "bad": "{}",
            "malformed": "{",
            None: None,
        }
        request_id = uuid4().hex

        client.request(method, path, content=bodies[body], headers=JSON | {"X-Request-ID": request_id})

        line = request_line(server, request_id)
        assert line.pop("duration_ms") > 0
        assert datetime.fromisoformat(line.pop("timestamp")).tzinfo is not None
        assert {
            "level": "INFO",
            "logger": "credit_risk.request",
            "message": "request",
            "request_id": request_id,
            "method": method,
            "route": route,
            "status": status,
            "rows": rows,
        } == line

    def test_polled_routes_are_quiet(self, server: Server, client: httpx.Client) -> None:
        """Probes and scrapes that go well leave no line at INFO."""
        headers = {"X-Request-ID": f"quiet-{uuid4().hex}"}
        for path in ("/livez", "/readyz", "/healthz", "/health", "/metrics"):
            client.get(path, headers=headers)
        last = uuid4().hex
        client.get("/version", headers={"X-Request-ID": last})

        request_line(server, last)
        assert [] == server.find(request_id=headers["X-Request-ID"])


class TestDecisions:
    @pytest.mark.parametrize(
        ("path", "kind", "rows"),
        [("/predict", "single", 1), ("/predict/explain", "explain", 1), ("/predict/batch", "batch", 7)],
    )
    def test_one_line_each(
        self, server: Server, client: httpx.Client, example: dict[str, Any], path: str, kind: str, rows: int
    ) -> None:
        """One line for each decision tells what was decided, at which PD, by which model and policy."""
        request_id = uuid4().hex
        body = example if rows == 1 else [example] * rows
        answer = expect.answer(client.post(path, json=body, headers={"X-Request-ID": request_id}))
        answers = answer.get("results", [answer])

        request_line(server, request_id)
        lines = decision_lines(server, request_id)

        told = ("decision", "probability_of_default", "model_version", "policy_version")
        assert [{name: answer[name] for name in told} for answer in answers] == [
            {name: line[name] for name in told} for line in lines
        ]
        assert [kind] * rows == [line["kind"] for line in lines]

    def test_under_their_own_request(self, server: Server, applications: list[dict[str, Any]]) -> None:
        """Decisions that were made in one merged batch are logged under the request that asked for each."""

        async def decide(client: aiohttp.ClientSession, number: int) -> float:
            headers = JSON | {"X-Request-ID": f"merged-{number}"}
            async with client.post("/predict", data=json.dumps(applications[number]), headers=headers) as response:
                return (await response.json())["probability_of_default"]

        async def decide_all() -> list[float]:
            async with session(server, 48) as client:
                return await asyncio.gather(*(decide(client, number) for number in range(48)))

        answered = run(decide_all())

        def logged() -> dict[str, float]:
            return {
                line["request_id"]: line["probability_of_default"]
                for line in server.find(logger="credit_risk.decision")
                if line["request_id"].startswith("merged-")
            }

        wait_for(lambda: len(logged()) == len(answered))
        assert {f"merged-{number}": pd for number, pd in enumerate(answered)} == logged()


WORD = "sentinel5f0c1d"
NUMBER = 918273645.25
"""Allowed in no field that has a smaller bound, and found in no log by chance."""

UNUSUAL = {
    "person_income": 73519.2641,
    "person_home_ownership": "MORTGAGE",
    "person_emp_length": 7.6543219,
    "loan_intent": "HOMEIMPROVEMENT",
    "loan_amnt": 8123.45678,
    "loan_int_rate": 11.9876543,
    "loan_percent_income": 0.1104969,
}


def bad_bodies(example: dict[str, Any]) -> Iterator[str]:
    """Bodies that hold the word or the number, and are refused for it."""
    for field in FIELDS:
        for value in (WORD, [WORD], {WORD: WORD}, int(NUMBER) ** 40, -NUMBER):
            yield json.dumps(example | {field: value})
        yield json.dumps(example | {field: "@@"}).replace('"@@"', f"{int(NUMBER)}e400")
    yield json.dumps(example | {"loan_percent_income": NUMBER})
    yield json.dumps(example | {"unknown": WORD})
    yield json.dumps(WORD)
    yield json.dumps([WORD])


@pytest.fixture(scope="module")
def refused(client: httpx.Client, example: dict[str, Any]) -> list[httpx.Response]:
    """Errors of every kind that a sent value could slip into."""
    return [
        client.post(path, content=f"[{body}]" if path.endswith("batch") else body, headers=JSON)
        for path in ("/predict", "/predict/explain", "/predict/batch")
        for body in bad_bodies(example)
    ] + [
        client.post("/predict", content=WORD, headers=JSON),
        client.post("/predict", content=f'{{"loan_grade": "{WORD}"', headers=JSON),
        client.post("/predict", content=WORD * 100_000, headers=JSON),
        client.post("/predict", content=WORD, headers={"Content-Type": f"text/{WORD}"}),
        client.post("/predict", content=WORD, headers={"Content-Type": "application/vnd.bentoml+pickle"}),
        client.post("/predict", content="{}", headers=JSON | {"X-Request-ID": f"{WORD}/"}),
        client.post(f"/predict/batch?partial={WORD}", content="[]", headers=JSON),
        client.post(f"/predict/{WORD}", content="{}", headers=JSON),
        client.put(f"/predict?{WORD}", content=WORD, headers=JSON),
        client.get(
            f"/{WORD}",
            headers={
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            },
        ),
    ]


class TestNoValues:
    """No value of an application stands in a log line; none that was refused stands in its error."""

    def test_errors(self, refused: list[httpx.Response]) -> None:
        """Every one of them is refused, and none repeats what was sent."""
        assert {400, 404, 405, 413, 415, 422} == {response.status_code for response in refused}
        for response in refused:
            assert WORD not in response.text.lower()
            assert str(int(NUMBER)) not in response.text
            assert WORD not in str(response.headers).lower()

    @pytest.mark.usefixtures("refused")
    def test_log(self, server: Server, client: httpx.Client, example: dict[str, Any]) -> None:
        """Good and bad requests of every kind leave no value in the log, nor a field's name."""
        application = example | UNUSUAL
        last = uuid4().hex
        for path, body in {
            "/predict": application,
            "/predict/explain": application,
            "/predict/batch": [application],
            "/predict/batch?partial=true": [application, application | {"loan_grade": WORD}],
        }.items():
            expect.answer(client.post(path, json=body, headers={"X-Request-ID": last}))
        wait_for(lambda: len(server.find(logger="credit_risk.request", request_id=last)) == 4)

        log = server.log.read_text(encoding="utf-8")

        assert [] == [value for value in map(str, [*UNUSUAL.values(), WORD, int(NUMBER)]) if value in log]
        assert [] == [field for field in FIELDS if field in log]


def test_every_line_is_json(server: Server, client: httpx.Client) -> None:
    """Supervisor and worker write nothing but JSON objects with time, level, logger and message."""
    client.post("/predict", content="{", headers=JSON)

    lines = server.lines()

    assert {"bentoml.serve", "uvicorn.error", "credit_risk.service"} <= {line["logger"] for line in lines}
    assert all({"timestamp", "level", "logger", "message"} <= line.keys() for line in lines)
    # BentoML logs a refused pickle as an error of its own.
    faults = [line for line in lines if line["level"] in ("ERROR", "CRITICAL")]
    assert {"BentoMLException"} >= {line["exception"]["type"] for line in faults}
