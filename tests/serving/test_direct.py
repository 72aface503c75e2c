"""The scoring routes past BentoML's middlewares."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.responses import PlainTextResponse
from starlette.types import Message, Scope

from serving.http.direct import (
    MOST_REFUSAL_SECONDS,
    REFUSAL_SECONDS,
    REFUSALS_A_SECOND,
    DirectRoute,
    Places,
    TimeLimit,
)
from serving.telemetry.tracing import Tracing


def series(client: httpx.Client, name: str, **labels: str) -> float:
    """The sum of a metric's series that have these labels."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(f"{name}{{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(label in line for label in wanted))


class TestBentoMLsMetrics:
    @pytest.mark.parametrize(("document", "status"), [("example", 200), ({}, 422)])
    def test_count_every_request_once(
        self, client: httpx.Client, example: dict[str, Any], document: Any, status: int
    ) -> None:
        total, duration = "bentoml_service_request_total", "bentoml_service_request_duration_seconds_count"
        labels = {"endpoint": "/predict", "http_response_code": str(status)}
        before = series(client, total, **labels), series(client, duration, **labels)
        client.post("/predict", json=example if document == "example" else document)
        assert (before[0] + 1, before[1] + 1) == (series(client, total, **labels), series(client, duration, **labels))
        assert series(client, "bentoml_service_request_in_progress", endpoint="/predict") == 0


class ShedError(Exception):
    """What a dispatcher raises for a request that it sheds."""


class Counted:
    """A route's traffic."""

    def __init__(self) -> None:
        self.in_progress = 0
        self.statuses: list[int] = []

    def started(self) -> None:
        self.in_progress += 1

    def finished(self, status: int, seconds: float) -> None:
        assert 0 <= seconds < 5
        self.in_progress -= 1
        self.statuses.append(status)


class TestTimeLimit:
    def test_it_cancels_what_takes_longer(self) -> None:
        async def wait(seconds: float | None) -> bool:
            with TimeLimit(seconds) as limit:
                await asyncio.sleep(0.01 if seconds is None else 10)
            return limit.expired

        with pytest.raises(TimeoutError):
            asyncio.run(wait(0.001))
        assert asyncio.run(wait(None)) is False

    def test_a_cancelled_task_stays_cancelled(self) -> None:
        """Also where the time is over in the same turn: whoever cancelled it waits for that."""

        async def wait() -> None:
            with TimeLimit(0.0):
                await asyncio.sleep(10)

        async def cancel() -> None:
            task = asyncio.create_task(wait())
            await asyncio.sleep(0)
            task.cancel()
            await task

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(cancel())


class TestRoute:
    """One route whose batches never come, or fail."""

    def _route(self, traffic: Counted, places: Places, infer: Any, tracing: Tracing | None = None) -> DirectRoute:
        async def arrive(_request: Any) -> None:
            pass

        async def read(_request: Any, _serde: Any) -> list[Any]:
            return []

        async def write(_results: list[Any], _serde: Any) -> Any:
            return PlainTextResponse("answered")

        return DirectRoute(
            "/predict", arrive, read, infer, write, places, 0.05, ShedError, traffic, tracing or Tracing()
        )

    def _call(self, route: DirectRoute) -> int:
        sent: list[Message] = []
        scope: Scope = {"type": "http", "method": "POST", "path": "/predict", "headers": []}

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        asyncio.run(route(scope, receive, send))
        status: int = sent[0]["status"]
        return status

    def test_the_time_limit_frees_its_place(self) -> None:
        async def never(_rows: list[Any]) -> list[Any]:
            await asyncio.Event().wait()
            raise AssertionError

        traffic, places = Counted(), Places(1)
        assert [504, 504] == [self._call(self._route(traffic, places, never)) for _ in range(2)]
        assert ([504, 504], 0, 1) == (traffic.statuses, traffic.in_progress, places.free)

    def test_a_shed_request_frees_its_place(self) -> None:
        async def shed(_rows: list[Any]) -> list[Any]:
            raise ShedError

        traffic, places = Counted(), Places(1)
        assert [503, 503] == [self._call(self._route(traffic, places, shed)) for _ in range(2)]
        assert ([503, 503], 0, 1) == (traffic.statuses, traffic.in_progress, places.free)

    def test_a_failure_frees_its_place(self) -> None:
        async def failing(_rows: list[Any]) -> list[Any]:
            raise RuntimeError

        traffic, places = Counted(), Places(1)
        with pytest.raises(RuntimeError):
            self._call(self._route(traffic, places, failing))
        assert ([500], 0, 1) == (traffic.statuses, traffic.in_progress, places.free)

    def test_a_failure_is_its_spans_too(self) -> None:
        async def failing(_rows: list[Any]) -> list[Any]:
            raise RuntimeError

        async def never(_rows: list[Any]) -> list[Any]:
            await asyncio.Event().wait()
            raise AssertionError

        async def answered(_rows: list[Any]) -> list[Any]:
            return []

        exporter, provider = InMemorySpanExporter(), TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        tracing = Tracing()
        tracing.start(provider, 1.0)
        with pytest.raises(RuntimeError):
            self._call(self._route(Counted(), Places(1), failing, tracing))
        for infer in (never, answered):
            self._call(self._route(Counted(), Places(1), infer, tracing))
        provider.shutdown()

        seen = [
            (span.attributes["http.response.status_code"], span.status.is_ok) for span in exporter.get_finished_spans()
        ]
        assert [(500, False), (504, False), (200, True)] == seen

    def test_without_a_place_it_is_refused(self) -> None:
        async def answered(_rows: list[Any]) -> list[Any]:
            return []

        traffic = Counted()
        assert 429 == self._call(self._route(traffic, Places(0), answered))
        assert 200 == self._call(self._route(traffic, Places(None), answered))
        assert ([429, 200], 0) == (traffic.statuses, traffic.in_progress)


class TestPlaces:
    def test_no_caller_has_them_all(self) -> None:
        """Seven eighths are for one caller; the rest, and what it gives back, for others."""
        places = Places(16)
        assert [True] * 14 + [False] * 2 == [places.take("a") for _ in range(16)]
        assert [True, True, False] == [places.take("b") for _ in range(3)]
        places.give_back("a")
        assert places.take("b")
        for caller in ("a",) * 13 + ("b",) * 3:
            places.give_back(caller)
        assert (16, {}) == (places.free, places._taken)

    def test_of_one_caller_may_be_set(self) -> None:
        """Also where there is no limit of all."""
        for number in (None, 16):
            places = Places(number, per_caller=2)
            assert [True, True, False] == [places.take("a") for _ in range(3)]
            assert places.take("b")

    def test_without_a_limit_there_is_none_of_one(self) -> None:
        places = Places(None)
        assert all(places.take("a") for _ in range(1000))

    def test_refusals_come_one_after_the_other(self) -> None:
        """A few after the same time, more of them later, and nobody waits beyond all patience."""
        places, now = Places(0), 1000.0
        waits = [places.refusal_seconds(now) for _ in range(4 * REFUSALS_A_SECOND)]

        assert REFUSAL_SECONDS == waits[0]
        assert waits == sorted(waits)
        assert 1 / REFUSALS_A_SECOND == pytest.approx(waits[1] - waits[0])
        assert MOST_REFUSAL_SECONDS == pytest.approx(waits[-1])
        assert REFUSAL_SECONDS == places.refusal_seconds(now + 10)
