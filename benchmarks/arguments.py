"""The command line's options. Imports nothing that takes time: `--help` is for people who wait for it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

PARTS = (
    *("throughput", "latency", "batches", "explanations", "neighbours", "workers", "tracing", "book", "overload"),
    *("starting", "growth", "curves"),
)
"""Modules of benchmarks.sections, in the order in which they are run: what may leave traces in servers comes last."""

ON_REQUEST = ("growth", "curves")
"""Only run where they are named: no target is about them."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="The bundle against its peers.",
        epilog="exit code: 0 measured, 1 a ratio has become worse (--check), 2 no results, or wrong arguments",
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument(
        "--servers", nargs="+", metavar="NAME", help="of the throughput, only these (default: all there are)"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round; whole ones")
    parser.add_argument(
        "--quick", action="store_true", help="one round of one second, three with --check: a trial, no measurement"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this new file")
    parser.add_argument("--replace", action="store_true", help="replace the file that --json names")
    parser.add_argument("--check", action="store_true", help="compare ratios with results.json")
    parser.add_argument(
        "--render", nargs="+", type=Path, metavar="FILE",
        help="measure nothing; publish these runs: replaces results.json, results.svg and the tables of RESULTS.md",
    )  # fmt: skip
    return parser.parse_args(arguments)
