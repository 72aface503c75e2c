"""Requests that nobody would write, made of some that people did: whatever arrives, the connection knows what it says.

The files of `requests/` are as on the wire, but for line ends, which are those of the file, and bytes that are no text,
which are escaped as in Python. Each case is made by its number alone, so that a failure is found again by it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.connections import Network, Wire

FILES = sorted(Path(__file__).with_name("requests").glob("*.http"))
CASES = 2000
MANY_CASES = 10_000

TOKENS = [
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"\x00",
    b" ",
    b"\t",
    b":",
    b"0\r\n\r\n",
    b"1\r\nx\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 15000\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Expect: 100-continue\r\n",
    b"Host: x\r\n",
    b"\nupgrade:",
    b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HTTP/1.0",
    b"HTTP/9.9",
    b"X-Long: " + b"y" * 3000 + b"\r\n",
    b"{" * 300,
]

ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) [A-Za-z -]*\r\n((?:[a-zA-Z-]+: [^\r\n\x00]*\r\n)+)\r\n")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
STATUSES = {200, 204, 400, 404, 405, 408, 413, 415, 422, 431, 501, 503}
LAST = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Request-ID: the-last\r\n\r\n"


def read_file(path: Path) -> bytes:
    """A request of the corpus as it comes over the wire."""
    text = path.read_text(encoding="ascii").replace("\n", "\r\n")
    return text.encode().decode("unicode_escape").encode("latin-1")


CORPUS = [read_file(path) for path in FILES]


def mutated(draw: random.Random) -> bytes:
    """One of the corpus, or several of them, with a few changes."""
    data = bytearray(b"".join(draw.choices(CORPUS, k=draw.choice([1, 1, 1, 2, 3]))))
    for _ in range(draw.choice([0, 1, 1, 2, 3, 8])):
        start = draw.randrange(len(data) + 1)
        end = min(len(data), start + draw.choice([1, 1, 2, 8, 40]))
        change = draw.randrange(6)
        if change == 0:
            data[start:end] = b""
        elif change == 1:
            data[start:start] = draw.choice(TOKENS)
        elif change == 2:
            data[start:end] = draw.choice(TOKENS)
        elif change == 3:
            data[start:start] = data[start:end] * draw.choice([1, 2, 50])
        elif change == 4 and start < len(data):
            data[start] ^= 1 << draw.randrange(8)
        else:
            other = draw.choice(CORPUS)
            data[start:] = other[draw.randrange(len(other)) :]
    return bytes(data)


def cut(data: bytes, draw: random.Random) -> list[bytes]:
    """The data in parts, as a network might have it."""
    places = sorted(draw.choices(range(len(data) + 1), k=draw.choice([0, 1, 2, 5, 20])))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def answers(received: bytes, *, whole: bool) -> list[tuple[int, bytes]]:
    """Status and head of each answer; fails where the bytes are anything but answers.

    Args:
        received: on one connection.
        whole: whether the last answer has to be complete.
    """
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(received):
        if received.startswith(CONTINUE, at):
            at += len(CONTINUE)
            continue
        answer = ANSWER.match(received, at)
        if answer is None and not whole:
            break
        assert answer is not None, received[at : at + 200]
        status, head = int(answer[1]), answer[2].lower()
        length = re.search(rb"content-length: (\d+)\r\n", head)
        assert (length is None) == (status == 204), head
        at = answer.end()
        # HEAD is asked for once in the corpus: the length of what is not there.
        size = 0 if length is None or received.startswith(b"HTTP/1.1 ", at) or at == len(received) else int(length[1])
        assert at + size <= len(received) or not whole
        at += size
        found.append((status, head))
    return found


async def play(network: Network, number: int) -> None:
    """One case: what is sent, and whether what came of it is in order."""
    draw = random.Random(number)  # no secret
    parts = cut(mutated(draw), draw)
    wire = network.connect()
    wire.reading = draw.random() < 0.9
    for part in parts:
        wire.send(part)
        if draw.random() < 0.5:
            await network.settle()
        if draw.random() < 0.01:
            wire.reset()
    await network.settle()
    wire.read_on()
    await network.settle()
    await ends_in_sync(network, wire)
    wire.reset()
    await network.settle()
    assert network.complaints == []
    assert (network.in_flight.held, network.tasks(), network.timers()) == (0, 0, [])


async def ends_in_sync(network: Network, wire: Wire) -> None:
    """Once a message that lacks something has had its time, the connection is closed, or takes the next request."""
    if not wire.lost:
        await network.wait(11)
    if not wire.lost:
        wire.send(LAST)
        await network.settle()
        assert not wire.lost
        last = answers(bytes(wire.read), whole=True)[-1]
        assert last[0] == 200
        assert b"x-request-id: the-last\r\n" in last[1]
    assert {status for status, _ in answers(bytes(wire.read), whole=not wire.lost)} <= STATUSES


async def play_all(numbers: Sequence[int]) -> None:
    """Cases, one after the other, on one process."""
    network = Network()
    for number in numbers:
        try:
            await play(network, number)
        except BaseException as exc:
            exc.add_note(f"case {number}: {mutated(random.Random(number))[:2000]!r}")  # no secret
            raise


def run(numbers: Sequence[int], caplog: pytest.LogCaptureFixture) -> None:
    """Play cases, and see that nothing was logged as an error."""
    with caplog.at_level(logging.ERROR):
        asyncio.run(play_all(numbers))
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_corpus(path: Path) -> None:
    """Each as it is, whole and byte by byte: the same answers."""

    async def received(parts: list[bytes]) -> list[int]:
        network = Network()
        wire = network.connect()
        for part in parts:
            wire.send(part)
            await network.settle()
        await ends_in_sync(network, wire)
        return [status for status, _ in answers(bytes(wire.read), whole=True)]

    data = read_file(path)
    assert asyncio.run(received([data])) == asyncio.run(received([bytes([byte]) for byte in data]))


@pytest.mark.parametrize("seed", range(4))
def test_mutations(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """No exception, no answer but a whole one, nothing left over, and never a request that nobody sent."""
    run(range(seed * CASES // 4, (seed + 1) * CASES // 4), caplog)


@pytest.mark.slow
def test_many_mutations(caplog: pytest.LogCaptureFixture) -> None:
    """The same, for longer."""
    run(range(CASES, CASES + MANY_CASES), caplog)
