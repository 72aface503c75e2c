"""Messages between two processes: JSON with its length before it."""

from __future__ import annotations

import asyncio
import struct
from typing import Any, BinaryIO

from pydantic_core import from_json, to_json

MOST_BYTES = 64 * 1024 * 1024
"""Of one message. Who sends more is not who should be at the other end."""

_LENGTH = struct.Struct(">I")


class NoMessageError(Exception):
    """The other end is gone, or says what is no message."""


def framed(message: Any) -> bytes:
    """As it is sent."""
    content = to_json(message)
    return _LENGTH.pack(len(content)) + content


def receive(stream: BinaryIO) -> Any:
    """The next message.

    Raises:
        NoMessageError: there is none any more.
    """
    return _message(_exactly(stream, _length(_exactly(stream, _LENGTH.size))))


async def receive_async(stream: asyncio.StreamReader) -> Any:
    """The same, for who has other things to do meanwhile.

    Raises:
        NoMessageError: there is none any more, or what comes is none.
    """
    try:
        length = _length(await stream.readexactly(_LENGTH.size))
        return _message(await stream.readexactly(length))
    except (asyncio.IncompleteReadError, OSError) as exc:
        raise NoMessageError("nobody is there") from exc


def _exactly(stream: BinaryIO, number: int) -> bytes:
    content = stream.read(number)
    if len(content) < number:
        raise NoMessageError("nobody is there")
    return content


def _length(content: bytes) -> int:
    (length,) = _LENGTH.unpack(content)
    if length > MOST_BYTES:
        raise NoMessageError(f"a message of {length} bytes")
    return int(length)


def _message(content: bytes) -> Any:
    try:
        return from_json(content)
    except ValueError as exc:
        raise NoMessageError("a message that is no JSON") from exc
