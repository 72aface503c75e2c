"""Whether what has no content any more was purged, and whether what was told is as it was told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from records.events.event import Kind, broken
from records.identifiers import as_text
from records.stores.ledger import Ledger, in_steps
from records.verifying import Verified


def faults_of_events(ledger: Ledger, found: Sequence[Verified]) -> Iterator[str]:
    """What is wrong with a store's events, and with content that is gone; a line each.

    Args:
        ledger: the store.
        found: of its chains.
    """
    yield from (f"events: event {fault.sequence}: {fault.what}" for fault in broken(ledger.events()))
    for each in found:
        for step in in_steps(each.purged):
            told = {
                event.decision: event for event in ledger.told([gone.id for gone in step]) if event.kind == Kind.PURGED
            }
            for gone in step:
                event = told.get(gone.id)
                if event is None or event.content != gone.hash:
                    yield f"decision {as_text(gone.id)}: its content is gone, and it was not purged"
