"""One decision."""

from __future__ import annotations

import argparse

from records.commands.options import Commands, show_document, the_decision, the_ledger, the_ring


def add(commands: Commands) -> None:
    """Declare the command."""
    commands.add("show", _run, "one decision, by its id").add_argument("id")


def _run(options: argparse.Namespace) -> int:
    from records.events.acts import acts
    from records.events.standing import standing
    from records.reading import Archive

    ledger, ring = the_ledger(options), the_ring(options)
    kept = the_decision(Archive(ledger, ring), options.id)
    told = ledger.told([kept.entry.id])
    stands = standing(told, kept.entry.key, ring)
    done = [act.document() for act in acts(told, kept.entry.key, ring)]
    show_document(kept.document() | stands.document() | {"events": done}, options)
    return 0
