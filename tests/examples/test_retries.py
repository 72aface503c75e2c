"""How long to wait for the next try, and what comes of a request for httpx's own users."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from examples import retries
from examples.retries import AsyncRetryingTransport, RetryingTransport, pause, refuse_foreign, seconds_asked


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 120 ", 120),
        (None, 0),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("1.5", 0),
        ("٣", 0),
        ("Mon, 1 Jan 99999999999999999999 00:00:00 GMT", 0),
        ("Mon, 1 Jan 2030 00:00:00 +99999999999999", 0),
        ("9" * 400, float("inf")),
    ],
)
def test_seconds_are_read(header: str | None, seconds: float) -> None:
    """And what is neither seconds nor a date asks for nothing."""
    assert seconds == seconds_asked(header)


def test_dates_are_read() -> None:
    """In the three forms that HTTP has, as far as Python reads them; one that is past asks for nothing."""
    later = datetime.now(UTC) + timedelta(hours=1)
    assert 3500 < seconds_asked(format_datetime(later, usegmt=True)) <= 3600
    assert 3500 < seconds_asked(later.strftime("%A, %d-%b-%y %H:%M:%S GMT")) <= 3600
    assert 3500 < seconds_asked(later.strftime("%a %b %d %H:%M:%S %Y")) <= 3600
    assert 0 == seconds_asked("Sun, 06 Nov 1994 08:49:37 GMT")


def test_the_wait_is_never_less_than_asked_and_not_the_same_twice() -> None:
    waits = [pause("2", 3) for _ in range(50)]
    assert all(2 < wait <= 4 for wait in waits)
    assert 1 < len(set(waits))
    assert max(pause(None, 1) for _ in range(50)) <= 0.5


class Overloaded(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Always busy; notes what it was sent."""

    def __init__(self, retry_after: str) -> None:
        self.retry_after = retry_after
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(429, headers={"Retry-After": self.retry_after}, stream=httpx.ByteStream(b"busy"))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was waited for, without waiting."""
    found: list[float] = []

    async def sleep(seconds: float) -> None:  # stands in for one that waits
        found.append(seconds)

    monkeypatch.setattr(retries.time, "sleep", found.append)
    monkeypatch.setattr(retries.asyncio, "sleep", sleep)
    return found


def test_the_last_answer_is_given_after_four_tries(waits: list[float]) -> None:
    """Whole, also where the body comes from a generator, as BentoML's does."""
    busy = Overloaded("1")
    with httpx.Client(transport=RetryingTransport(busy)) as client:
        response = client.post("http://service/predict", content=iter([b"{", b"}"]))

    assert (429, "busy") == (response.status_code, response.text)
    assert [b"{}"] * 4 == [request.content for request in busy.requests]
    assert 3 == len(waits)
    assert all(wait > 1 for wait in waits)


def test_asynchronously_too(waits: list[float]) -> None:
    busy = Overloaded("1")

    async def post() -> httpx.Response:
        async with httpx.AsyncClient(transport=AsyncRetryingTransport(busy)) as client:
            return await client.post("http://service/predict", json={}, headers={"X-Request-ID": "mine"})

    response = asyncio.run(post())

    assert (429, "busy") == (response.status_code, response.text)
    assert ["mine"] * 4 == [request.headers["X-Request-ID"] for request in busy.requests]
    assert 3 == len(waits)


def test_a_wait_past_the_end_is_not_begun(waits: list[float]) -> None:
    busy = Overloaded("31")
    with httpx.Client(transport=RetryingTransport(busy)) as client:
        assert 429 == client.post("http://service/predict", json={}).status_code
    assert (1, []) == (len(busy.requests), waits)


def test_a_timeout_is_not_repeated_and_names_the_request(waits: list[float]) -> None:
    class Slow(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            raise httpx.ReadTimeout("timed out", request=request)

    with (
        httpx.Client(transport=RetryingTransport(Slow())) as client,
        pytest.raises(httpx.ReadTimeout, match=r"timed out \(request id mine, try 1\)"),
    ):
        client.post("http://service/predict", json={}, headers={"X-Request-ID": "mine"})
    assert [] == waits


class Trickle(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that never ends."""

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield b" "

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b" "


class Trickling(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers with one."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Trickle(), request=request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "SECONDS", 0.1)

    async def post() -> httpx.Response:
        async with httpx.AsyncClient(transport=AsyncRetryingTransport(Trickling())) as client:
            return await client.post("http://service/predict", json={})

    with httpx.Client(transport=RetryingTransport(Trickling())) as client, pytest.raises(httpx.ReadTimeout, match="id"):
        client.post("http://service/predict", json={})
    with pytest.raises(httpx.ReadTimeout, match="request id"):
        asyncio.run(post())


@pytest.mark.parametrize(
    ("status", "kind", "own"),
    [
        (200, "application/json", True),
        (422, "application/problem+json", True),
        (200, "text/html", False),
        (204, "", False),
        (301, "text/html", False),
        (500, "text/html", False),
    ],
)
def test_whose_answer_it_is(status: int, kind: str, *, own: bool) -> None:
    """A page, or a redirect that nobody follows, is not the service's."""
    answer = httpx.MockTransport(lambda _: httpx.Response(status, headers={"Content-Type": kind}))
    with httpx.Client(transport=RetryingTransport(answer), event_hooks={"response": [refuse_foreign]}) as client:
        headers = {"X-Request-ID": "mine"}
        if own:
            assert status == client.post("http://service/predict", json={}, headers=headers).status_code
        else:
            with pytest.raises(httpx.HTTPStatusError, match=f"{status} not from the service .request id mine"):
                client.post("http://service/predict", json={}, headers=headers)
