"""Another loan book, with more fields, against the default one; records and keys on."""

from __future__ import annotations

from benchmarks.heloc import heloc, missing, mix
from benchmarks.run import CONNECTIONS, Run
from benchmarks.section import Ratio, Section, Table
from benchmarks.servers import EVERYTHING
from benchmarks.spread import ratio

TITLE = "Another loan book"


def measure(run: Run) -> Section:
    """Throughput of HELOC's book and of the default one, each asked for its own applications."""
    if why := missing():
        return Section(TITLE, (), notes=(f"Not measured: {why}.",))
    kind = heloc()
    with run.serving(kind) as server:
        rates = run.rates({kind.name: server, "default": run.server(EVERYTHING)})
    refused = {kind.name: mix(), "default": EVERYTHING.cases()}
    rows = tuple(
        (name, f"{sum(not case.approved for case in refused[name]) / len(refused[name]):.0%}", str(rate))
        for name, rate in rates.items()
    )
    return Section(
        TITLE,
        (Table(("book", "not approved", f"requests/s, {CONNECTIONS} connections"), rows),),
        {"throughput, HELOC's book ÷ the default": Ratio(ratio(rates[kind.name], rates["default"]), True)},
        {f"book_{name}/rate": rate for name, rate in rates.items()},
    )
