"""`python -m benchmarks`: measure, print, compare, publish."""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import time
from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from pathlib import Path

from benchmarks import machine, report
from benchmarks.arguments import ON_REQUEST, PARTS
from benchmarks.check import LOSS, LOSS_OF_A_TRIAL, losses
from benchmarks.environments import NoEnvironmentError
from benchmarks.load import LoadError, wrk
from benchmarks.run import Run, say, start_run
from benchmarks.section import Section
from benchmarks.servers import WrongAnswerError
from benchmarks.targets import table
from tests.lifeline import hold

SECTIONS: dict[str, Callable[[Run], Section]] = {
    name: import_module(f"benchmarks.sections.{name}").measure for name in PARTS
}


TRIAL_ROUNDS, CHECKED_TRIAL_ROUNDS, TRIAL_SECONDS = 1, 3, 1.0


def measure(only: Sequence[str], rounds: int, seconds: float, servers: Collection[str] | None = None) -> report.Results:
    """One run."""
    described, sections = machine.describe(), {}
    with start_run(rounds, seconds, servers) as run:
        for name in only:
            started = time.perf_counter()
            say(f"{name}, part {only.index(name) + 1} of {len(only)}")
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
    rounds, seconds, tolerated = options.rounds, options.seconds, LOSS
    if options.quick:
        rounds, seconds = CHECKED_TRIAL_ROUNDS if options.check else TRIAL_ROUNDS, TRIAL_SECONDS
        tolerated = LOSS_OF_A_TRIAL
    before = report.read(report.RESULTS).sections if options.check else {}
    try:
        wrk()
        results = measure(only, rounds, seconds, options.servers)
    except (LoadError, NoEnvironmentError, WrongAnswerError) as exc:
        say(f"no results: {exc}")
        return 2
    print(f"\n## Targets\n\n{table(results.sections).markdown()}")
    if options.json:
        report.write(results, options.json)
    if options.check:
        worse, name = losses(before, results.sections, tolerated), report.RESULTS.name
        print("\n".join(["", *worse]) if worse else f"\nno ratio is worse than in {name} by over {tolerated:.0%}")
        return 1 if worse else 0
    return 0
