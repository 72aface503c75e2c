"""Every row's answer, as the service gives it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portfolio.commands.options import add_model, the_assessor
from records.commands.options import Commands, Refusal

if TYPE_CHECKING:
    from portfolio.running.engine import Engine
    from portfolio.running.progress import Progress

PART_ROWS = 100_000
MOST_SHOWN = 12
"""Kinds of errors in the closing table."""


def add(commands: Commands) -> None:
    """Declare the command."""
    score = commands.add(
        "score", _run, "answer every row of Parquet or CSV; run again, it goes on where it was ended", stored=False
    )
    score.add_argument("input", metavar="IN", type=Path, help="a file, or a folder, partitioned or not")
    score.add_argument("output", metavar="OUT", type=Path, help="a folder, for this input alone")
    add_model(score)
    score.add_argument("--keys", metavar="A,B", type=_names, default=(), help="columns that go along with the answers")
    score.add_argument("--no-reasons", action="store_true", help="decisions, PD and score alone, which is faster")
    score.add_argument("--explain", action="store_true", help="with the attributions of all scored fields")
    score.add_argument(
        "--values", action="store_true", help="the quarantine tells wrong values too, not only row, field and kind"
    )
    score.add_argument("--max-bad", metavar="SHARE", type=_share, help="end when more of all rows are bad, such as .02")
    score.add_argument(
        "--engine",
        metavar="WHICH",
        type=_engine,
        default="local",
        help="local, ray (the cluster at RAY_ADDRESS, else a new one here), or a cluster's address (default: local)",
    )
    score.add_argument("--workers", metavar="N", type=_count, help="processes of this machine (default: its cores)")
    score.add_argument(
        "--part-rows", metavar="N", type=_count, default=PART_ROWS, help=f"rows of a part (default: {PART_ROWS})"
    )
    score.add_argument("--json", action="store_true", help="for programs: the closing table as a document")
    score.add_argument("--quiet", action="store_true", help="don't tell how far it has come")


def _run(options: argparse.Namespace) -> int:
    from portfolio.assessor import Options
    from portfolio.running.plan import encoded
    from portfolio.running.run import job_of, open_input, run

    asked = Options(reasons=not options.no_reasons, explain=options.explain, keys=options.keys, values=options.values)
    assessor = the_assessor(options)
    opened = open_input(options.input, assessor, asked, options.part_rows)
    if options.output.resolve().is_relative_to(options.input.resolve()):
        raise Refusal(f"{options.output}: lies in the input; name a folder elsewhere")
    job = job_of(opened, assessor, asked, options.output, options.part_rows)

    def watch(rows: int, done: int, bad: int) -> Progress:
        from portfolio.running.progress import Progress

        if done and not options.quiet:
            print(f"{options.output}: {done:,} rows are done already", file=sys.stderr)
        return Progress(rows, done, bad, quiet=options.quiet)

    manifest, kept = run(job, _the_engine(options), watch, options.max_bad)
    if options.json:
        sys.stdout.write(encoded({key: value for key, value in manifest.items() if key != "parts"}).decode())
    else:
        print(*closing_table(manifest, kept), sep="\n")
    return 0


def closing_table(manifest: dict[str, Any], kept: int) -> list[str]:
    """What came of it, for people.

    Args:
        manifest: of all parts.
        kept: parts that were done before.
    """
    rows, again = manifest["rows"], f", {kept} of them before" if kept else ""
    lines = [f"{rows:,} rows in {len(manifest['parts'])} parts{again}"]
    of = {**manifest["decisions"], "answered": manifest["answered"], "quarantined": manifest["quarantined"]}
    lines += [f"  {name:<24}{count:>14,}{count / rows if rows else 0:>9.2%}" for name, count in of.items()]
    wrong = sorted(manifest["wrong"], key=lambda each: -each["count"])
    lines += [f"    {each['field'] or 'row'}: {each['kind']:<24} {each['count']:,}" for each in wrong[:MOST_SHOWN]]
    if len(wrong) > MOST_SHOWN:
        lines.append(f"    and {len(wrong) - MOST_SHOWN} kinds more")
    model = f"{manifest['model_name']} {manifest['model_version']}"
    return [*lines, f"  by {model}, policy {manifest['policy_version']}"]


def _the_engine(options: argparse.Namespace) -> Engine:
    workers = options.workers or len(os.sched_getaffinity(0))
    if options.engine == "local":
        from portfolio.running.pool import Pool

        return Pool(workers)
    from portfolio.running.cluster import Cluster

    return Cluster(None if options.engine == "ray" else options.engine, workers)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _share(text: str) -> float:
    if not 0 <= (share := float(text)) <= 1:
        raise argparse.ArgumentTypeError("a share lies between 0 and 1, such as .02")
    return share


def _count(text: str) -> int:
    if (count := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return count


def _engine(text: str) -> str:
    if text not in {"local", "ray"} and not text.rpartition(":")[2].isdecimal():
        raise argparse.ArgumentTypeError("local, ray, or an address such as ray://head:10001")
    return text
