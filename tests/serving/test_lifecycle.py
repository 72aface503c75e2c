"""From start to SIGTERM: what the probes say, and what happens to requests at the limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import expect
from tests.crowd import post_all, run
from tests.servers import (
    MODEL_ENTRY,
    Server,
    SlowRequest,
    copy_store,
    entry,
    serving,
    wait_for,
)

TIMEOUT_SECONDS = 60
"""Long enough for whatever a busy machine does between the beginning of a slow request and its end."""

DRAIN_SECONDS = 5
MAX_CONCURRENCY = 4


@pytest.fixture(scope="module")
def unready(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """Servers that have nothing they may serve: one with a changed model, one with an empty store."""
    model = copy_store(store, tmp_path_factory.mktemp("model"))
    change_a_byte(entry(model, MODEL_ENTRY) / "gradient_boosting_model.joblib")
    homes = {"changed model": model, "empty store": tmp_path_factory.mktemp("empty")}
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(serving(home, until=None, CREDIT_RISK_DRAIN_SECONDS="0"))
            for name, home in homes.items()
        }
        for server in servers.values():
            server.wait_until("/livez")
        yield servers


@pytest.fixture(scope="module")
def limited(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose limits are soon reached. It logs at DEBUG."""
    settings = {
        "CREDIT_RISK_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
        "CREDIT_RISK_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "CREDIT_RISK_MAX_CONCURRENCY": str(MAX_CONCURRENCY),
        "CREDIT_RISK_BATCH_LATENCY_MS": "10",
        "CREDIT_RISK_LOG_LEVEL": "DEBUG",
    }
    with serving(copy_store(store, tmp_path_factory.mktemp("limited")), **settings) as server:
        yield server


def change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


class TestUnready:
    """A service without a verified model and policy lives, but takes no traffic."""

    @pytest.mark.parametrize("fault", ["changed model", "empty store"])
    def test_probes(self, unready: dict[str, Server], fault: str) -> None:
        """Liveness is 200, so that nobody restarts it in a loop; readiness is 503."""
        url = unready[fault].url

        assert [200, 200, 200] == [httpx.get(f"{url}{path}").status_code for path in ("/livez", "/healthz", "/health")]
        expect.problem(httpx.get(f"{url}/readyz"), 503, "not-ready")

    @pytest.mark.parametrize("fault", ["changed model", "empty store"])
    def test_scoring(self, unready: dict[str, Server], example: dict[str, Any], fault: str) -> None:
        """Every scoring route is 503 as long as nothing can be scored."""
        url = unready[fault].url

        for path, body in {
            "/predict": example,
            "/predict/explain": example,
            "/predict/batch": [example, example],
            "/predict/batch?partial=true": [example, {}],
        }.items():
            expect.problem(httpx.post(f"{url}{path}", json=body), 503, "not-ready")

    @pytest.mark.parametrize("fault", ["changed model", "empty store"])
    def test_information(self, unready: dict[str, Server], fault: str) -> None:
        """/version names no model, and the API page still works, without examples of answers."""
        url = unready[fault].url

        version = expect.answer(httpx.get(f"{url}/version"))
        document = expect.answer(httpx.get(f"{url}/docs.json"))

        assert [None, None, None, {}] == [
            version[name] for name in ("model_name", "model_version", "policy_version", "digests")
        ]
        content = document["paths"]["/predict"]["post"]["responses"]["200"]["content"]["application/json"]
        assert {"schema"} == content.keys()

    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            ("changed model", ["gradient_boosting_model.joblib", "sha256"]),
            ("empty store", ["credit_risk_gradient_boosting", "import_model.py"]),
        ],
    )
    def test_log_gives_the_reason(self, unready: dict[str, Server], fault: str, words: list[str]) -> None:
        """One line at CRITICAL says what is wrong and what to do."""
        (line,) = unready[fault].find(level="CRITICAL")

        assert "credit_risk.service" == line["logger"]
        assert all(word in line["reason"] for word in words)


class TestLimits:
    def test_concurrency(self, limited: Server, applications: Sequence[dict[str, Any]]) -> None:
        """A request above the concurrency limit is 429; the others are answered."""
        responses: list[httpx.Response] = []

        def one_was_refused() -> bool:
            bodies = [list(applications)] * 8 * MAX_CONCURRENCY
            responses.extend(run(post_all(limited, "/predict/batch", bodies, clients=8 * MAX_CONCURRENCY)))
            return any(response.status_code == 429 for response in responses)

        wait_for(one_was_refused, 60)

        for response in responses:
            if response.status_code == 429:
                expect.problem(response, 429, "too-many-requests")
        assert any(response.status_code == 200 for response in responses)

    def test_latency_objective(self, limited: Server, applications: Sequence[dict[str, Any]]) -> None:
        """Requests that would wait longer than the batcher's objective are shed with 503, the others are answered."""
        batch = (list(applications) * 2)[:500]
        responses: list[httpx.Response] = []

        def one_was_shed() -> bool:
            """Ask on until it has happened: on a busy machine these clients may be slower than the server."""
            responses.extend(run(post_all(limited, "/predict/batch", [batch] * 12, clients=MAX_CONCURRENCY - 1)))
            return any(response.status_code == 503 for response in responses)

        wait_for(one_was_shed, 60)

        shed = [response for response in responses if response.status_code != 200]
        assert len(shed) < len(responses)
        for response in shed:
            expect.problem(response, 503, "overloaded")


class TestLearning:
    def test_before_the_first_request(self, limited: Server) -> None:
        """Each batcher has learnt what it needs when the application has started, and never starts again."""
        messages = [line["message"] for line in limited.lines()]
        started = messages.index("Application startup complete.")

        assert 3 == messages[:started].count("Dispatcher optimizer training complete.")
        assert 3 == messages.count("Dispatcher optimizer training complete.")


class TestShutdown:
    """The last tests here: they end the server."""

    def test_drains(self, limited: Server, example: dict[str, Any]) -> None:
        """From SIGTERM on it isn't ready, yet it answers; what is in flight is finished; then it exits with 0."""
        slow = SlowRequest(limited, "/predict", example)
        batch = SlowRequest(limited, "/predict/batch", [example] * 500)

        limited.terminate()
        wait_for(lambda: httpx.get(f"{limited.url}/readyz").status_code == 503)
        limited.worker.terminate()  # a second SIGTERM changes nothing
        late = httpx.post(f"{limited.url}/predict", json=example)
        wait_for(lambda: limited.find(message="Shutting down"))
        finished = [slow.finish(), batch.finish()]

        assert expect.answer(late) == expect.answer(finished[0])
        assert 500 == expect.answer(finished[1])["batch_size"]
        assert 0 == limited.wait()
        assert 1 == len(limited.find(message="SIGTERM: not ready any more"))

    def test_nothing_listens_any_more(self, limited: Server) -> None:
        """Its port is free again, and its log ends with the worker's end."""
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{limited.url}/livez")

        assert limited.lines()[-1]["message"].startswith("Finished server process")

    def test_polled_routes_are_logged_at_debug(self, limited: Server) -> None:
        """Who needs to see the probes finds them at DEBUG."""
        assert wait_for(lambda: limited.find(level="DEBUG", message="request", route="/readyz", status=200))
