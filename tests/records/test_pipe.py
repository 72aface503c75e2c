"""Messages between two processes: whole, or told why not, and never waited for without end."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator

import pytest

from records.shadow.pipe import MOST_BYTES, Pipe, PipeEndedError, PipeTimeoutError, never


class Ends:
    """Both ends of two pipes."""

    def __init__(self) -> None:
        reads, self.writes = os.pipe()
        self.reads, writes = os.pipe()
        self.pipe = Pipe(reads, writes)
        self.other = Pipe(self.reads, self.writes)
        self.descriptors = {reads, writes, self.reads, self.writes}

    def close(self, descriptor: int) -> None:
        os.close(descriptor)
        self.descriptors.remove(descriptor)


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    for descriptor in made.descriptors:
        os.close(descriptor)


def at_once() -> bool:
    return True


@pytest.mark.parametrize("message", [{}, ["ä", None, 0.1], "x" * 1_000_000])
def test_there(ends: Ends, message: object) -> None:
    """Also one that is larger than the pipe; several come in order."""
    sender = threading.Thread(target=lambda: [ends.pipe.send(message, never), ends.pipe.send("next", never)])
    sender.start()
    assert [message, "next"] == [ends.other.receive(never) for _ in range(2)]
    sender.join()


def test_nothing_comes(ends: Ends) -> None:
    with pytest.raises(PipeTimeoutError):
        ends.pipe.receive(at_once)


def test_half_of_one_comes(ends: Ends) -> None:
    os.write(ends.writes, struct.pack(">I", 10) + b"half")
    with pytest.raises(PipeTimeoutError):
        ends.pipe.receive(at_once)


def test_nobody_reads(ends: Ends) -> None:
    """What fits is sent; more is given up."""
    with pytest.raises(PipeTimeoutError):
        ends.pipe.send("x" * 1_000_000, at_once)


def test_nobody_is_there(ends: Ends) -> None:
    ends.close(ends.writes)
    ends.close(ends.reads)
    with pytest.raises(PipeEndedError):
        ends.pipe.receive(never)
    with pytest.raises(PipeEndedError):
        ends.pipe.send("x", never)


@pytest.mark.parametrize("content", [struct.pack(">I", MOST_BYTES + 1), struct.pack(">I", 3) + b"{no"])
def test_no_message(ends: Ends, content: bytes) -> None:
    """What is too long to be one, or no JSON, is not waited for."""
    os.write(ends.writes, content)
    with pytest.raises(PipeEndedError):
        ends.pipe.receive(never)
