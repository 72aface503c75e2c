"""How the model fares."""

from __future__ import annotations

import argparse
from pathlib import Path

from records.commands.options import Commands, Refusal, as_moment, show_document, the_ledger, the_ring


def add(commands: Commands) -> None:
    """Declare the command."""
    performance = commands.add(
        "performance", _run, "what models said against what became of the loans, by month of decision"
    )
    performance.add_argument("--since", metavar="TIME", help="of decisions from then on, such as 2026-11-30")
    performance.add_argument("--until", metavar="TIME", help="not included")
    performance.add_argument("--page", type=Path, metavar="FILE", help="also as a page with plots, HTML")
    performance.add_argument("--metrics", type=Path, metavar="FILE", help="also as gauges, in Prometheus's text format")


def _run(options: argparse.Namespace) -> int:
    from records.commands.progress import Progress
    from records.performance.cohorts import cohorts, trained_on
    from records.performance.measuring import measured
    from records.performance.metrics import exposition
    from records.performance.page import page
    from records.performance.report import SELECTED, lines
    from records.reading import Archive

    ledger, ring = the_ledger(options), the_ring(options)
    kept = Archive(ledger, ring).all(as_moment(options.since) or 0, as_moment(options.until))
    whole = options.since is None and options.until is None
    with Progress("decisions", ledger.count() if whole else None) as progress:
        found = cohorts(ledger, ring, kept, progress.add)
    if not found:
        raise Refusal("no decisions of this time in this store; nothing was written")
    performances = [measured(model, months, trained_on(ledger, model)) for model, months in found.items()]
    if options.page is not None:
        _write(options.page, page(performances).encode())
    if options.metrics is not None:
        _write(options.metrics, exposition(performances))
    if options.json:
        show_document([each.document() for each in performances], options)
    else:
        for each in performances:
            print(*lines(each), "", sep="\n")
        print(SELECTED)
    return 0


def _write(path: Path, content: bytes) -> None:
    """The file is there whole or not at all: whoever collects metrics reads it at any time."""
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_bytes(content)
        new.replace(path)
    except OSError as exc:
        new.unlink(missing_ok=True)
        raise Refusal(f"{path}: {exc.strerror}") from None
