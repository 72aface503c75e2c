"""Open-loop load: requests are due on a schedule that waits for no answer; their time counts from then on."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import aiohttp

from tests.crowd import JSON


class Sample(NamedTuple):
    """One request.

    Attributes:
        due: when it was due, by `time.perf_counter`.
        end: when it was answered, or failed.
        outcome: the status, or the name of the error.
        answer: the document; empty where there is none.
    """

    due: float
    end: float
    outcome: int | str
    answer: dict[str, Any]


class Offered:
    """What was asked so far, in the order in which it was answered."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.samples: list[Sample] = []
        self.stop = threading.Event()

    def failed(self) -> list[Sample]:
        """All that wasn't 200."""
        return [sample for sample in self.samples if sample.outcome != 200]

    def milliseconds(self, quantile: float) -> float:
        """Time from when a request was due to its answer."""
        times = sorted(sample.end - sample.due for sample in self.samples)
        return round(1000 * times[min(len(times) - 1, int(quantile * len(times)))], 1)

    def __str__(self) -> str:
        span = max(sample.due for sample in self.samples) - min(sample.due for sample in self.samples)
        return (
            f"{len(self.samples)} requests in {span:.1f} s, {len(self.failed())} failed; ms from due: "
            f"p50 {self.milliseconds(0.5)}, p99 {self.milliseconds(0.99)}, max {self.milliseconds(1)}"
        )

    async def offer(self, url: str, documents: Sequence[dict[str, Any]]) -> None:
        """Ask until told to stop, then wait for what is open."""
        bodies = [json.dumps(document).encode() for document in documents]
        connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(url, connector=connector, timeout=timeout) as client:

            async def one(due: float, request: bytes) -> None:
                answer: dict[str, Any] = {}
                outcome: int | str
                try:
                    async with client.post("/predict", data=request, headers=JSON) as response:
                        body = await response.read()
                        outcome, answer = response.status, json.loads(body) if response.status == 200 else {}
                except (aiohttp.ClientError, TimeoutError) as exc:
                    outcome = type(exc).__name__
                self.samples.append(Sample(due, time.perf_counter(), outcome, answer))

            async with asyncio.TaskGroup() as tasks:
                start = time.perf_counter()
                for number in itertools.count():
                    due = start + number / self.rate
                    await asyncio.sleep(max(0.0, due - time.perf_counter()))
                    if self.stop.is_set():
                        break
                    tasks.create_task(one(due, bodies[number % len(bodies)]))


@contextmanager
def offering(url: str, documents: Sequence[dict[str, Any]], rate: float) -> Iterator[Offered]:
    """POST /predict at `rate` requests a second meanwhile; at the end all are answered."""
    offered = Offered(rate)
    thread = threading.Thread(target=lambda: asyncio.run(offered.offer(url, documents)))
    thread.start()
    try:
        yield offered
    finally:
        offered.stop.set()
        thread.join(timeout=60)
