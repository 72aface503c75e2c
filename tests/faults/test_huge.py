"""Reading one request, however hostile, keeps the event loop from others for no longer than its turn."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from preprocessing.application import InvalidApplicationError
from preprocessing.contract import Contract, read_contract_file
from serving.http.batches import Queued
from serving.http.bodies import Bodies
from serving.http.problems import InvalidRequestError, ProblemError
from serving.http.refusals import MAX_ANSWER_BYTES, MAX_GROWTH
from serving.settings import Settings
from tests.connections import Network
from tests.servers import ROOT

LIMIT = 1_048_576
TURN_SECONDS = 0.020
"""Of the processor's time, on a machine like that on which the limits were chosen."""

REFERENCE = json.dumps([{"name": number} for number in range(20_000)])
REFERENCE_SECONDS = 0.005
"""What reading the reference takes there. A slower one has as much more time, or this would be a test of machines."""


def turn_seconds() -> float:
    """How long one request may keep the loop on this machine, seconds of its processor's time."""

    def once() -> float:
        before = time.thread_time()
        json.loads(REFERENCE)
        return time.thread_time() - before

    return TURN_SECONDS * max(1.0, min(once() for _ in range(5)) / REFERENCE_SECONDS)


class Counts:
    """A telemetry that reads no clock and writes no file."""

    class tracing:  # noqa: N801  # an attribute
        current = staticmethod(lambda: None)

        class span:  # noqa: N801  # the same
            def __init__(self, _name: str) -> None: ...
            def __enter__(self) -> None: ...
            def __exit__(self, *_: object) -> None: ...

    class metrics:  # noqa: N801  # the same
        count_invalid = staticmethod(lambda *_: None)


@pytest.fixture(scope="module")
def contract() -> Contract:
    return read_contract_file(ROOT / "artifacts" / "model" / "contract.json")


async def read(contract: Contract, path: str, body: bytes, query: bytes = b"") -> tuple[list[Queued], float]:
    """What a body is read as, and the longest that the reading kept the loop: processor time, so that no other
    program counts."""
    bodies = Bodies(Settings(), lambda: contract, Counts())  # type: ignore[arg-type]  # all that is used of it

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", b"application/json")]
    request = Request({"type": "http", "method": "POST", "headers": headers, "query_string": query}, receive)
    longest, done = 0.0, asyncio.Event()

    async def watch() -> None:
        nonlocal longest
        before = time.thread_time()
        while not done.is_set():
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, before = max(longest, now - before), now

    watchdog = asyncio.create_task(watch())
    await asyncio.sleep(0)
    try:
        queued = await (bodies.many if path == "/predict/batch" else bodies.one)(request)
    finally:
        done.set()
        await watchdog  # which looks once more: what never gave way counts too
    return queued, longest


