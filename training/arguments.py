"""The command line's options. Imports nothing that takes time: `--help` is for people who wait for it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType

MODEL = Path("artifacts/model")
BOOK = Path("artifacts/policy")
TRAINED = Path("trained")
"""Holds a folder for each version: what is trained replaces nothing unless somebody says so."""

ENCODINGS = ("utf-8", "latin-1", "cp1252", "utf-16")
"""As the contract's `file.encoding` may be; a test holds the two together."""

EXIT_CODES = "exit code: 0 done, 1 refused, with one line on standard error, 2 wrong arguments"


def train() -> argparse.ArgumentParser:
    """Of `python -m training`."""
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Train the credit risk model.",
        epilog=f"other commands: {', '.join(PARSERS)}; {EXIT_CODES}",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help="past loans, CSV or Parquet")
    parser.add_argument(
        "--book", type=Path, default=BOOK, metavar="FOLDER",
        help="contract, policy, reasons and golden applications of the loan book (default: %(default)s)",
    )  # fmt: skip
    _add_out(parser)
    parser.add_argument(
        "--policy", type=Path, metavar="FILE",
        help="whose marginally approved applicants attributions compare with (default: the book's own)",
    )  # fmt: skip
    parser.add_argument(
        "--without-directions", action="store_true",
        help="let every field's risk go either way, and take the directions out of the artifact's contract",
    )  # fmt: skip
    parser.add_argument(
        "--quick", action="store_true",
        help="leave out of the report what takes many models more: the search for alternatives, other seeds and folds",
    )  # fmt: skip
    parser.add_argument(
        "--date",
        type=_date,
        default=datetime.now().astimezone().date(),
        metavar="YYYY-MM-DD",
        help="date to state (default: today)",
    )
    parser.add_argument(
        "--version", type=_version, default="1.0.0", metavar="X.Y.Z",
        help="of the model; any change of an artifact needs a new one (default: %(default)s, the first)",
    )  # fmt: skip
    return parser


def rebuild_tables() -> argparse.ArgumentParser:
    """Of `python -m training rebuild-tables`."""
    parser = argparse.ArgumentParser(
        prog="python -m training rebuild-tables",
        description="Make tables for another reference population for the same model, without refitting it.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help="the data the model was trained on")
    parser.add_argument("--policy", type=Path, required=True, metavar="FILE", help="whose approvals to compare with")
    parser.add_argument("--version", type=_version, required=True, metavar="X.Y.Z", help="of the rebuilt artifact")
    parser.add_argument("--model", type=Path, default=MODEL, metavar="FOLDER", help="artifact (default: %(default)s)")
    _add_out(parser)
    return parser


def draft() -> argparse.ArgumentParser:
    """Of `python -m training draft`."""
    parser = argparse.ArgumentParser(
        prog="python -m training draft",
        description="Draft a loan book's contract, reasons, policy and golden applications from a file; train nothing.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help="past loans, CSV or Parquet")
    parser.add_argument(
        "--label", required=True, metavar="COLUMN", help="what became of them; column_N without a header"
    )
    parser.add_argument(
        "--defaulted", required=True, action="append", metavar="VALUE", help="of the label; may be given again"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a new folder")
    parser.add_argument("--delimiter", default=",", metavar="CHARACTER", help="of CSV (default: a comma); tab for tabs")
    parser.add_argument("--no-header", action="store_true", help="CSV whose first line is a row: column_1, column_2, …")
    parser.add_argument("--encoding", default="utf-8", choices=ENCODINGS, help="of CSV (default: %(default)s)")
    return parser


def sign() -> argparse.ArgumentParser:
    """Of `python -m training sign`."""
    parser = argparse.ArgumentParser(
        prog="python -m training sign",
        description="Sign every file of a model's or a policy's folder, for imports that trust the key.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="such as artifacts/model or artifacts/policy")
    parser.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="a private key on P-256, in PEM, outside of the folder"
    )
    return parser


PARSERS: Mapping[str, Callable[[], argparse.ArgumentParser]] = MappingProxyType(
    {"draft": draft, "rebuild-tables": rebuild_tables, "sign": sign}
)
"""What else can be done; without one of these words, a model is trained."""


def parse(argv: Sequence[str]) -> tuple[str, argparse.Namespace]:
    """The command's name, and its options; `out` is a folder."""
    command = argv[0] if argv and argv[0] in PARSERS else "train"
    options = train().parse_args(argv) if command == "train" else PARSERS[command]().parse_args(argv[1:])
    if "out" in options and options.out is None:
        options.out = TRAINED / options.version
    return command, options


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER",
        help=f"a new folder to write the artifact to (default: {TRAINED}/X.Y.Z, after its version)",
    )  # fmt: skip
    parser.add_argument("--replace", action="store_true", help="replace the artifact that --out holds")


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("not a date; write it as YYYY-MM-DD") from None


def _version(text: str) -> str:
    if not re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", text):
        raise argparse.ArgumentTypeError("not a version; write it as X.Y.Z")
    return text
