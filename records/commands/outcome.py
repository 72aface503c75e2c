"""What became of loans."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from records.commands.options import Commands, Refusal, show_document, show_told, the_ledger, the_ring


def add(commands: Commands) -> None:
    """Declare the command."""
    outcome = commands.add("outcome", _run, "what became of loans, from a file; all of it, or nothing")
    outcome.add_argument(
        "file",
        type=Path,
        help="comma-separated, with a first line: decision_id or reference, defaulted (yes or no), date (of the "
        "default, or up to which the loan was watched), matured (yes or no: whether that is final)",
    )
    outcome.add_argument("--correct", action="store_true", help="a correction: in place of what was told before")


def _run(options: argparse.Namespace) -> int:
    from records.events.outcomes import OutcomesError, keep_outcomes, read_outcomes

    try:
        lines = read_outcomes(_text(options.file))
        kept = keep_outcomes(the_ledger(options), the_ring(options), lines, correct=options.correct)
    except OutcomesError as exc:
        if options.json:
            show_document({"problems": [problem._asdict() for problem in exc.problems]}, options)
        else:
            print(exc, file=sys.stderr)
        print(f"{len(exc.problems)} problems; nothing was kept", file=sys.stderr)
        return 1
    return show_told(kept, options)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        raise Refusal(f"{path}: {exc.strerror}") from None
    except UnicodeDecodeError:
        raise Refusal(f"{path}: not UTF-8; save it as that") from None
