"""How a portfolio lies against what the model was trained on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from portfolio.commands.options import add_model, the_assessor, writable, write
from records.commands.options import Commands, Refusal

BLOCK_ROWS = 5_000
PART_ROWS = 100_000


def add(commands: Commands) -> None:
    """Declare the command."""
    monitor = commands.add(
        "monitor", _run, "fields, PD and decisions of Parquet or CSV against the training data", stored=False
    )
    monitor.add_argument("input", metavar="IN", type=Path, help="a file, or a folder, partitioned or not")
    add_model(monitor)
    monitor.add_argument("--metrics", type=Path, metavar="FILE", help="also as gauges, in Prometheus's text format")
    monitor.add_argument("--name", metavar="NAME", help="the gauges' label `portfolio` (default: IN's own name)")
    monitor.add_argument("--json", action="store_true", help="for programs")
    monitor.add_argument("--quiet", action="store_true", help="don't tell how far it has come")


def _run(options: argparse.Namespace) -> int:
    from portfolio.assessor import Options
    from portfolio.monitoring.counting import monitor
    from portfolio.monitoring.metrics import exposition
    from portfolio.monitoring.report import lines
    from portfolio.reading.reading import blocks_of
    from portfolio.running.progress import Progress
    from portfolio.running.run import open_input

    if options.name is not None and options.metrics is None:
        raise Refusal("--name is for the gauges; give --metrics as well")
    if options.metrics is not None:
        writable(options.metrics)
    assessor = the_assessor(options)
    source, parts = open_input(options.input, assessor, Options(), PART_ROWS)
    with Progress(source.rows, quiet=options.quiet) as progress:
        findings = monitor(
            assessor,
            (block for part in parts for block in blocks_of(source, part, BLOCK_ROWS)),
            options=Options(text=source.kind == "csv"),
            told=lambda rows, bad: progress.finished(0, rows, bad),
        )
    if options.metrics is not None:
        # A collector runs as somebody else, and there is nobody's application in it.
        write(options.metrics, exposition(findings, options.name or options.input.resolve().name), 0o644)
    if options.json:
        print(json.dumps(findings.document(), ensure_ascii=False))
    else:
        print(*lines(findings), sep="\n")
    return 0