def filled(unit: str, opening: str = "[", closing: str = "]") -> bytes:
    """A body as large as it may be, of one unit over and over."""
    return (opening + ",".join([unit] * ((LIMIT - 2) // (len(unit) + 1))) + closing).encode()


def unknown(number: int) -> str:
    return ",".join(f'"{name:x}":1' for name in range(number))


HOSTILE = {
    "empty objects": filled("{}"),
    "numbers": filled("1"),
    "strings": filled('"a"'),
    "floats": filled("1.2345678901234567e-200"),
    "500 empty objects": json.dumps([{}] * 500).encode(),
    "500 rows of unknown fields": json.dumps([{f"u{name}": 1 for name in range(60)}] * 500).encode(),
    "500 rows of 2000 bytes": json.dumps([{"x" * 2000: "y"}] * 500).encode(),
    "one object of unknown fields": ("{" + unknown(90_000) + "}").encode(),
    "one object within the marks": ("{" + unknown(31_000) + "}").encode(),
    "rows within the marks": ("[" + ",".join(["{" + unknown(62) + "}"] * 500) + "]").encode(),
    "long numbers": filled("1" * 4000),
    "escapes": ('["' + "\\u00e9" * 170_000 + '"]').encode(),
    "no UTF-8": b"[" + b'"\xff"' * 200_000,
    "UTF-16": filled("1")[: LIMIT // 2].decode().encode("utf-16"),
    "depth": b"[" * LIMIT,
    "depth within what is parsed": filled("[" * 120 + "]" * 120),
    "deep objects": b'{"a":' * (LIMIT // 5),
    "one long integer": b"1" * LIMIT,
    "one long fraction": b"0." + b"1" * (LIMIT - 2),
    "one long string": b'"' + b"a" * (LIMIT - 2) + b'"',
    "one long string of escapes": b'"' + b"\\u0041" * ((LIMIT - 2) // 6) + b'"',
    "surrogates": b'["' + b"\\ud83d\\ude00" * 80_000 + b'"]',
    "one long key": b'{"' + b"k" * (LIMIT - 6) + b'":1}',
    "one key over and over": b"{" + b",".join([b'"person_age":1'] * 31_000) + b"}",
    "rows of long keys": json.dumps([{"\u00e9" * 340: 1}] * 500).encode(),
    "white space": b" " * (LIMIT - 1) + b"[",
    "broken at its end": filled('"a' + "b" * 2000 + '"')[:-1],
    "lists of empty objects": filled("[{},{}]"),
    "empty lists": filled("[]"),
    "a mark": b"\xef\xbb\xbf" + filled("1")[: LIMIT - 3],
}


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
@pytest.mark.parametrize("query", [b"", b"partial=true"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_no_request_keeps_the_loop(contract: Contract, path: str, query: bytes, kind: str) -> None:
    """No body within the limits keeps the loop for 20 ms in one go."""
    # The collector looks at whatever else this process holds; in the service that is frozen.
    longest = min(asyncio.run(read(contract, path, HOSTILE[kind], query))[1] for _ in range(3))
    assert longest < turn_seconds()


def told(queued: list[Queued]) -> int:
    """How many bytes are said of what is wrong, rows in their places included."""
    items = [each.item for each in queued]
    (first, *_) = items
    if isinstance(first, ProblemError):
        return len(first.response("0" * 128).body)
    rows: list[Any] = [
        {"errors": [[error.loc, error.msg, error.type] for error in item.errors]}
        for item in items
        if isinstance(item, InvalidApplicationError)
    ]
    return len(json.dumps(rows))


@pytest.mark.parametrize("query", [b"", b"partial=true"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_an_answer_does_not_outgrow_its_request(contract: Contract, query: bytes, kind: str) -> None:
    """What is said of bad input stays within 64 KiB; in a partial batch, within four times its request."""
    most = max(MAX_ANSWER_BYTES, MAX_GROWTH * len(HOSTILE[kind]) if query else 0)
    assert told(asyncio.run(read(contract, "/predict/batch", HOSTILE[kind], query))[0]) <= most


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=80), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=60)
@given(data=st.data(), partial=st.booleans(), times=st.sampled_from([1, 2, 25, 500, 501]))
def test_no_drawn_answer_outgrows_its_request(
    contract: Contract, data: st.DataObject, partial: bool, times: int
) -> None:
    """Whatever rows are made of, and however many of them there are."""
    names = st.sampled_from([field.name for field in contract.fields]) | st.text(max_size=80)
    row = data.draw(st.dictionaries(names, VALUES, max_size=30) | VALUES)
    spelt = json.dumps(row, ensure_ascii=data.draw(st.booleans())).encode(errors="replace")
    body = b"[" + b",".join([spelt] * times) + b"]"
    queued, _ = asyncio.run(read(contract, "/predict/batch", body, b"partial=true" if partial else b""))
    assert told(queued) <= max(MAX_ANSWER_BYTES, MAX_GROWTH * len(body) if partial else 0)


@pytest.mark.slow  # without the tracing of coverage, which takes many times as long as what it traces
class TestChunks:
    """A body in chunks of one byte keeps the loop no longer, however much of it is read at once."""

    @pytest.mark.parametrize("chunk", [b"1\r\n[\r\n", b"1;a=b\r\n[\r\n", b"01\r\n \r\n"])
    def test_no_read_keeps_the_loop(self, chunk: bytes) -> None:
        async def longest() -> float:
            network = Network(room=LIMIT)
            wire = network.connect()
            wire.send(b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            most, before = 0.0, time.thread_time()
            wire.send(chunk * (256_000 // len(chunk)))
            for _ in range(20):
                now = time.thread_time()
                most, before = max(most, now - before), now
                await asyncio.sleep(0)
            wire.reset()
            return most

        assert min(asyncio.run(longest()) for _ in range(3)) < turn_seconds()


class TestWhatIsSaid:
    def test_first_and_then_a_count(self, contract: Contract) -> None:
        """Of 500 bad rows the first are named field by field; the last entry counts those that were not checked."""
        queued, _ = asyncio.run(read(contract, "/predict/batch", json.dumps([{}] * 500).encode()))
        problem = queued[0].item
        assert isinstance(problem, InvalidRequestError)
        *named, rest = problem.errors
        rows = {error.loc[0] for error in named}
        assert rows == set(range(len(rows)))
        assert rest.msg.startswith(f"{500 - len(rows)} more row(s) were not checked")

    def test_in_a_partial_batch_every_bad_row_keeps_its_place(self, contract: Contract) -> None:
        """Where there is no room for a row's errors, their number stands there."""
        example = dict(contract.example)
        body = json.dumps([{}] * 499 + [example]).encode()
        queued, _ = asyncio.run(read(contract, "/predict/batch", body, b"partial=true"))
        *bad, good = [each.item for each in queued]
        assert not isinstance(good, Exception)
        assert all(isinstance(item, InvalidApplicationError) for item in bad)
        assert bad[-1].errors[0].loc == (498,)  # type: ignore[union-attr]  # just seen
        assert "invalid field(s); send it alone" in bad[-1].errors[0].msg  # type: ignore[union-attr]  # the same

    def test_without_room_for_a_count_the_batch_is_refused(self, contract: Contract) -> None:
        """Operators may allow more rows than an answer could count."""
        room_for_all = Settings(max_batch_rows=10_000)
        bodies = Bodies(room_for_all, lambda: contract, Counts())  # type: ignore[arg-type]  # all that is used of it

        async def receive() -> Message:
            return {"type": "http.request", "body": b"[" + b",".join([b"{}"] * 10_000) + b"]", "more_body": False}

        scope = {"type": "http", "headers": [(b"content-type", b"application/json")], "query_string": b"partial=true"}

        async def many() -> list[Queued]:
            return await bodies.many(Request(scope, receive))

        (only,) = asyncio.run(many())
        assert isinstance(only.item, InvalidRequestError)
        assert "send fewer rows" in str(only.item)
