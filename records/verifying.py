"""Whether all that was kept is there as it was written: chains, and the names of what was decided by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from records.chain import Entry, Head, Writer, broken
from records.reading import as_time
from records.stores.base import Store


class Purged(NamedTuple):
    """What is left of an entry without content.

    Attributes:
        id: of the decision.
        hash: of the entry.
    """

    id: bytes
    hash: bytes


class Verified(NamedTuple):
    """What was found of one writer.

    Attributes:
        writer: who wrote.
        head: where its chain ends, which a cut tail would put earlier.
        erased: entries whose keys are destroyed.
        faults: what is wrong, a line each.
        purged: entries without content; nothing here says whether they may be.
    """

    writer: Writer
    head: Head
    erased: int
    faults: tuple[str, ...]
    purged: Sequence[Purged] = ()


def verify(store: Store) -> Iterator[Verified]:
    """Look at every entry of a store, writer by writer."""
    for writer in store.writers():
        name = f"writer {UUID(bytes=writer.id)}, started {as_time(writer.started)}"
        faults = []
        basis = store.basis(writer.basis)
        if basis is None or basis.digest != writer.basis:
            faults.append(f"{name}: what it decided by is missing or changed")
        head, erased = writer.origin, 0
        purged: list[Purged] = []

        def entries(writer: Writer = writer, purged: list[Purged] = purged) -> Iterator[Entry]:
            nonlocal head, erased
            for entry in store.entries(writer):
                head = Head(entry.sequence, entry.hash)
                erased += entry.key is None
                if not entry.content:
                    purged.append(Purged(entry.id, entry.hash))
                yield entry

        faults += [f"{name}: entry {fault.sequence}: {fault.what}" for fault in broken(entries(), writer)]
        yield Verified(writer, head, erased, tuple(faults), purged)
