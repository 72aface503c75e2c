"""Open-loop latency of the bundle, records and keys on, and of the floor, at shares of the bundle's saturation."""

from __future__ import annotations

from benchmarks.openloop import LATE_SECONDS
from benchmarks.run import Run
from benchmarks.section import Ratio, Section, Table
from benchmarks.servers import EVERYTHING, FLOOR
from benchmarks.spread import Spread, ratio, spread

SHARES = (0.3, 0.6, 0.9)
OF_TARGETS = 0.6
QUANTILES = ("p50", "p99", "p999")


def measure(run: Run) -> Section:
    """p50, p99 and p99.9 from the due time."""
    saturation, of_floor = run.saturation(), run.saturation(FLOOR)
    servers = {kind.name: run.server(kind) for kind in (EVERYTHING, FLOOR)}
    values: dict[str, list[float]] = {}
    discarded = 0
    for share in SHARES:
        for number in range(run.rounds if share == OF_TARGETS else run.fewer):
            for name in sorted(servers, reverse=bool(number % 2)):
                outcome, late = run.open(servers[name], share * saturation)
                discarded += late
                if outcome is not None:
                    for quantile in QUANTILES:
                        seconds = outcome.latency[quantile]
                        values.setdefault(f"{name}/{share:.0%}/{quantile}_ms", []).append(seconds * 1e3)
    figures = {key: spread(each) for key, each in values.items()} | {"saturation": spread([saturation])}

    def figure(name: str, share: float, quantile: str) -> Spread:
        return figures.get(f"{name}/{share:.0%}/{quantile}_ms", Spread(()))

    rows = tuple(
        (f"{share:.0%}", f"{share * saturation:,.0f}", name, *(str(figure(name, share, each)) for each in QUANTILES))
        for share in SHARES
        for name in servers
    )
    ratios = {
        f"open-loop {each} at {share:.0%} ÷ floor": Ratio(
            ratio(figure(EVERYTHING.name, share, each), figure(FLOOR.name, share, each)), higher_is_better=False
        )
        for share in SHARES
        for each in QUANTILES[:2]
    }
    beyond = [f"{share:.0%}" for share in SHARES if share * saturation > of_floor]
    notes = (
        f"{discarded} rounds discarded: the generator was late by more than {LATE_SECONDS * 1e3:g} ms at its p99.",
        f"At {' and '.join(beyond)} the floor is asked for more than the {of_floor:,.0f} requests/s that it can do."
        if beyond
        else f"All these rates are below the {of_floor:,.0f} requests/s that the floor can do.",
    )
    return Section(
        "Open-loop latency",
        (Table(("of saturation", "requests/s", "server", "p50, ms", "p99, ms", "p99.9, ms"), rows),),
        ratios,
        figures,
        notes,
    )
