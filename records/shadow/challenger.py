"""Hands decisions to the challenger's process, and ends that process where it goes wrong; nothing here waits for it.

A request leaves what was answered in a bounded queue, once its answer has gone. Every few seconds messages are made of
what is in it. What doesn't fit is dropped; so is all that comes while there is no process to assess it.

All of this is on the event loop. A thread would need the interpreter's lock, and on a busy machine everybody would wait
for whatever holds up that thread.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from records.shadow.answered import Answered
from records.shadow.limits import MEMORY_BYTES, OUT_OF_MEMORY, seconds_waited_for
from records.shadow.messages import NoMessageError, framed, receive_async

MOST_DECISIONS = 10_000
MOST_CHARACTERS = 16 * 1024 * 1024
"""Of applications that wait, in one worker."""

GATHER_SECONDS = 5.0
"""Between two looks into the queue. Whatever they and what follows them cost requests that come just then, it is rarer
than what the 99th percentile of their times sees, down to a load of twenty requests a second."""

MESSAGE_DECISIONS = 1000
MESSAGE_CHARACTERS = 512 * 1024
"""In one message, to make which requests have to wait for a millisecond. Each is a transaction in the end."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds before a process that went wrong is started again: twice as long each time."""

_LOOK_SECONDS = 0.5
"""Between two looks whether the process has been given time enough."""

_DYING_SECONDS = 1.0
"""For a process that has closed its socket, to say by its end what it died of."""

_POLL_SECONDS = 0.05

_ROOT = Path(__file__).resolve().parents[2]

