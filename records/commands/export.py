"""Decisions for whoever analyses them."""

from __future__ import annotations

import argparse
from pathlib import Path

from records.commands.options import Commands, Refusal, as_moment, show_document, the_ledger, the_ring


def add(commands: Commands) -> None:
    """Declare the command."""
    export = commands.add("export", _run, "decisions in the clear, to a file of Parquet")
    export.add_argument("file", type=Path)
    export.add_argument("--since", metavar="TIME", help="such as 2026-11-30, or 2026-11-30T12:00:00Z")
    export.add_argument("--until", metavar="TIME", help="not included")
    export.add_argument("--received", action="store_true", help="with the applications as they were received, too")


def _run(options: argparse.Namespace) -> int:
    from records.commands.progress import Progress
    from records.reading import Archive
    from records.upkeep.export import export

    ledger, ring = the_ledger(options), the_ring(options)
    kept = Archive(ledger, ring).all(as_moment(options.since) or 0, as_moment(options.until))
    whole = options.since is None and options.until is None
    try:
        with Progress("decisions", ledger.count() if whole else None) as progress:
            for written in export(ledger, ring, kept, options.file, received=options.received):
                progress.add(written)
    except OSError as exc:
        raise Refusal(f"{options.file}: {exc.strerror}") from None
    if options.json:
        show_document({"file": str(options.file), "decisions": progress.done}, options)
    else:
        print(f"{options.file}: {progress.done} decisions, in the clear; keep it as you keep the key file")
    return 0
