"""What requests hold is bounded over all connections, counted to the byte, and always let go of."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.bento.protocol import SMALL_BYTES
from tests.connections import IN_FLIGHT, MAX_BODY_BYTES, PER_CALLER, Network, Wire, contract

CALLERS = ("10.0.0.1", "10.0.0.2")
HEAD = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def post(body: bytes, path: bytes = b"/predict", headers: bytes = b"") -> bytes:
    """A whole request."""
    return HEAD % path + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes, size: int) -> bytes:
    """The same, in chunks."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(
        [
            HEAD % b"/predict" + b"Transfer-Encoding: chunked\r\n\r\n",
            *(b"%x\r\n%b\r\n" % (len(part), part) for part in parts),
            b"0\r\n\r\n",
        ]
    )


def example(size: int = 0) -> bytes:
    """An application, and white space behind it."""
    return json.dumps(dict(contract().example)).encode().ljust(size)


def statuses(wire: Wire) -> list[int]:
    """Of the answers that the client has read."""
    return [int(answer[:3]) for answer in bytes(wire.read).split(b"HTTP/1.1 ")[1:]]


class TestRoom:
    def test_what_does_not_fit_is_refused_by_its_head(self) -> None:
        """Before a byte of the body has come; the rest of it is dropped, and the connection goes on."""

        async def scenario() -> None:
            network = Network()
            for caller in CALLERS:
                for _ in range(4):
                    network.connect(caller).send(post(b" " * 15_000)[:-1])
            await network.settle()
            assert network.in_flight.held > IN_FLIGHT - MAX_BODY_BYTES
            held, late = network.in_flight.held, network.connect()
            whole = post(example(15_000))
            late.send(whole[:-15_000])
            await network.settle()
            assert statuses(late) == [503]
            assert b"urn:problem:credit-risk-api:overloaded" in late.read
            assert b"retry-after: 1" in late.read
            assert network.in_flight.held == held
            late.send(whole[-15_000:])
            late.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            await network.settle()
            assert statuses(late) == [503, 200]
            assert network.in_flight.held == held

        asyncio.run(scenario())

    def test_chunks_are_counted_as_they_come(self) -> None:
        """A body that declares nothing is refused where it outgrows the room, and no part of it is taken for it all."""

        async def scenario() -> None:
            network = Network()
            filling = [network.connect(CALLERS[0]) for _ in range(5)]
            for wire in filling:
                wire.send(post(b" " * 17_500)[:-1])
            late = network.connect(CALLERS[0])
            late.send(chunked(example(15_000), 1000))
            await network.settle()
            assert statuses(late) == [503]
            for wire in filling:
                wire.reset()
            await network.settle()
            assert network.in_flight.held == 0
            late.send(chunked(example(15_000), 1000))
            await network.settle()
            assert statuses(late) == [503, 200]

        asyncio.run(scenario())

    def test_no_caller_has_it_all(self) -> None:
        """Nor does one whose bodies never end."""

        async def scenario() -> None:
            network = Network()
            for _ in range(20):
                network.connect(CALLERS[0]).send(post(b" " * 19_000)[:-1])
            await network.settle()
            assert network.in_flight.held <= PER_CALLER + 20 * SMALL_BYTES
            other = network.connect(CALLERS[1])
            other.send(post(example(IN_FLIGHT - PER_CALLER - SMALL_BYTES)))
            await network.settle()
            assert statuses(other) == [200]

        asyncio.run(scenario())

    def test_small_requests_and_probes_always_fit(self) -> None:
        """However full it is."""

        async def scenario() -> None:
            network = Network()
            network.in_flight.add("somebody", 2 * IN_FLIGHT)
            for small in (post(example()), chunked(example(), 50), b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"):
                wire = network.connect()
                for byte in small:
                    wire.send(bytes([byte]))
                await network.settle()
                assert statuses(wire) == [200]

        asyncio.run(scenario())

    @pytest.mark.parametrize("kind", ["heads", "bodies", "answers"])
    def test_unfinished_heads_and_unread_answers_count(self, kind: str) -> None:
        """Whatever a connection leaves here takes of the same room."""
        rows = b"[" + b",".join([example()] * 40) + b"]"
        sent = {
            "heads": b"GET / HTTP/1.1\r\nX: " + b"y" * 15_000,
            "bodies": post(b" " * 15_000)[:-1],
            "answers": post(rows, b"/predict/batch") * 8,
        }[kind]

        async def scenario() -> None:
            network = Network()
            wires = [network.connect(CALLERS[number % 2]) for number in range(40)]
            for wire in wires:
                wire.reading = False
                wire.send(sent)
            await network.settle()
            assert network.in_flight.held > IN_FLIGHT // 3
            await network.wait(11)  # for the rest of the message
            await network.wait(11)  # for its answer to be read
            assert all(wire.lost for wire in wires)
            assert (network.in_flight.held, network.timers()) == (0, [])

        asyncio.run(scenario())


class TestReaders:
    def test_an_answer_that_is_not_read_ends_its_connection(self) -> None:
        """Without a limit it would stay for as long as the client pleases."""

        async def scenario() -> None:
            network = Network()
            wire = network.connect()
            wire.reading = False
            wire.send(post(example()))
            await network.settle()
            assert network.in_flight.held == wire.get_write_buffer_size() > 0
            await network.wait(9)
            assert not wire.lost
            await network.wait(2)
            assert wire.lost
            assert (network.in_flight.held, network.timers()) == (0, [])

        asyncio.run(scenario())

    def test_one_that_is_read_late_goes_on(self) -> None:
        async def scenario() -> None:
            network = Network()
            wire = network.connect()
            wire.reading = False
            wire.send(post(example()) * 3)
            await network.wait(9)
            wire.read_on()
            await network.wait(9)
            assert statuses(wire) == [200, 200, 200]
            assert not wire.lost
            assert network.in_flight.held == 0

        asyncio.run(scenario())


class TestTurns:
    """Of 256,000 bytes, which uvloop reads at once, each 64 KiB are parsed in a turn of their own, and in order."""

    @pytest.mark.parametrize("size", [1, 7, 5000])
    def test_large_reads(self, size: int) -> None:
        async def scenario() -> None:
            network = Network(room=1_000_000)
            wire = network.connect()
            one = chunked(example(15_000), size)
            sent = one * max(1, 250_000 // len(one))
            wire.send(sent)
            await network.settle()
            await network.settle()
            wire.send(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-ID: the-last\r\n\r\n")
            for _ in range(20):
                await network.settle()
            assert statuses(wire) == [200] * (len(sent) // len(one) + 1)
            assert bytes(wire.read).rindex(b"the-last") > bytes(wire.read).rindex(b"HTTP/1.1")
            assert network.in_flight.held == 0

        asyncio.run(scenario())

    def test_a_reset_in_between(self) -> None:
        async def scenario() -> None:
            network = Network()
            wire = network.connect()
            wire.send(chunked(example(15_000), 1) * 2)
            wire.reset()
            await network.settle()
            assert (network.complaints, network.in_flight.held, network.timers()) == ([], 0, [])

        asyncio.run(scenario())


@dataclass(frozen=True)
class Step:
    """What one client does next."""

    wire: int
    kind: str
    share: float


MESSAGES = st.sampled_from(
    [
        post(example()),
        post(b"{}"),
        post(b" " * 19_999 + b"1"),
        post(b" " * (MAX_BODY_BYTES + 1)),
        post(b" " * 5000, headers=b"Expect: 100-continue\r\n"),
        post(example(6000), b"/predict/batch"),
        post(b"[" + b",".join([example()] * 30) + b"]", b"/predict/batch"),
        post(b"x" * 3000, b"/nowhere"),
        post(b"x" * 9000, b"/livez").replace(b"POST", b"GET"),
        post(b"{}", headers=b"X-Y: " + b"z" * 30_000 + b"\r\n"),
        post(b"{}", headers=b"X-Y: " + b"z" * 70_000 + b"\r\n"),
        post(b"{}").replace(b"Host: x\r\n", b""),
        chunked(example(12_000), 900),
        chunked(b" " * 40_000, 9000),
        chunked(example(), 3),
        b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 70,
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9x\r\n\r\n",
        b"\r\n\r\n",
    ]
)
STEPS = st.builds(
    Step,
    st.integers(0, 7),
    st.sampled_from(["send"] * 10 + ["whole"] * 4 + ["settle"] * 4 + ["reset", "unread", "read on", "wait"]),
    st.floats(0, 1),
)


async def play(messages: list[bytes], steps: list[Step]) -> tuple[Network, list[Wire]]:
    """Eight connections of two callers, each with a message over and over, in these steps."""
    network = Network()
    wires = [network.connect(CALLERS[number % 2]) for number in range(8)]
    left = list(messages)

    async def do(number: int, step: Step) -> None:
        wire = wires[number]
        if wire.lost:
            wires[number] = network.connect(CALLERS[number % 2])
            left[number] = messages[number]
        elif step.kind in ("send", "whole"):
            end = len(left[number]) if step.kind == "whole" else 1 + int(step.share * len(left[number]))
            wire.send(left[number][:end])
            left[number] = left[number][end:] or messages[number]
        elif step.kind == "settle":
            await network.settle()
        elif step.kind == "reset":
            wire.reset()
        elif step.kind == "unread":
            wire.reading = False
        elif step.kind == "read on":
            wire.read_on()
        else:
            await network.wait(12 * step.share)

    for step in steps:
        await do(step.wire, step)
        flight = network.in_flight
        of_callers: dict[str, Any] = flight._of_callers
        assert sum(of_callers.values()) == flight.held >= 0
        assert all(number > 0 for number in of_callers.values())
        # Small messages and what is not read come on top: 64 of them each connection may have sent.
        unread = sum(wire.get_write_buffer_size() for wire in wires)
        assert flight.held <= IN_FLIGHT + len(wires) * 65 * SMALL_BYTES + unread
    return network, wires


@settings(max_examples=150)
@given(st.lists(MESSAGES, min_size=8, max_size=8), st.lists(STEPS, max_size=60))
def test_nothing_is_ever_left_over(messages: list[bytes], steps: list[Step]) -> None:
    """Whatever clients do, and wherever they stop: what they held is let go, and the next body fits."""

    async def scenario() -> None:
        network, wires = await play(messages, steps)
        for wire in wires:
            wire.reset()
        await network.settle()
        await network.settle()
        assert (network.in_flight.held, network.in_flight._of_callers) == (0, {})
        assert (network.timers(), network.tasks(), network.complaints) == ([], 0, [])
        wire = network.connect()
        wire.send(post(example(MAX_BODY_BYTES)))
        await network.settle()
        assert statuses(wire) == [200]

    asyncio.run(scenario())
