"""`python -m benchmarks`: measure, print, compare, publish."""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from benchmarks import machine, report
from benchmarks.arguments import ON_REQUEST, PARTS
from benchmarks.check import losses
from benchmarks.load import LoadError, wrk
from benchmarks.run import Run, say, start_run
from benchmarks.section import Section
from benchmarks.servers import WrongAnswerError
from benchmarks.targets import table
from tests.lifeline import hold

SECTIONS: dict[str, Callable[[Run], Section]] = {
    name: import_module(f"benchmarks.sections.{name}").measure for name in PARTS
}


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


def run(options: argparse.Namespace) -> int:
    """Measure, print, compare."""
    if options.render:
        publish(options.render)
        return 0
    if options.json and options.json.exists() and not options.replace:
        say(f"{options.json} exists, and is kept; give --json a new file, or --replace to replace it")
        return 2
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
