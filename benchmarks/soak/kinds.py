"""What a soak asks: everything that callers do, right and wrong, in a fixed mixture."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.applications import mix

SEED = 14
BATCH = 5
TOO_LARGE = 2 << 20
"""Bytes that are declared, and never sent."""

CYCLE = 1000
"""Requests after which the mixture begins anew, in the same order."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request.

    Attributes:
        name: in the results.
        share: of a thousand requests.
        make: from its number to its bytes.
        status: that answers it; None where nobody waits for an answer.
        closes: whether the answer ends the connection, without saying so in its head.
    """

    name: str
    share: int
    make: Callable[[int], bytes]
    status: int | None
    closes: bool = False


def _post(path: str, body: bytes, media: str = "application/json", length: int | None = None) -> bytes:
    length = len(body) if length is None else length
    head = f"POST {path} HTTP/1.1\r\nHost: soak\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + body


def _get(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: soak\r\n\r\n".encode()


def kinds() -> Sequence[Kind]:
    """All kinds. What is wrong is wrong in another way each time, so that nothing may be kept by its name."""
    documents = [case.document for case in mix()]
    bodies = [json.dumps(document).encode() for document in documents]

    def body(number: int) -> bytes:
        return bodies[number % len(bodies)]

    def batch(number: int) -> bytes:
        return b"[" + b",".join(body(number + row) for row in range(BATCH)) + b"]"

    def with_unknown(number: int) -> bytes:
        return json.dumps(documents[number % len(documents)] | {f"unknown_{number}": number}).encode()

    return (
        Kind("/predict", 440, lambda number: _post("/predict", body(number)), 200),
        Kind(f"/predict/batch of {BATCH}", 150, lambda number: _post("/predict/batch", batch(number)), 200),
        Kind("/predict/explain", 150, lambda number: _post("/predict/explain", body(number)), 200),
        Kind("/version", 40, lambda _: _get("/version"), 200),
        Kind("/metrics", 2, lambda _: _get("/metrics"), 200),
        Kind("/readyz", 18, lambda _: _get("/readyz"), 200),
        Kind("malformed JSON", 40, lambda number: _post("/predict", body(number)[:-1]), 400),
        Kind("an unknown field", 40, lambda number: _post("/predict", with_unknown(number)), 422),
        Kind("not an application", 20, lambda number: _post("/predict/batch", b"[%d]" % number), 422),
        Kind("too large", 20, lambda _: _post("/predict", b"", length=TOO_LARGE), 413, closes=True),
        Kind("an unknown route", 30, lambda number: _get(f"/unknown/{number}"), 404),
        Kind("a wrong method", 10, lambda _: _get("/predict", "DELETE"), 405),
        Kind("another media type", 10, lambda number: _post("/predict", body(number), media=f"text/x-{number}"), 415),
        Kind(
            "aborted in its body", 15, lambda number: _post("/predict", body(number)[:9], length=99), None, closes=True
        ),
        Kind("aborted before its answer", 15, lambda number: _post("/predict", body(number)), None),
    )


def cycle(each: Sequence[Kind]) -> list[Kind]:
    """A thousand requests in an order that looks like none."""
    order = [kind for kind in each for _ in range(kind.share)]
    random.Random(SEED).shuffle(order)  # noqa: S311  # an order, not a secret
    return order
