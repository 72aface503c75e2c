"""Whether a store is whole."""

from __future__ import annotations

import argparse
import sys

from records.commands.options import Commands, show_document, the_ledger


def add(commands: Commands) -> None:
    """Declare the command."""
    commands.add("verify", _run, "whether every entry is there as it was written")


def _run(options: argparse.Namespace) -> int:
    from records.upkeep.purged import faults_of_events
    from records.verifying import verify

    ledger = the_ledger(options)
    found = list(verify(ledger))
    faults = [fault for each in found for fault in each.faults]
    faults += faults_of_events(ledger, found)
    counts = {
        "writers": len(found),
        "entries": sum(each.head.sequence for each in found),
        "erased": sum(each.erased - len(each.purged) for each in found),
        "purged": sum(len(each.purged) for each in found),
        "faults": faults,
        "heads": [
            {"writer": each.writer.id.hex(), "sequence": each.head.sequence, "hash": each.head.hash.hex()}
            for each in found
        ],
    }
    if options.json:
        show_document(counts, options)
    else:
        left = f"{counts['erased']} erased, {counts['purged']} purged"
        print(f"{counts['entries']} entries of {counts['writers']} writers, {left}")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0