_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""More would take address space, and only one of them is ever wanted."""

Talk = Callable[[Any], Awaitable[Any]]
"""Says something to the process, and returns its answer."""


class ChallengerError(Exception):
    """Why there is no challenger now; one line."""


class Watch(Protocol):
    """Is told what happens."""

    def running(self, identity: Mapping[str, str]) -> None:
        """A challenger is opened, of these versions."""

    def assessed(self, pairs: Sequence[tuple[str, str, int]]) -> None:
        """Decisions were: the champion's outcome, the challenger's, and how many."""

    def dropped(self, number: int) -> None:
        """Decisions were not, for lack of time or of a challenger."""

    def failed(self, number: int, why: str) -> None:
        """Decisions could not be."""

    def stopped(self, why: str) -> None:
        """There is no challenger until another try."""


class Challenger:
    """One worker's.

    Args:
        prepare: finds model and policy, and returns what the process is told first; raises `ChallengerError` where
            they are not to be had. Called again after each failure.
        watch: is told what happens.

    Attributes:
        module: what the process runs.
        given_up_seconds: for one message, or to open model and policy; what the process waits for a processor is not
            counted.
        memory_bytes: the process's address space.
    """

    module = "records.shadow.child"
    given_up_seconds = 30.0
    memory_bytes = MEMORY_BYTES

    def __init__(self, prepare: Callable[[], dict[str, Any]], watch: Watch) -> None:
        self._prepare = prepare
        self._watch = watch
        self._waiting: deque[Answered] = deque()
        self._characters = 0
        self._dropped = 0
        self._taking = True  # while the first process starts, too
        self._task: asyncio.Task[None] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin; returns at once. To be called from the event loop's thread, as all here."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def offer(self, decisions: Sequence[Answered]) -> None:
        """Have decisions assessed, some time; returns at once, whatever there is."""
        for each in decisions:
            characters = self._characters + len(each.received)
            if self._taking and len(self._waiting) < MOST_DECISIONS and characters <= MOST_CHARACTERS:
                self._waiting.append(each)
                self._characters = characters
            else:
                self._dropped += 1

    def stop(self) -> None:
        """End the process; what waits is dropped."""
        if self._task is not None and not self._task.cancelling():  # a second time, it would not wait for the process
            self._task.cancel()
        if self._process is not None:
            self._process.kill()
        self._drop_all()

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            try:
                await self._challenge()
            except Exception as exc:  # noqa: BLE001  # whatever it is, decisions go on
                self._drop_all()
                self._watch.stopped(str(exc) if isinstance(exc, ChallengerError) else type(exc).__name__)
            if time.monotonic() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            await self._rest(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _rest(self, seconds: float) -> None:
        """Until then, counting what is dropped meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, GATHER_SECONDS))
            self._tell_dropped()

    async def _challenge(self) -> None:
        """Start a process, and feed it until it goes wrong.

        Raises:
            ChallengerError: it did.
        """
        first = await asyncio.to_thread(self._prepare)
        async with self._started() as talk:
            opened = await talk(first)
            if "refused" in opened:
                raise ChallengerError(opened["refused"])
            self._watch.running(opened)
            self._taking = True
            while True:
                await asyncio.sleep(GATHER_SECONDS)
                self._tell_dropped()
                while message := self._taken():
                    await self._tell(message, talk)
                    self._tell_dropped()

    async def _tell(self, message: Sequence[Answered], talk: Talk) -> None:
        try:
            said = await talk([(each.decision.hex(), *each[1:]) for each in message])
        except ChallengerError as exc:
            self._watch.failed(len(message), str(exc))
            raise
        except asyncio.CancelledError:
            self._watch.dropped(len(message))
            raise
        self._watch.assessed([tuple(pair) for pair in said["pairs"]])
        if said["failed"]:
            self._watch.failed(said["failed"], said["why"])

    def _taken(self) -> list[Answered]:
        message: list[Answered] = []
        characters = 0
        while self._waiting and len(message) < MESSAGE_DECISIONS and characters < MESSAGE_CHARACTERS:
            message.append(self._waiting.popleft())
            characters += len(message[-1].received)
        self._characters -= characters
        return message

    def _drop_all(self) -> None:
        self._taking = False
        self._dropped += len(self._waiting)
        self._waiting.clear()
        self._characters = 0
        self._tell_dropped()

    def _tell_dropped(self) -> None:
        dropped, self._dropped = self._dropped, 0
        if dropped:
            self._watch.dropped(dropped)

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[Talk]:
        """A process, as who can be talked to; it is ended behind this."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = process = subprocess.Popen(  # noqa: ASYNC220, S603  # this interpreter, begun in a millisecond
                (sys.executable, "-m", self.module, str(theirs.fileno()), str(self.memory_bytes)),
                pass_fds=(theirs.fileno(),),
                cwd=_ROOT,
                env={**os.environ, **_ONE_THREAD},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        try:
            reader, writer = await asyncio.open_connection(sock=ours)
            try:
                yield _Conversation(process, reader, writer, self.given_up_seconds).talk
            finally:
                writer.close()
        finally:
            process.kill()
            await _end_of(process)
            self._process = None


class _Conversation:
    """With a process, by what it is connected to."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        seconds: float,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._seconds = seconds

    async def talk(self, message: Any) -> Any:
        """Say something, and return the answer.

        Raises:
            ChallengerError: there is none, or none in time.
        """
        began, waited = time.monotonic(), seconds_waited_for(self._process.pid)
        answer = asyncio.ensure_future(self._answer(message))
        try:
            while not answer.done():
                await asyncio.wait({answer}, timeout=_LOOK_SECONDS)
                # Where others have the machine, it hasn't had its time yet.
                of_others = seconds_waited_for(self._process.pid) - waited
                if not answer.done() and time.monotonic() - began - of_others > self._seconds:
                    raise ChallengerError(f"took longer than {self._seconds:g} s, and was ended")
            return answer.result()
        except NoMessageError:
            raise ChallengerError(_told(await _end_of(self._process, _DYING_SECONDS))) from None
        finally:
            answer.cancel()

    async def _answer(self, message: Any) -> Any:
        with suppress(OSError):  # then there is no answer, either
            self._writer.write(framed(message))
            await self._writer.drain()
        return await receive_async(self._reader)


async def _end_of(process: subprocess.Popen[bytes], seconds: float = float("inf")) -> int | None:
    """What a process has ended with; None where it hasn't in time."""
    end = time.monotonic() + seconds
    while process.poll() is None:
        if time.monotonic() > end:
            return None
        await asyncio.sleep(_POLL_SECONDS)
    return process.returncode


def _told(code: int | None) -> str:
    if code is None:
        return "closed its connection"
    if code == OUT_OF_MEMORY:
        return "took more memory than it may, and has ended"
    return f"was ended by signal {-code}" if code < 0 else f"has ended with {code}"
