"""How the batcher's two numbers, its largest batch and its latency objective, act at each load."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import replace

import httpx

from benchmarks.run import Run
from benchmarks.section import Section, Table
from benchmarks.servers import Kind, Server, bentoml_serve, bundle
from benchmarks.spread import spread

LOADS = (1, 32, 128, 400)
SIZES = (8, 32, 128, 512)
OBJECTIVES_MS = (100, 500, 3000)
ROUTE = "/predict"


def kinds() -> dict[tuple[int, int], Kind]:
    """The service by largest batch and objective: each varied with the other at its largest or shipped value."""
    pairs = [(size, 3000) for size in SIZES] + [(128, objective) for objective in OBJECTIVES_MS[:-1]]
    return {
        (size, objective): replace(
            bundle(
                f"bundle_{size}_{objective}ms",
                BENCHMARK_MAX_BATCH_SIZE=str(size),
                CREDIT_RISK_BATCH_LATENCY_MS=str(objective),
            ),
            command=bentoml_serve("benchmarks.sized_service:CreditRisk"),
        )
        for size, objective in pairs
    }


def measure(run: Run) -> Section:
    """Throughput, p99, rows a batch and share shed."""
    values: dict[tuple[int, int, int], list[tuple[float, float, float, float]]] = {}
    with ExitStack() as stack:
        servers = {key: stack.enter_context(run.serving(kind)) for key, kind in kinds().items()}
        for _ in range(max(1, run.rounds - 2)):
            for (size, objective), server in servers.items():
                for connections in LOADS:
                    before = _batches(server)
                    load = run.load(server, connections, refusals=True)
                    merged = [now - then for now, then in zip(_batches(server), before, strict=True)]
                    values.setdefault((size, objective, connections), []).append(
                        (load.rate, load.p99 * 1e3, merged[0] / merged[1], load.refused / load.requests)
                    )
    rows = tuple(
        (*map(str, key), *(str(spread(column)) for column in zip(*each, strict=True))) for key, each in values.items()
    )
    head = ("largest batch", "objective, ms", "connections", "answers/s", "p99, ms", "rows a batch", "share shed")
    return Section("The batcher", (Table(head, rows),))


def _batches(server: Server) -> tuple[float, float]:
    """Rows and batches so far."""
    text = httpx.get(f"{server.base}/metrics", timeout=10).text

    def total(name: str) -> float:
        pattern = rf'^credit_risk_batch_rows_{name}{{route="{ROUTE}"}} (\S+)$'
        return sum(float(value) for value in re.findall(pattern, text, re.MULTILINE))

    return total("sum"), total("count")
