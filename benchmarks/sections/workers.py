"""What a second worker costs, records and keys on."""

from __future__ import annotations

from functools import partial

from benchmarks.run import CONNECTIONS, Run
from benchmarks.section import Ratio, Section, Table
from benchmarks.servers import EVERYTHING, Server, everything
from benchmarks.spread import Spread, ratio, spread

TWO = everything("2_workers", CREDIT_RISK_WORKERS="2")


def measure(run: Run) -> Section:
    """CPU time a request with two workers and with one."""
    with run.serving(TWO) as two:
        servers = {"1": run.server(EVERYTHING), "2": two}
        rates: dict[str, list[float]] = {name: [] for name in servers}

        def cpu(name: str, server: Server) -> float:
            before = server.cpu()
            load = run.load(server)
            rates[name].append(load.rate)
            return (server.cpu() - before) / load.requests * 1e3

        times = run.in_turn({name: partial(cpu, name, server) for name, server in servers.items()})
    speed: dict[str, Spread] = {name: spread(values) for name, values in rates.items()}
    rows = tuple((name, str(speed[name]), str(times[name])) for name in servers)
    return Section(
        "Workers",
        (Table(("workers", f"requests/s, {CONNECTIONS} connections", "CPU ms a request"), rows),),
        {"CPU per request, 2 workers ÷ 1": Ratio(ratio(times["2"], times["1"]), higher_is_better=False)},
        {f"workers_{name}/rate": speed[name] for name in servers},
    )
