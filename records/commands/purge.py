"""Content whose time is over."""

from __future__ import annotations

import argparse

from records.commands.options import Commands, Refusal, show_document, the_ledger
from records.upkeep.retention import MONTHS, last_day


def add(commands: Commands) -> None:
    """Declare the command."""
    purge = commands.add("purge", _run, "destroy the content of decisions whose time is over; without --yes, say which")
    purge.add_argument(
        "--months", type=int, default=MONTHS, help=f"after the notice; at least {MONTHS}, which is the default"
    )
    purge.add_argument("--yes", action="store_true", help="do it")


def _run(options: argparse.Namespace) -> int:
    from records.commands.progress import Progress
    from records.identifiers import as_text
    from records.upkeep.purge import found_until, purge

    if options.months < MONTHS:
        raise Refusal(f"--months: at least {MONTHS}; Regulation B has an application kept for that long")
    ledger, until = the_ledger(options), last_day(options.months)
    held, due, done = 0, list[str](), 0
    with Progress("decisions with an old notice") as progress:
        for found in found_until(ledger, until):
            held += len(found.held)
            due += [as_text(entry.id) for entry in found.due]
            if options.yes and found.due:
                done += purge(ledger, found.due, until)
            progress.add(len(found.due) + len(found.held))
    if done:
        ledger.clean()
    if options.json:
        counts = {"until": until.isoformat(), "due": len(due), "held": held, "purged": done}
        show_document(counts if options.yes else counts | {"decisions": due}, options)
    else:
        told = f"{done} decisions purged" if options.yes else f"{len(due)} decisions would be purged (do it by --yes)"
        print(f"{told}, notified on {until} or before; {held} are held")
    return 0
