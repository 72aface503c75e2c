"""Retries for httpx, and for BentoML's clients, which are made of it: a transport to put under either.

A request is sent again where the service asked for it (429 and 503, with Retry-After) and where the connection was
lost. That is safe: scoring changes nothing, so an application may be scored twice. It is not sent again after a
timeout, since that only adds to the load, nor after any other answer, since the next would be the same.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from uuid import uuid4

import httpx

TRIES = 4
"""Most times that a request is sent."""

SECONDS = 30.0
"""Longest time for all tries of a request and the waits between them."""

ASKED_TO_WAIT = (429, 503)
LOST = (httpx.ConnectError, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)


def seconds_asked(retry_after: str | None) -> float:
    """What a Retry-After header asks for, be it seconds or a date; 0 where there is none that can be read."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def pause(retry_after: str | None, tries: int) -> float:
    """Seconds to wait after so many tries: what was asked, and a random part that doubles, lest all come at once."""
    return seconds_asked(retry_after) + random.uniform(0.1, 0.25 * 2**tries)  # noqa: S311  # no secret is made of it


class Attempts:
    """One request's tries: `wait_after` says how long to wait for the next, or None where there is none."""

    def __init__(self, request: httpx.Request) -> None:
        # The same id for all tries; it stands in the answer's headers and in the service's log.
        self.request_id = request.headers.setdefault("X-Request-ID", f"example-{uuid4().hex}")
        self.request = request
        self.tries = 0
        self.end = time.monotonic() + SECONDS

    def begin(self) -> None:
        """Count a try, which may take no longer than what is left."""
        self.tries += 1
        left = max(0.1, self.end - time.monotonic())
        limits = self.request.extensions.get("timeout", {})
        self.request.extensions["timeout"] = {
            name: min(left, limits.get(name) or left) for name in ("connect", "read", "write", "pool")
        }

    def receive(self, body: list[bytes], part: bytes) -> None:
        """Add a part of an answer's body, which may trickle: httpx limits the time for each part alone.

        Raises:
            httpx.ReadTimeout: when the time for all tries is over.
        """
        body.append(part)
        if time.monotonic() > self.end:
            raise httpx.ReadTimeout("the answer has not ended in time", request=self.request)

    def wait_after(self, response: httpx.Response | None) -> float | None:
        """Seconds until the next try, after a response or a lost connection."""
        if response is not None and response.status_code not in ASKED_TO_WAIT:
            return None
        wait = pause(response.headers.get("Retry-After") if response is not None else None, self.tries)
        return wait if self.tries < TRIES and time.monotonic() + wait < self.end else None

    @contextmanager
    def named(self) -> Iterator[None]:
        """Add the request's id to whatever goes wrong for good."""
        try:
            yield
        except httpx.TransportError as exc:
            told = f"{exc or type(exc).__name__} (request id {self.request_id}, try {self.tries})"
            raise type(exc)(told, request=self.request) from exc


class RetryingTransport(httpx.BaseTransport):
    """`httpx.Client(transport=RetryingTransport())`."""

    def __init__(self, transport: httpx.BaseTransport | None = None) -> None:
        self._transport = transport or httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The last try's response, read whole."""
        request.read()  # BentoML's clients send from a generator, which gives its bytes once
        attempts = Attempts(request)
        with attempts.named():
            while True:
                attempts.begin()
                try:
                    response = self._transport.handle_request(request)
                    # A connection can be lost half-way through the answer too.
                    body: list[bytes] = []
                    try:
                        for part in response.stream:  # type: ignore[union-attr]
                            attempts.receive(body, part)
                    finally:
                        response.stream.close()  # type: ignore[union-attr]
                    response.stream = httpx.ByteStream(b"".join(body))
                except LOST:
                    if (wait := attempts.wait_after(None)) is None:
                        raise
                else:
                    if (wait := attempts.wait_after(response)) is None:
                        return response
                time.sleep(wait)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


class AsyncRetryingTransport(httpx.AsyncBaseTransport):
    """`httpx.AsyncClient(transport=AsyncRetryingTransport())`: the same without blocking."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport or httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The last try's response, read whole."""
        await request.aread()
        attempts = Attempts(request)
        with attempts.named():
            while True:
                attempts.begin()
                try:
                    response = await self._transport.handle_async_request(request)
                    body: list[bytes] = []
                    try:
                        async for part in response.stream:  # type: ignore[union-attr]
                            attempts.receive(body, part)
                    finally:
                        await response.stream.aclose()  # type: ignore[union-attr]
                    response.stream = httpx.ByteStream(b"".join(body))
                except LOST:
                    if (wait := attempts.wait_after(None)) is None:
                        raise
                else:
                    if (wait := attempts.wait_after(response)) is None:
                        return response
                await asyncio.sleep(wait)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


def refuse_foreign(response: httpx.Response) -> None:
    """An event hook of httpx: an answer that is not the service's own has no request id in it, so say it.

    Raises:
        httpx.HTTPStatusError: if a proxy answered with a page or sent one elsewhere, instead of the service with a
            decision or a problem document.
    """
    own = "application/json" if response.status_code == httpx.codes.OK else "application/problem+json"
    foreign = not response.headers.get("Content-Type", "").startswith(own)
    if response.request.method == "POST" and foreign:
        told = f"{response.status_code} not from the service (request id {response.request.headers['X-Request-ID']})"
        raise httpx.HTTPStatusError(told, request=response.request, response=response)


async def refuse_foreign_async(response: httpx.Response) -> None:
    """The same for an asynchronous client."""
    refuse_foreign(response)
