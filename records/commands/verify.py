"""Whether a store is whole."""

from __future__ import annotations

import argparse
import sys

from records.commands.options import Commands, show_document, the_store


def add(commands: Commands) -> None:
    """Declare the command."""
    commands.add("verify", _run, "whether every entry is there as it was written")


def _run(options: argparse.Namespace) -> int:
    from records.verifying import verify

    found = list(verify(the_store(options)))
    faults = [fault for each in found for fault in each.faults]
    counts = {
        "writers": len(found),
        "entries": sum(each.head.sequence for each in found),
        "erased": sum(each.erased for each in found),
        "faults": faults,
        "heads": [
            {"writer": each.writer.id.hex(), "sequence": each.head.sequence, "hash": each.head.hash.hex()}
            for each in found
        ],
    }
    if options.json:
        show_document(counts, options)
    else:
        print(f"{counts['entries']} entries of {counts['writers']} writers, {counts['erased']} erased")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0
