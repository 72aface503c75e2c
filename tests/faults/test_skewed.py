"""The clock is set, forward or back by an hour, while requests wait: none of them is to notice."""

from __future__ import annotations

import asyncio
import inspect
import re
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from bentoml._internal.marshal import dispatcher
from bentoml._internal.marshal.dispatcher import CorkDispatcher
from bentoml._internal.utils import alg

from serving.bento.clock import go_by_a_steady_clock
from serving.bento.dispatching import make_eager
from serving.bento.framework import WARM_UP_CALLS
from tests.crowd import run
from tests.servers import ROOT, run_python

HOUR = 3600.0
SHED = "shed"
ROUNDS = 60
"""More than the batches that a batcher remembers."""


class WallClock:
    """The time of day, which somebody sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ahead, real = 0.0, time.time
        monkeypatch.setattr(time, "time", lambda: real() + self._ahead)

    def set(self, seconds: float) -> None:
        """Set it forward, or back."""
        self._ahead += seconds


class Batcher:
    """One of BentoML's, as `serving.bento.dispatching` has it; the clock is set while it is at work.

    Attributes:
        batches: all that were worked off.
    """

    def __init__(self, clock: WallClock) -> None:
        self.batches: list[list[str]] = []
        self._clock = clock
        batcher: CorkDispatcher[str, str] = CorkDispatcher(3000, 512, fallback=lambda: SHED, get_batch_size=lambda _: 1)
        make_eager(batcher, in_threads=False)
        self._queue = batcher._queue
        self._ask = batcher(self._work)

    async def _work(self, batch: Sequence[str]) -> Sequence[str]:
        self.batches.append(list(batch))
        for asked in batch:
            if asked.startswith("set "):
                await self._turns()  # what comes with it is waiting by now
                self._clock.set(float(asked.removeprefix("set ")))
                await self._turns()
        return batch

    async def _turns(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def learn(self) -> None:
        """Learn as the service's do before they are ready."""
        for number in range(WARM_UP_CALLS):
            await self._ask(f"warm-up {number}")

    async def ask(self, *questions: str) -> list[str]:
        """Answers to questions that are asked at once."""
        return list(await asyncio.gather(*map(self._ask, questions)))

    async def ask_beside(self, first: str, *others: str) -> list[str]:
        """The same, of others that come while the first is being worked off."""
        asked = asyncio.create_task(self._ask(first))
        while self.batches[-1] != [first]:  # noqa: ASYNC110  # turn by turn; so below
            await asyncio.sleep(0)
        return [*await self.ask(*others), await asked]

    async def ask_and_set(self, question: str, seconds: float) -> str:
        """The answer to a lone question; the clock is set when it is in the queue, before it is looked at."""
        asked = asyncio.create_task(self._ask(question))
        while not self._queue:  # noqa: ASYNC110  # the same
            await asyncio.sleep(0)
        self._clock.set(seconds)
        return await asked


@pytest.fixture
def wall_clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    """What the batcher's modules knew as the time is put back at the end."""
    for module in (dispatcher, alg):
        monkeypatch.setattr(module, "time", time)
    return WallClock(monkeypatch)


@pytest.fixture
def batcher(wall_clock: WallClock) -> Batcher:
    go_by_a_steady_clock()
    return Batcher(wall_clock)


@pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["forward", "back"])
class TestBatcher:
    def test_who_waits_is_answered(self, batcher: Batcher, seconds: float) -> None:
        """Set while a batch is at work and others wait: nobody is shed, nobody hangs."""

        async def work() -> list[str]:
            await batcher.learn()
            return await batcher.ask_beside(f"set {seconds}", "a", "b", "c")

        assert ["a", "b", "c", f"set {seconds}"] == run(work())

    def test_who_comes_later_is_answered(self, batcher: Batcher, seconds: float) -> None:
        """The batch that was at work has not taken an hour, or whatever comes next would be shed."""

        async def work() -> list[list[str]]:
            await batcher.learn()
            await batcher.ask(f"set {seconds}")
            return [await batcher.ask("a", "b", "c") for _ in range(ROUNDS)]

        assert [["a", "b", "c"]] * ROUNDS == run(work())

    def test_who_is_alone_waits_for_nobody(self, batcher: Batcher, seconds: float) -> None:
        """Set between a request's arrival and the batcher's look at it; no other request comes to its help."""

        async def work() -> str:
            await batcher.learn()
            return await batcher.ask_and_set("a", seconds)

        assert "a" == run(work())


class TestService:
    def test_nothing_else_measures_by_the_wall_clock(self) -> None:
        """What it is for: times that are told, of a line, a request, a start; and until when a key or token is good."""
        reads = re.compile(r"\btime\.time\(|from time import [^#\n]*\btime\b|set_to_current_time|datetime\.now|utcnow")
        found = {
            str(path.relative_to(ROOT))
            for folder in ("serving", "preprocessing", "scoring", "decision")
            for path in (ROOT / folder).rglob("*.py")
            if reads.search(path.read_text(encoding="utf-8"))
        }
        told = {"serving/telemetry/logs.py", "serving/telemetry/upkeep.py", "serving/bento/traffic.py"}
        assert told | {"serving/access/access.py", "serving/access/command.py"} == found

    def test_the_batcher_asks_for_nothing_but_the_time(self) -> None:
        """Whatever else its modules took of `time`, the steady clock would have to have."""
        for module in (dispatcher, alg):
            assert {"time"} == set(re.findall(r"\btime\.(\w+)", inspect.getsource(module)))

    def test_installed(self, tmp_path: Path) -> None:
        """The service goes by the steady clock, and makes its batchers when it does."""
        script = """
            import time
            from bentoml._internal.marshal import dispatcher
            from bentoml._internal.utils import alg
            assert dispatcher.time is time
            import service
            service.assemble()
            print({module.time.time is time.monotonic for module in (dispatcher, alg)})
        """
        assert "{True}" == run_python("-c", textwrap.dedent(script), home=tmp_path).splitlines()[-1]
