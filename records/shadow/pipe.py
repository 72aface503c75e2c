"""Messages between two processes: JSON with its length before it. Nothing is waited for without end."""

from __future__ import annotations

import os
import select
import struct
import time
from collections.abc import Callable
from typing import Any

from pydantic_core import from_json, to_json

MOST_BYTES = 64 * 1024 * 1024
"""Of one message. Who sends more is not who should be at the other end."""

_LENGTH = struct.Struct(">I")
_READ = 65_536
_LOOK_SECONDS = 0.2
"""Between two looks whether it is time to give up."""


class PipeEndedError(Exception):
    """The other end is gone, or says what is no message."""


class PipeTimeoutError(Exception):
    """The other end takes too long."""


class Pipe:
    """Both directions of it.

    Args:
        reads: file descriptor of what the other one writes.
        writes: and of what it reads.
    """

    def __init__(self, reads: int, writes: int) -> None:
        self._reads, self._writes = reads, writes
        os.set_blocking(reads, False)
        os.set_blocking(writes, False)
        self._received = bytearray()

    def send(self, message: Any, is_over: Callable[[], bool]) -> None:
        """Send a message.

        Args:
            message: anything that JSON has.
            is_over: whether to give up; asked again and again.

        Raises:
            PipeEndedError: nobody reads it.
            PipeTimeoutError: it was time to give up.
        """
        content = to_json(message)
        left = memoryview(_LENGTH.pack(len(content)) + content)
        while left:
            _wait(is_over, writes=self._writes)
            try:
                left = left[os.write(self._writes, left) :]
            except BlockingIOError:
                continue
            except OSError as exc:
                raise PipeEndedError(str(exc)) from exc

    def receive(self, is_over: Callable[[], bool]) -> Any:
        """The next message.

        Args:
            is_over: as of `send`.

        Raises:
            PipeEndedError: there is none any more, or it is none.
            PipeTimeoutError: it was time to give up.
        """
        (length,) = _LENGTH.unpack(self._taken(_LENGTH.size, is_over))
        if length > MOST_BYTES:
            raise PipeEndedError(f"a message of {length} bytes")
        try:
            return from_json(self._taken(length, is_over))
        except ValueError as exc:
            raise PipeEndedError("a message that is no JSON") from exc

    def _taken(self, number: int, is_over: Callable[[], bool]) -> bytes:
        while len(self._received) < number:
            _wait(is_over, reads=self._reads)
            try:
                part = os.read(self._reads, _READ)
            except BlockingIOError:
                continue
            if not part:
                raise PipeEndedError("nobody is there")
            self._received += part
        taken = bytes(self._received[:number])
        del self._received[:number]
        return taken


def never() -> bool:
    """For who waits as long as the other one lives."""
    return False


def after(seconds: float) -> Callable[[], bool]:
    """From so long on."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def _wait(is_over: Callable[[], bool], reads: int | None = None, writes: int | None = None) -> None:
    ready = select.poll()
    if reads is not None:
        ready.register(reads, select.POLLIN)
    if writes is not None:
        ready.register(writes, select.POLLOUT)
    while not ready.poll(_LOOK_SECONDS * 1000):
        if is_over():
            raise PipeTimeoutError
