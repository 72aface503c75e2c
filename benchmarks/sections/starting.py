"""Time from start to ready."""

from __future__ import annotations

from benchmarks.run import Run
from benchmarks.section import Section, Table
from benchmarks.servers import BUNDLE
from benchmarks.spread import spread

STARTS = 5


def measure(run: Run) -> Section:
    """The median of five starts, or of one in a trial."""
    starts = STARTS if run.rounds > 1 else 1
    times = spread([run.time_to_ready(BUNDLE) for _ in range(starts)])
    return Section(
        "Time from start to ready",
        (Table(("server", f"s, {starts} starts"), ((BUNDLE.name, str(times)),)),),
        figures={"bundle/ready_s": times},
    )
