"""Closed-loop throughput of every server, with the CPU time and memory that it takes."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.run import CONNECTIONS, Run
from benchmarks.section import Ratio, Section, Table
from benchmarks.servers import (
    BENTOML_QUICKSTART,
    BUNDLE,
    ECHO,
    FASTAPI_SAME,
    FLOOR,
    GRANIAN,
    LITSERVE,
    MLSERVER,
    Server,
)
from benchmarks.spread import number, ratio, spread

KINDS = (BUNDLE, ECHO, FLOOR, GRANIAN, FASTAPI_SAME, BENTOML_QUICKSTART, MLSERVER, LITSERVE)
LOADS = (1, CONNECTIONS, 128)
IDLE_SECONDS = 2.0
MB = 1e6


def measure(run: Run) -> Section:
    """Requests a second over 1, 32 and 128 connections."""
    servers = {kind.name: run.server(kind) for kind in KINDS}
    cpu: dict[str, list[float]] = {name: [] for name in servers}
    lone: dict[str, list[float]] = {name: [] for name in servers}

    def rate(name: str, server: Server, connections: int) -> Callable[[], float]:
        def once() -> float:
            before = server.cpu()
            load = run.load(server, connections)
            if connections == CONNECTIONS:
                cpu[name].append((server.cpu() - before) / load.requests * 1e3)
            elif connections == 1:
                lone[name].append(load.p50 * 1e3)
            return load.rate

        return once

    rates = {
        connections: run.in_turn(
            {name: rate(name, server, connections) for name, server in servers.items()},
            run.rounds if connections == CONNECTIONS else max(1, run.rounds - 2),
        )
        for connections in LOADS
    }
    run.set_saturation(rates[CONNECTIONS][BUNDLE.name].median)
    used = {name: server.usage() for name, server in servers.items()}
    figures = {f"{name}/{connections}": rates[connections][name] for connections in LOADS for name in servers}
    figures |= {f"{name}/cpu_ms": spread(values) for name, values in cpu.items()}
    figures |= {f"{name}/lone_p50_ms": spread(values) for name, values in lone.items()}
    figures |= {f"{name}/worker_mb": spread([use.worker_pss / MB]) for name, use in used.items()}
    ours = rates[CONNECTIONS][BUNDLE.name]
    ratios = {f"throughput ÷ {name}": Ratio(ratio(ours, rates[CONNECTIONS][name]), True) for name in servers}
    del ratios[f"throughput ÷ {BUNDLE.name}"]
    ratios["lone p50 ÷ floor"] = Ratio(ratio(spread(lone[BUNDLE.name]), spread(lone[FLOOR.name])), False)
    ratios["CPU per request ÷ floor"] = Ratio(ratio(spread(cpu[BUNDLE.name]), spread(cpu[FLOOR.name])), False)
    head = ("server", *(f"requests/s, {connections} connections" for connections in LOADS))
    rows = tuple(
        (
            name,
            *(str(rates[connections][name]) for connections in LOADS),
            str(spread(lone[name])),
            str(spread(cpu[name])),
            number(used[name].worker_pss / MB),
            number(used[name].pss / MB),
        )
        for name in servers
    )
    columns = (*head, "lone p50, ms", "CPU ms a request", "worker's PSS, MB", "all processes' PSS, MB")
    return Section("Throughput, CPU time and memory", (Table(columns, rows),), ratios, figures, (_idle(run, servers),))


def _idle(run: Run, servers: dict[str, Server]) -> str:
    """The servers that are not being asked must not disturb the one that is."""
    before = {name: server.cpu() for name, server in servers.items()}
    time.sleep(IDLE_SECONDS)
    shares = {name: (server.cpu() - before[name]) / IDLE_SECONDS for name, server in servers.items()}
    worst = max(shares, key=lambda name: shares[name])
    return (
        f"{run.rounds} rounds of {run.seconds:g} s, in turn. Idle, the servers together take "
        f"{sum(shares.values()):.1%} of a core, most of it {worst} ({shares[worst]:.1%})."
    )
