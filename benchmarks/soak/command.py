"""`python -m benchmarks soak`: a long mixed load, and whether memory, descriptors, threads and series stay flat.

python -m benchmarks soak                        # a million requests; ten minutes or so
python -m benchmarks soak --requests 20000       # a trial
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from tqdm import tqdm

from benchmarks import machine
from benchmarks.run import say
from benchmarks.section import Table
from benchmarks.servers import BUNDLE, Server, Yard
from benchmarks.soak.client import Callers, Outcome
from benchmarks.soak.flatness import Growth, growths
from benchmarks.soak.kinds import Kind, cycle, kinds
from benchmarks.soak.samples import FIGURES, Sample, look, processes
from benchmarks.spread import number
from tests.lifeline import hold

UNITS = {"pss": "PSS of all processes, MiB", "rss": "RSS of the largest process, MiB"}
ROWS = 10
"""Of the samples, in the table of all figures over the run."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks soak",
        description="A long mixed load, errors among it: do memory, descriptors, threads and series stay flat?",
        epilog="exit code: 0 flat, 1 something grows, an answer was another than it should be, or a process died",
    )
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--samples", type=int, default=50, help="looks at the server, its callers waiting meanwhile")
    return parser.parse_args(arguments)


async def soak(server: Server, options: argparse.Namespace, order: Sequence[Kind]) -> tuple[list[Sample], Callers]:
    """Ask, and look at the server in between."""
    url = httpx.URL(server.base)
    samples: list[Sample] = []
    with tqdm(total=options.requests, unit="request", smoothing=0.05) as bar:
        callers = Callers((url.host, url.port or 80), options.connections, order, bar.update)
        started = time.perf_counter()
        for sent in _stops(options.requests, options.samples):
            await callers.ask(sent - (samples[-1].requests if samples else 0))
            sample = await asyncio.to_thread(_settled, server, sent, time.perf_counter() - started)
            bar.set_postfix_str(f"PSS {sample.pss:.0f} MiB, {sample.series:.0f} series")
            samples.append(sample)
        await callers.end()
    return samples, callers


def _stops(requests: int, samples: int) -> list[int]:
    """After how many requests to look."""
    return sorted({round(requests * (number + 1) / samples) for number in range(samples)} - {0})


def _settled(server: Server, requests: int, seconds: float) -> Sample:
    """A sample once the server has done with the requests that were aborted."""
    server.settle()
    return look(server.base, server.pid, requests, seconds)


def wrong(outcomes: Counter[Outcome], each: Sequence[Kind]) -> dict[Outcome, int]:
    """Answers that are others than they should be."""
    right = {(kind.name, "not asked for" if kind.status is None else str(kind.status)) for kind in each}
    return {outcome: count for outcome, count in outcomes.items() if outcome not in right}


def asked(outcomes: Counter[Outcome]) -> Table:
    """What was asked, and what came of it."""
    rows = tuple((name, outcome, f"{count:,}") for (name, outcome), count in sorted(outcomes.items()))
    return Table(("request", "answer", "number"), rows)


def course(samples: Sequence[Sample]) -> Table:
    """Every figure over the run, in some ten rows."""
    step = max(1, len(samples) // ROWS)
    chosen = [*samples[:-1:step], samples[-1]]
    rows = tuple(
        (f"{each.requests:,}", f"{each.seconds:.0f}", *(number(getattr(each, name)) for name in FIGURES))
        for each in chosen
    )
    return Table(("requests", "s", *(UNITS.get(name, name) for name in FIGURES)), rows)


def verdict(found: Sequence[Growth]) -> Table:
    """What has grown, and by how much it may."""
    rows = tuple(
        (
            *(UNITS.get(each.name, each.name), number(each.middle), number(each.most)),
            *(f"{each.grown:+.3g}", number(each.allowed), "flat" if each.flat else "**grows**"),
        )
        for each in found
    )
    return Table(("after the warm-up", "median", "most", "grown over the run", "allowed", ""), rows)


def told(described: dict[str, str], connections: int, samples: Sequence[Sample]) -> str:
    """On what it was run, and how fast that went."""
    requests, took = samples[-1].requests, samples[-1].seconds
    on = f"{described['date']}, {described['processor']}, {described['cores']} cores; {connections} connections"
    return f"{on}, {took:.0f} s, {requests / took:,.0f} requests/s with the pauses for {len(samples)} samples."


def run(options: argparse.Namespace) -> int:
    """Soak, print, judge."""
    hold()
    described, each = machine.describe(), kinds()
    with TemporaryDirectory(prefix="credit-risk-soak-") as folder, Yard(Path(folder)).serving(BUNDLE) as server:
        say(f"ready after {server.start_seconds:.1f} s")
        before = processes(server.pid)
        samples, callers = asyncio.run(soak(server, options, cycle(each)))
        died = before != processes(server.pid)
    found, other = growths(samples), wrong(callers.outcomes, each)
    parts = [
        f"## Soak: {samples[-1].requests:,} requests",
        told(described, options.connections, samples),
        *(table.markdown() for table in (verdict(found), course(samples), asked(callers.outcomes))),
        f"{sum(other.values())} answers other than they should be{f': {other}' if other else ''}.",
        "A process died." if died else "Every process lived.",
    ]
    print("\n\n".join(parts), flush=True)
    return 1 if other or died or not all(growth.flat for growth in found) else 0
