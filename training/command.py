"""`python -m training`: train, and tell what came of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.book import Notes, read_book
from training.data import DataSummary, read_training_data
from training.metrics import NAMES
from training.pipeline import train


def run(options: argparse.Namespace) -> None:
    """Train as the options say."""
    book = read_book(options.book, options.policy, directions=not options.without_directions)
    data = read_training_data(options.data, book.contract)
    _tell(options.data, data.summary, book.notes)
    artifact = train(
        book,
        data,
        options.out,
        created=options.date,
        version=options.version,
        replace=options.replace,
        quick=options.quick,
    )
    for split, figures in _splits(artifact.manifest.evaluation):
        columns = {"model": figures["model"], "without directions": figures["without_directions"]}
        print(f"{split:<24}" + "".join(f"{title:>22}" for title in columns))
        for name, label in NAMES.items():
            measured = [f"{each[name]['mean']:.4f} ± {each[name]['sd']:.4f}" for each in columns.values()]
            print(f"{label:<24}" + "".join(f"{text:>22}" for text in measured))
    for name, digest in artifact.digests.items():
        print(f"{digest}  {name}")
    print(f"wrote {artifact.manifest.name} {artifact.manifest.version} to {options.out}")


def _splits(evaluation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "near-duplicates together", evaluation
    if "disjoint" in evaluation:
        yield "disjoint", evaluation["disjoint"]


def _tell(path: Path, summary: DataSummary, notes: Notes) -> None:
    if notes.sha256 not in ("", summary.sha256):
        print(
            f"warning: {path}: its sha256 is {summary.sha256}, not {notes.sha256} of the file that the book's notes "
            "speak of; the model card goes without them",
            file=sys.stderr,
        )
    if summary.ignored_columns:
        print(f"warning: {path}: ignored column {', '.join(summary.ignored_columns)}", file=sys.stderr)
    print(
        f"read {summary.rows_read} rows; dropped {summary.rows_outside_contract} outside the contract "
        f"and {summary.duplicates} duplicates; {summary.rows_used} left, {summary.defaults} of them defaults"
    )
    for refusal, count in summary.refusals.items():
        print(f"  {count}: {refusal}")
