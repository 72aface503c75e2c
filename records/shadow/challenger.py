"""Hands decisions to the challenger's process, and ends that process where it goes wrong; nothing here waits for it.

A request leaves what was answered in a bounded queue, once its answer has gone. A thread takes from it about once a
second. What doesn't fit is dropped; so is all that comes while there is no process to assess it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from records.shadow.limits import MEMORY_BYTES, OUT_OF_MEMORY, seconds_waited_for
from records.shadow.pipe import Pipe, PipeEndedError, PipeTimeoutError
from records.shadow.verdict import Answered

MOST_DECISIONS = 10_000
MOST_CHARACTERS = 16 * 1024 * 1024
"""Of applications that wait, in one worker."""

GATHER_SECONDS = 1.0
"""Between two messages: each wakes a thread, and is a transaction of its own in the end."""

MESSAGE_DECISIONS = 1000
MESSAGE_CHARACTERS = 1024 * 1024
"""In one message, to make which other threads of this process have to wait for some milliseconds."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds before a process that went wrong is started again: twice as long each time."""

_STOP_SECONDS = 2.0
_ROOT = Path(__file__).resolve().parents[2]

_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""More would take address space, and only one of them is ever wanted."""


_DYING_SECONDS = 1.0
"""For a process that has closed its pipe, to say by its end what it died of."""


class ChallengerError(Exception):
    """Why there is no challenger now; one line."""


class _EndingError(Exception):
    """The service stops."""


class Watch(Protocol):
    """Is told what happens, in the challenger's thread."""

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
            they are not to be had. Called in the thread, again after each failure.
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
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="challenger", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def offer(self, decisions: Sequence[Answered]) -> None:
        """Have decisions assessed, some time; returns at once, whatever there is."""
        with self._lock:
            for each in decisions:
                characters = self._characters + len(each.received)
                if self._taking and len(self._waiting) < MOST_DECISIONS and characters <= MOST_CHARACTERS:
                    self._waiting.append(each)
                    self._characters = characters
                else:
                    self._dropped += 1

    def stop(self) -> None:
        """End the process; what waits is dropped."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._ending.is_set():
            began = time.monotonic()
            try:
                self._challenge()
            except _EndingError:
                break
            except Exception as exc:  # noqa: BLE001  # whatever it is, decisions go on
                self._drop_all()
                self._watch.stopped(str(exc) if isinstance(exc, ChallengerError) else f"{type(exc).__name__}")
            if time.monotonic() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            self._wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        self._drop_all()

    def _wait(self, seconds: float) -> None:
        """Until then, counting what is dropped meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._ending.wait(min(left, GATHER_SECONDS)):
            self._tell_dropped()

    def _challenge(self) -> None:
        """Start a process, and feed it until the end.

        Raises:
            ChallengerError: it went wrong.
        """
        first = self._prepare()
        with self._process() as talk:
            opened = talk(first)
            if "refused" in opened:
                raise ChallengerError(opened["refused"])
            self._watch.running(opened)
            with self._lock:
                self._taking = True
            while not self._ending.wait(GATHER_SECONDS):
                self._tell_dropped()
                while not self._ending.is_set() and (message := self._taken()):
                    self._tell(message, talk)

    def _tell(self, message: Sequence[Answered], talk: Callable[[Any], Any]) -> None:
        try:
            said = talk([(each.decision.hex(), *each[1:]) for each in message])
        except ChallengerError as exc:
            self._watch.failed(len(message), str(exc))
            raise
        except _EndingError:
            self._watch.dropped(len(message))
            raise
        self._tell_dropped()
        self._watch.assessed([tuple(pair) for pair in said["pairs"]])
        if said["failed"]:
            self._watch.failed(said["failed"], said["why"])

    def _taken(self) -> list[Answered]:
        with self._lock:
            message: list[Answered] = []
            characters = 0
            while self._waiting and len(message) < MESSAGE_DECISIONS and characters < MESSAGE_CHARACTERS:
                message.append(self._waiting.popleft())
                characters += len(message[-1].received)
            self._characters -= characters
            return message

    def _drop_all(self) -> None:
        with self._lock:
            self._taking = False
            self._dropped += len(self._waiting)
            self._waiting.clear()
            self._characters = 0
        self._tell_dropped()

    def _tell_dropped(self) -> None:
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        if dropped:
            self._watch.dropped(dropped)

    @contextmanager
    def _process(self) -> Iterator[Callable[[Any], Any]]:
        """A process, as what says something to it and returns its answer; it is ended behind this."""
        to_child, from_parent = os.pipe()
        to_parent, from_child = os.pipe()
        command = (sys.executable, "-m", self.module, str(to_child), str(from_child), str(self.memory_bytes))
        try:
            process = subprocess.Popen(  # noqa: S603  # this interpreter, and a module of this project
                command,
                pass_fds=(to_child, from_child),
                cwd=_ROOT,
                env={**os.environ, **_ONE_THREAD},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        finally:
            os.close(to_child)
            os.close(from_child)
        try:
            yield _talk(process, Pipe(to_parent, from_parent), self.given_up_seconds, self._ending)
        finally:
            process.kill()
            process.wait()
            os.close(from_parent)
            os.close(to_parent)


def _talk(
    process: subprocess.Popen[bytes], pipe: Pipe, seconds: float, ending: threading.Event
) -> Callable[[Any], Any]:
    def talk(message: Any) -> Any:
        began, waited = time.monotonic(), seconds_waited_for(process.pid)

        def is_over() -> bool:
            waited_since = seconds_waited_for(process.pid) - waited
            return ending.is_set() or time.monotonic() - began - waited_since > seconds

        try:
            pipe.send(message, is_over)
            return pipe.receive(is_over)
        except PipeTimeoutError:
            if ending.is_set():
                raise _EndingError from None
            raise ChallengerError(f"took longer than {seconds:g} s, and was ended") from None
        except PipeEndedError:
            raise ChallengerError(_end_of(process)) from None

    return talk


def _end_of(process: subprocess.Popen[bytes]) -> str:
    try:
        code = process.wait(_DYING_SECONDS)
    except subprocess.TimeoutExpired:
        return "ended the conversation"
    if code == OUT_OF_MEMORY:
        return "took more memory than it may, and has ended"
    return f"was ended by signal {-code}" if code < 0 else f"has ended with {code}"
