"""Whether a store is whole."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from records.commands.options import Commands, Refusal, add_trust, show_document, the_ledger

if TYPE_CHECKING:
    from records.checkpoints.checkpoint import Witnessed
    from records.verifying.chains import Verified


def add(commands: Commands) -> None:
    """Declare the command."""
    verify = commands.add("verify", _run, "whether every entry is there as it was written")
    verify.add_argument("--checkpoints", metavar="PLACE", help="a file or URL that `checkpoint` has written")
    add_trust(verify, "a public key that has signed them")


def _run(options: argparse.Namespace) -> int:
    from records.verifying.chains import gone, verify
    from records.verifying.events import faults_of_events

    witnessed, ledger = _witnessed(options), the_ledger(options)
    found = list(verify(ledger, witnessed))
    faults = [fault for each in found for fault in each.faults]
    faults += faults_of_events(ledger, found, witnessed)
    faults += [] if witnessed is None else gone(found, witnessed)
    counts: dict[str, Any] = {
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
    seen = None if witnessed is None else _seen(found, witnessed)
    if options.json:
        show_document(counts | ({} if seen is None else {"checkpoints": seen}), options)
    else:
        left = f"{counts['erased']} erased, {counts['purged']} purged"
        print(f"{counts['entries']} entries of {counts['writers']} writers, {left}")
        if seen is not None:
            print(f"{seen['number']} checkpoints, the last at {seen['time']}; {seen['later']} entries are later")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _witnessed(options: argparse.Namespace) -> Witnessed | None:
    if options.checkpoints is None:
        return None
    if not options.trusted_key:
        raise Refusal("--checkpoints: whose? give the public key that has signed them by --trusted-key")
    from records.checkpoints.checkpoint import read_row
    from records.checkpoints.envelopes import read_trusted_keys
    from records.checkpoints.places import place, read_authorization

    keys = read_trusted_keys(options.trusted_key)
    at = place(options.checkpoints, read_authorization(options.authorization))
    witnessed = read_row(at.contents(), keys, str(at))
    if witnessed.last is None:
        raise Refusal(f"{at}: there are no checkpoints; name what `python -m records checkpoint` has written")
    return witnessed


def _seen(found: list[Verified], witnessed: Witnessed) -> dict[str, Any]:
    assert witnessed.last is not None
    later = sum(
        max(0, each.head.sequence - (chain.head.sequence if (chain := witnessed.chains.get(each.writer.id)) else 0))
        for each in found
    )
    return {
        "number": witnessed.last.number,
        "time": witnessed.last.time,
        "signed_by": sorted(witnessed.signed_by),
        "later": later,
    }
