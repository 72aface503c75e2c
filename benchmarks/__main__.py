"""`python -m benchmarks`: the bundle against its peers, all of it or some parts.

python -m benchmarks --json run1.json            # one whole run; 12 minutes or so
python -m benchmarks --quick                     # two minutes or so, to see that everything works
python -m benchmarks --only throughput latency
python -m benchmarks --check                     # fails where a ratio is worse than in results.json by over 15%
python -m benchmarks --render run1.json run2.json run3.json    # into RESULTS.md, results.json and results.svg
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import machine, report
from benchmarks.check import losses
from benchmarks.load import LoadError, wrk
from benchmarks.run import Run, say, start_run
from benchmarks.section import Section
from benchmarks.sections import (
    batches,
    curves,
    explanations,
    growth,
    latency,
    neighbours,
    overload,
    starting,
    throughput,
    tracing,
    workers,
)
from benchmarks.servers import WrongAnswerError
from benchmarks.targets import table
from tests.lifeline import hold

SECTIONS: dict[str, Callable[[Run], Section]] = {
    "throughput": throughput.measure,
    "latency": latency.measure,
    "batches": batches.measure,
    "explanations": explanations.measure,
    "neighbours": neighbours.measure,
    "workers": workers.measure,
    "tracing": tracing.measure,
    "growth": growth.measure,
    "overload": overload.measure,
    "starting": starting.measure,
    "curves": curves.measure,
}
"""In the order in which they are run: what may leave traces in the servers comes last."""

ON_REQUEST = ("curves",)
"""Only run where they are named: they take minutes, and compare nothing."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="The bundle against its peers.")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="PART", help=", ".join(SECTIONS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round; whole ones")
    parser.add_argument("--quick", action="store_true", help="one round of one second: a trial, no measurement")
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--check", action="store_true", help=f"compare ratios with {report.RESULTS.name}")
    parser.add_argument("--render", nargs="+", type=Path, metavar="FILE", help="measure nothing; publish these runs")
    return parser.parse_args(arguments)


def measure(only: Sequence[str], rounds: int, seconds: float) -> report.Results:
    """One run."""
    described, sections = machine.describe(), {}
    with start_run(rounds, seconds) as run:
        for name in only:
            started = time.perf_counter()
            sections[name] = SECTIONS[name](run)
            say(f"{name} took {time.perf_counter() - started:.0f} s")
            print(f"\n## {sections[name].title}\n\n{sections[name].markdown()}", flush=True)
    return report.Results(described, {"rounds": rounds, "seconds": seconds}, sections)


def publish(files: Sequence[Path]) -> None:
    """The runs' targets side by side, and the last run's everything."""
    runs = [report.read(file) for file in files]
    report.render(runs)
    report.write(runs[-1], report.RESULTS)
    report.draw(runs[-1].sections)


def main(arguments: Sequence[str]) -> int:
    """Measure, print, compare."""
    options = parse(arguments)
    if options.render:
        publish(options.render)
        return 0
    hold()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end as well
    # Under overload, each request that waits holds a connection.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    wanted = options.only or [name for name in SECTIONS if name not in ON_REQUEST]
    only = [name for name in SECTIONS if name in wanted]
    rounds, seconds = (1, 1.0) if options.quick else (options.rounds, options.seconds)
    before = report.read(report.RESULTS).sections if options.check else {}
    try:
        wrk()
        results = measure(only, rounds, seconds)
    except (LoadError, WrongAnswerError) as exc:
        say(f"no results: {exc}")
        return 2
    print(f"\n## Targets\n\n{table(results.sections).markdown()}")
    if options.json:
        report.write(results, options.json)
    if options.check:
        worse = losses(before, results.sections)
        print("\n".join(["", *worse]) if worse else f"\nno ratio is worse than in {report.RESULTS.name} by over 15%")
        return 1 if worse else 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
