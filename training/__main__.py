"""`python -m training`: the command line."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType

from decision import InvalidPolicyError
from preprocessing.contract import InvalidContractError
from scoring.artifact import ArtifactError
from training import draft, portfolio, rebuild
from training.book import read_book
from training.data import DataSummary, read_training_data
from training.errors import TrainingError
from training.metrics import NAMES
from training.pipeline import train

DEFAULT_OUT = Path("artifacts/model")
DEFAULT_BOOK = Path("artifacts/policy")
DEFAULT_VERSION = "1.0.0"


COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = MappingProxyType(
    {"draft": draft.main, "compare-policies": portfolio.main, "rebuild-tables": rebuild.main}
)
"""What else can be done; without one of these words, a model is trained."""


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the arguments say.

    Returns:
        0 when the artifact is written, 1 when the data or the folder won't do.
    """
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in COMMANDS:
        return COMMANDS[argv[0]](argv[1:])
    arguments = _parser().parse_args(argv)
    try:
        book = read_book(arguments.book, arguments.policy)
        data = read_training_data(arguments.data, book.contract)
        _tell(arguments.data, data.summary)
        artifact = train(book, data, arguments.out, created=arguments.date, version=arguments.version)
    except (TrainingError, ArtifactError, InvalidContractError, InvalidPolicyError) as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    measured = artifact.manifest.evaluation["model"]
    for name, label in NAMES.items():
        print(f"{label:>8}  {measured[name]['mean']:.4f} ± {measured[name]['sd']:.4f}")
    for name, digest in artifact.digests.items():
        print(f"{digest}  {name}")
    print(f"wrote {artifact.manifest.name} {artifact.manifest.version} to {arguments.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Train the credit risk model.",
        epilog="other commands: " + ", ".join(COMMANDS),
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help="past loans, CSV or Parquet")
    parser.add_argument(
        "--book", type=Path, default=DEFAULT_BOOK, metavar="FOLDER",
        help="contract, policy, reasons and golden applications of the loan book (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=DEFAULT_OUT, metavar="FOLDER", help="folder to replace (default: %(default)s)"
    )
    parser.add_argument(
        "--policy", type=Path, metavar="FILE",
        help="whose marginally approved applicants attributions compare with (default: the book's own)",
    )  # fmt: skip
    parser.add_argument(
        "--date",
        type=_date,
        default=datetime.now().astimezone().date(),
        metavar="YYYY-MM-DD",
        help="date to state (default: today)",
    )
    parser.add_argument(
        "--version", type=_version, default=DEFAULT_VERSION, metavar="X.Y.Z",
        help="of the model; any change of an artifact needs a new one (default: %(default)s, the first)",
    )  # fmt: skip
    return parser


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("not a date; write it as YYYY-MM-DD") from None


def _version(text: str) -> str:
    if not re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", text):
        raise argparse.ArgumentTypeError("not a version; write it as X.Y.Z")
    return text


def _tell(path: Path, summary: DataSummary) -> None:
    if summary.ignored_columns:
        print(f"warning: {path}: ignored column {', '.join(summary.ignored_columns)}", file=sys.stderr)
    print(
        f"read {summary.rows_read} rows; dropped {summary.rows_outside_contract} outside the contract "
        f"and {summary.duplicates} duplicates; {summary.rows_used} left, {summary.defaults} of them defaults"
    )
    for refusal, count in summary.refusals.items():
        print(f"  {count}: {refusal}")


if __name__ == "__main__":
    sys.exit(main())
