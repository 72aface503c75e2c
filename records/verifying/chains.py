"""Whether all that was kept is there as it was written: chains, the names of what was decided by, and checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from records.chain import Entry, Head, Writer, broken
from records.checkpoints.checkpoint import EVENTS, Witnessed, name_of
from records.checkpoints.comparing import Comparison, of_entry, told
from records.moments import as_time, from_time
from records.stores.base import Store

CLOCKS_APART = 2 * 3600 * 1_000_000
"""Microseconds that clocks of workers and of checkpoints may be apart."""


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


def verify(store: Store, witnessed: Witnessed | None = None) -> Iterator[Verified]:
    """Look at every entry of a store, writer by writer.

    Args:
        store: may be written to meanwhile.
        witnessed: checkpoints that it must agree with.
    """
    for writer in store.writers():
        name = f"{name_of(writer.id)}, started {as_time(writer.started)}"
        faults = []
        basis = store.basis(writer.basis)
        if basis is None or basis.digest != writer.basis:
            faults.append(f"{name}: what it decided by is missing or changed")
        if witnessed is not None and (said := _unwitnessed(writer, witnessed)):
            faults.append(f"{name}: {said}")
        chain = None if witnessed is None else witnessed.chains.get(writer.id)
        comparison = None if chain is None else Comparison(chain)
        head, erased = writer.origin, 0
        purged: list[Purged] = []

        def entries(
            writer: Writer = writer, purged: list[Purged] = purged, comparison: Comparison | None = comparison
        ) -> Iterator[Entry]:
            nonlocal head, erased
            for entry in store.entries(writer):
                head = Head(entry.sequence, entry.hash)
                erased += entry.key is None
                if comparison is not None:
                    comparison.see(of_entry(entry))
                if not entry.content:
                    purged.append(Purged(entry.id, entry.hash))
                yield entry

        faults += told(name, ("entry", "entries"), list(broken(entries(), writer)), comparison)
        yield Verified(writer, head, erased, tuple(faults), purged)


def gone(found: Sequence[Verified], witnessed: Witnessed) -> list[str]:
    """Writers that checkpoints saw, and of which nothing is left; a line each."""
    left = witnessed.chains.keys() - {EVENTS, *(each.writer.id for each in found)}
    return [
        f"{name_of(writer)}: gone; checkpoint {chain.marks[-1].number} saw it with {chain.head.sequence} entries"
        for writer, chain in witnessed.chains.items()
        if writer in left
    ]


def _unwitnessed(writer: Writer, witnessed: Witnessed) -> str | None:
    """What is wrong with a writer that checkpoints should have seen otherwise."""
    chain, last = witnessed.chains.get(writer.id), witnessed.last
    if chain is not None:
        mark = chain.marks[0]
        changed = mark.head.sequence == 0 and mark.head != writer.origin
        return f"its start or what it decided by was changed since checkpoint {mark.number} saw it" if changed else None
    if last is not None and writer.started + CLOCKS_APART < from_time(last.time):
        return f"says that it started long before checkpoint {last.number}, which didn't see it: put in afterwards"
    return None
