"""Time from start to ready, and memory of a worker, against BentoML's hello-world; records and keys on."""

from __future__ import annotations

from functools import partial

from benchmarks.run import Run
from benchmarks.section import Ratio, Section, Table
from benchmarks.servers import EVERYTHING, HELLO_WORLD, Kind
from benchmarks.spread import Spread, ratio, spread

STARTS = 5
KINDS = (EVERYTHING, HELLO_WORLD)
MB = 1e6


def measure(run: Run) -> Section:
    """The median of five starts by turns, or of one in a trial; a worker of each once it has been asked for a round."""
    starts = STARTS if run.rounds > 1 else 1
    times = run.in_turn({kind.name: partial(run.time_to_ready, kind) for kind in KINDS}, starts)
    memory = {kind.name: _memory(run, kind) for kind in KINDS}
    rows = tuple((kind.name, str(times[kind.name]), str(memory[kind.name])) for kind in KINDS)
    figures = {f"{name}/ready_s": value for name, value in times.items()}
    ours, hello = (kind.name for kind in KINDS)
    return Section(
        "Time from start to ready, and memory",
        (Table(("server", f"s, {starts} starts", "worker's PSS after a round, MB"), rows),),
        {
            "ready ÷ hello-world": Ratio(ratio(times[ours], times[hello]), higher_is_better=False),
            "worker's PSS ÷ hello-world": Ratio(ratio(memory[ours], memory[hello]), higher_is_better=False),
        },
        figures | {f"{name}/worker_mb": value for name, value in memory.items()},
    )


def _memory(run: Run, kind: Kind) -> Spread:
    with run.serving(kind) as server:
        run.load(server)
        return spread([server.usage().worker_pss / MB])
