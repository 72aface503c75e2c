"""`python -m training`: train, and tell what came of it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from training.book import Notes, read_book
from training.data import DataSummary, read_training_data
from training.metrics import NAMES
from training.pipeline import train


def run(options: argparse.Namespace) -> None:
    """Train as the options say."""
    book = read_book(options.book, options.policy)
    data = read_training_data(options.data, book.contract)
    _tell(options.data, data.summary, book.notes)
    artifact = train(book, data, options.out, created=options.date, version=options.version, replace=options.replace)
    measured = artifact.manifest.evaluation["model"]
    for name, label in NAMES.items():
        print(f"{label:>8}  {measured[name]['mean']:.4f} ± {measured[name]['sd']:.4f}")
    for name, digest in artifact.digests.items():
        print(f"{digest}  {name}")
    print(f"wrote {artifact.manifest.name} {artifact.manifest.version} to {options.out}")


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
