"""What was told of a decision, one by one and opened: who did what, and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from records.events.event import Event, Kind
from records.events.standing import from_day, opened
from records.keyring import KeyRing
from records.moments import as_time

HIDDEN = frozenset({"by", "names"})
"""Of the content: who it was stands beside it."""


class Act(NamedTuple):
    """One thing that was told.

    Attributes:
        sequence: its place in the chain of events.
        time: at which it was told, UTC, microseconds since 1970.
        kind: of what was told.
        by: who told it, as far as that was told.
        content: what else was told; None once it can't be opened any more.
    """

    sequence: int
    time: int
    kind: str
    by: str | None
    content: Mapping[str, Any] | None

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {"sequence": self.sequence, "time": as_time(self.time), "kind": self.kind, "by": self.by} | {
            "told": None if self.content is None else dict(self.content)
        }


def acts(events: Iterable[Event], key: bytes | None, ring: KeyRing) -> list[Act]:
    """What was told of a decision.

    Args:
        events: all of it, in order.
        key: its sealed data key; None once that is destroyed.
        ring: opens it.

    Raises:
        KeyRingError, SealBrokenError: something can't be opened.
    """
    return [_act(event, key, ring) for event in events]


def _act(event: Event, key: bytes | None, ring: KeyRing) -> Act:
    clear = {} if event.day is None else {"date": from_day(event.day).isoformat()}
    if event.kind == Kind.PURGED:
        return Act(event.sequence, event.time, event.kind, None, {})
    if key is None and event.content is not None:
        return Act(event.sequence, event.time, event.kind, None, clear or None)
    content = {} if key is None else opened(event, key, ring)
    told = clear | {name: value for name, value in content.items() if name not in HIDDEN}
    return Act(event.sequence, event.time, event.kind, content.get("by"), told)
