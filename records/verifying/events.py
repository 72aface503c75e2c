"""Whether what has no content any more was purged, and whether what was told is as it was told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from records.checkpoints.checkpoint import EVENTS, Witnessed, name_of
from records.checkpoints.comparing import Comparison, of_event, told
from records.events.event import Event, Kind, broken
from records.identifiers import as_text
from records.stores.ledger import Ledger, in_steps
from records.verifying.chains import Verified


def faults_of_events(ledger: Ledger, found: Sequence[Verified], witnessed: Witnessed | None = None) -> Iterator[str]:
    """What is wrong with a store's events, and with content that is gone; a line each.

    Args:
        ledger: the store.
        found: of its chains.
        witnessed: checkpoints that it must agree with.
    """
    chain = None if witnessed is None else witnessed.chains.get(EVENTS)
    comparison = None if chain is None else Comparison(chain)

    def events() -> Iterator[Event]:
        for event in ledger.events():
            if comparison is not None:
                comparison.see(of_event(event))
            yield event

    yield from told(name_of(EVENTS), ("event", "events"), list(broken(events())), comparison)
    for each in found:
        for step in in_steps(each.purged):
            purged = {
                event.decision: event for event in ledger.told([gone.id for gone in step]) if event.kind == Kind.PURGED
            }
            for gone in step:
                event = purged.get(gone.id)
                if event is None or event.content != gone.hash:
                    yield f"decision {as_text(gone.id)}: its content is gone, and it was not purged"
