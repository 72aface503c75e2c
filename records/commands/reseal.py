"""Data keys under the newest key."""

from __future__ import annotations

import argparse

from records.commands.options import Commands, show_document, the_ledger, the_ring


def add(commands: Commands) -> None:
    """Declare the command."""
    commands.add("reseal", _run, "seal all data keys anew by the newest key, so that an older one can be thrown away")


def _run(options: argparse.Namespace) -> int:
    from records.commands.progress import Progress
    from records.upkeep.resealing import reseal

    ledger, ring = the_ledger(options), the_ring(options)
    resealed = 0
    with Progress("data keys", ledger.count_sealed()) as progress:
        for step in reseal(ledger, ring):
            resealed += step.resealed
            progress.add(step.looked_at)
    if resealed:
        ledger.clean()
    if options.json:
        show_document({"key": ring.current, "data_keys": progress.done, "resealed": resealed}, options)
    else:
        told = f"{resealed} of {progress.done} data keys sealed anew by key {ring.current}"
        print(f"{told}; the others were, or are destroyed")
    return 0
