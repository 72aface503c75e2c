"""The tail of a lone `/predict` while batches of 500 run beside it; records and keys on."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.applications import mix
from benchmarks.load import beside
from benchmarks.run import Run
from benchmarks.section import Ratio, Section, Table
from benchmarks.sections import batches
from benchmarks.servers import EVERYTHING
from benchmarks.spread import Spread, ratio, spread

LONE_RATE = 100.0
LONGEST_SECONDS = 120
QUANTILES = ("p50", "p99")


def measure(run: Run) -> Section:
    """Open loop, alone and beside one client of batches."""
    server = run.server(EVERYTHING)
    others = {"alone": {}, "batches of 500": {batches.PATH: [batches.body(mix())]}}
    values: dict[str, list[float]] = {}
    discarded = 0
    for _ in range(run.rounds):
        for name, neighbours in others.items():
            with ExitStack() as running:
                for path, bodies in neighbours.items():
                    running.enter_context(beside(server.base + path, bodies, 1, LONGEST_SECONDS, server.headers))
                outcome, late = run.open(server, LONE_RATE, settle=False)
            server.settle()
            discarded += late
            if outcome is not None:
                for quantile in QUANTILES:
                    values.setdefault(f"{name}/{quantile}_ms", []).append(outcome.latency[quantile] * 1e3)
    figures = {name: spread(each) for name, each in values.items()}

    def figure(name: str, quantile: str) -> Spread:
        return figures.get(f"{name}/{quantile}_ms", Spread(()))

    rows = tuple((name, *(str(figure(name, quantile)) for quantile in QUANTILES)) for name in others)
    over = ratio(figure("batches of 500", "p99"), figure("alone", "p99"))
    return Section(
        "A lone /predict beside others",
        (Table(("beside one client of", "p50, ms", "p99, ms"), rows),),
        {"lone p99 beside batches ÷ alone": Ratio(over, higher_is_better=False)},
        figures,
        (f"Open loop, {LONE_RATE:g} requests/s for {run.seconds:g} s a round; {discarded} rounds discarded.",),
    )
