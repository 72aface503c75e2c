"""Messages between two processes: whole and in order, or told why not."""

from __future__ import annotations

import asyncio
import io
import struct

import pytest

from records.shadow.messages import MOST_BYTES, NoMessageError, framed, receive, receive_async

MESSAGES = ({}, ["ä", None, 0.1], "x" * 1_000_000)


async def of(content: bytes) -> list[object]:
    """All messages of a stream."""
    reader = asyncio.StreamReader()
    reader.feed_data(content)
    reader.feed_eof()
    found = []
    while not reader.at_eof():
        found.append(await receive_async(reader))
    return found


def test_whole_and_in_order() -> None:
    """Read by either of the two."""
    content = b"".join(map(framed, MESSAGES))
    stream = io.BytesIO(content)
    assert list(MESSAGES) == [receive(stream) for _ in MESSAGES]
    assert list(MESSAGES) == asyncio.run(of(content))


@pytest.mark.parametrize(
    "content",
    [b"\0\0", framed("message")[:-1], struct.pack(">I", MOST_BYTES + 1) + b"x", struct.pack(">I", 3) + b"{no"],
    ids=["no length", "cut", "too long", "no JSON"],
)
def test_no_message(content: bytes) -> None:
    """What is none is not waited for."""
    with pytest.raises(NoMessageError):
        receive(io.BytesIO(content))
    with pytest.raises(NoMessageError):
        asyncio.run(of(content))


def test_nobody_is_there() -> None:
    with pytest.raises(NoMessageError):
        receive(io.BytesIO(b""))
