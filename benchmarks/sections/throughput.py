"""Closed-loop throughput of every server, with the CPU time and memory that it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from benchmarks.run import CONNECTIONS, Run
from benchmarks.section import Ratio, Section, Table
from benchmarks.servers import (
    BENTOML_QUICKSTART,
    BUNDLE,
    ECHO,
    EVERYTHING,
    FASTAPI_SAME,
    FLOOR,
    GRANIAN,
    LITSERVE,
    MLSERVER,
    Server,
)
from benchmarks.spread import Spread, number, ratio, spread

KINDS = (BUNDLE, EVERYTHING, ECHO, FLOOR, GRANIAN, FASTAPI_SAME, BENTOML_QUICKSTART, MLSERVER, LITSERVE)
MANY = 128
LOADS = {
    1: (BUNDLE.name, EVERYTHING.name, FLOOR.name),
    CONNECTIONS: tuple(kind.name for kind in KINDS),
    MANY: (BUNDLE.name, EVERYTHING.name, ECHO.name),
}
"""Connections, and who is asked over so many."""

NO_TARGET = {
    1: (EVERYTHING.name,),
    CONNECTIONS: (GRANIAN.name,),
    MANY: (BUNDLE.name,),
}
"""What no target is about, which gets fewer rounds."""

IDLE_SECONDS = 2.0
MB = 1e6


def measure(run: Run) -> Section:
    """Requests a second over 1, 32 and 128 connections."""
    servers = {kind.name: run.server(kind) for kind in run.wanted(KINDS)}
    cpu: dict[str, list[float]] = {name: [] for name in servers}
    lone: dict[str, list[float]] = {name: [] for name in servers}

    def rate(name: str, connections: int) -> Callable[[], float]:
        def once() -> float:
            before = servers[name].cpu()
            load = run.load(servers[name], connections)
            if connections == CONNECTIONS:
                cpu[name].append((servers[name].cpu() - before) / load.requests * 1e3)
            elif connections == 1:
                lone[name].append(load.p50 * 1e3)
            return load.rate

        return once

    rates = {
        connections: run.in_turn(
            {name: rate(name, connections) for name in names if name in servers},
            dict.fromkeys(NO_TARGET[connections], run.fewer),
        )
        for connections, names in LOADS.items()
    }
    for kind in (EVERYTHING, FLOOR):
        if kind.name in servers:
            run.set_saturation(kind, rates[CONNECTIONS][kind.name].median)
    used = {name: server.usage() for name, server in servers.items()}
    figures = {f"{name}/{connections}": value for connections, each in rates.items() for name, value in each.items()}
    figures |= {f"{name}/cpu_ms": spread(values) for name, values in cpu.items()}
    figures |= {f"{name}/lone_p50_ms": spread(values) for name, values in lone.items()}
    figures |= {f"{name}/worker_mb": spread([use.worker_pss / MB]) for name, use in used.items()}
    head = ("server", *(f"requests/s, {connections} connections" for connections in LOADS))
    rows = tuple(
        (
            name,
            *(_cell(each.get(name)) for each in rates.values()),
            _cell(spread(lone[name])),
            str(spread(cpu[name])),
            number(used[name].worker_pss / MB),
            number(used[name].pss / MB),
        )
        for name in servers
    )
    columns = (*head, "lone p50, ms", "CPU ms a request", "worker's PSS, MB", "all processes' PSS, MB")
    notes = (
        "The peers and `bundle` keep no records and ask for no keys; `everything` is `bundle` with both on, SQLite's.",
        _idle(run, servers),
    )
    return Section("Throughput, CPU time and memory", (Table(columns, rows),), _ratios(figures), figures, notes)


def _cell(value: Spread | None) -> str:
    return str(value) if value is not None and value.rounds else "-"


def _ratios(figures: Mapping[str, Spread]) -> dict[str, Ratio]:
    """Those whose both sides were measured."""
    pairs = {
        f"throughput ÷ {kind.name}": (f"{BUNDLE.name}/{CONNECTIONS}", f"{kind.name}/{CONNECTIONS}", True)
        for kind in KINDS
        if kind not in (BUNDLE, EVERYTHING)
    } | {
        "throughput, everything on ÷ off": (f"{EVERYTHING.name}/{CONNECTIONS}", f"{BUNDLE.name}/{CONNECTIONS}", True),
        f"throughput, everything on, {MANY} connections ÷ echo": (
            *(f"{EVERYTHING.name}/{MANY}", f"{ECHO.name}/{MANY}"),
            True,
        ),
        "lone p50 ÷ floor": (f"{BUNDLE.name}/lone_p50_ms", f"{FLOOR.name}/lone_p50_ms", False),
        "CPU per request ÷ floor": (f"{BUNDLE.name}/cpu_ms", f"{FLOOR.name}/cpu_ms", False),
    }
    return {
        name: Ratio(ratio(figures[above], figures[below]), higher)
        for name, (above, below, higher) in pairs.items()
        if above in figures and below in figures
    }


def _idle(run: Run, servers: dict[str, Server]) -> str:
    """The servers that are not being asked must not disturb the one that is."""
    before = {name: server.cpu() for name, server in servers.items()}
    time.sleep(IDLE_SECONDS)
    shares = {name: (server.cpu() - before[name]) / IDLE_SECONDS for name, server in servers.items()}
    worst = max(shares, key=lambda name: shares[name])
    return (
        f"{run.rounds} rounds of {run.seconds:g} s, in turn, and {run.fewer} where no target asks. Idle, the servers "
        f"together take {sum(shares.values()):.1%} of a core, most of it {worst} ({shares[worst]:.1%})."
    )
