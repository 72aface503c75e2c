"""The next checkpoint of a store: nothing is signed that doesn't follow what was signed before."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

from records.chain import Entry, Fault, Head, Writer, broken, fingerprint
from records.checkpoints.checkpoint import EVENTS, Checkpoint, Moved, Witnessed, name_of
from records.errors import CheckpointError
from records.events import event
from records.moments import as_time, now
from records.stores.ledger import Ledger


class _Link(Protocol):
    """Of any chain."""

    @property
    def sequence(self) -> int:
        """Its place."""

    @property
    def hash(self) -> bytes:
        """Over it and the one before it."""


L = TypeVar("L", bound=_Link)


@dataclass(frozen=True)
class _Chained(Generic[L]):
    """A chain of a store.

    Attributes:
        id: whose it is.
        origin: what it begins with.
        links: those behind a sequence.
        broken: what is wrong with links behind a head.
        fingerprint: of a link.
    """

    id: bytes
    origin: Head
    links: Callable[[int], Iterator[L]]
    broken: Callable[[Iterable[L], Head], Iterator[Fault]]
    fingerprint: Callable[[L], bytes]

    def moved(self, witnessed: Witnessed) -> Moved | None:
        """Where it has come to since the last checkpoint; None where that is known.

        Raises:
            CheckpointError: it is broken behind that, or no longer what it was.
        """
        chain = witnessed.chains.get(self.id)
        known = self.origin if chain is None else chain.head
        head, told = known, bytearray()

        def new() -> Iterator[L]:
            nonlocal head
            for link in self._behind(known):
                head = Head(link.sequence, link.hash)
                told.extend(self.fingerprint(link))
                yield link

        for fault in self.broken(new(), known):
            raise _refused(self.id, f"entry {fault.sequence}: {fault.what}")
        if chain is not None and head == known:
            return None
        fingerprints = base64.b64encode(told).decode()
        return Moved(writer=self.id.hex(), sequence=head.sequence, hash=head.hash.hex(), fingerprints=fingerprints)

    def _behind(self, known: Head) -> Iterator[L]:
        """The links behind a head, which must still be there."""
        if known.sequence == 0:
            if known != self.origin:
                raise _refused(self.id, "is no longer who it was")
            yield from self.links(0)
            return
        links = self.links(known.sequence - 1)
        last = next(links, None)
        if last is None or (last.sequence, last.hash) != known:
            raise _refused(self.id, f"entry {known.sequence}: missing, or no longer what it was")
        yield from links


def next_checkpoint(ledger: Ledger, witnessed: Witnessed) -> Checkpoint:
    """What all chains have come to. Only what is behind the last checkpoint is read, and each chain's last before it.

    Args:
        ledger: the store; may be written to meanwhile.
        witnessed: what was signed before.

    Raises:
        CheckpointError: a chain is broken, or no longer what it was.
    """
    writers = ledger.writers()
    if gone := witnessed.chains.keys() - {EVENTS, *(writer.id for writer in writers)}:
        raise _refused(min(gone), "is gone")
    moved = [_of(ledger, writer).moved(witnessed) for writer in writers]
    events = _Chained(EVENTS, event.ORIGIN, ledger.events, event.broken, event.fingerprint).moved(witnessed)
    if events is not None and events.sequence:  # nothing was told yet, of many stores for ever
        moved.append(events)
    return witnessed.following(as_time(now()), tuple(each for each in moved if each is not None))


def _of(ledger: Ledger, writer: Writer) -> _Chained[Entry]:
    return _Chained(
        writer.id,
        writer.origin,
        partial(ledger.entries, writer),
        lambda entries, head: broken(entries, writer, head),
        fingerprint,
    )


def _refused(chain: bytes, what: str) -> CheckpointError:
    return CheckpointError(
        f"{name_of(chain)}: {what}; nothing was signed; `python -m records verify --checkpoints` tells more"
    )
