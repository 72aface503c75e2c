"""The next checkpoint of a store: nothing is signed that doesn't follow what was signed before."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from uuid import UUID

from records.chain import Entry, Head, Writer, broken, fingerprint
from records.checkpoints.checkpoint import Chain, Checkpoint, Moved, Witnessed
from records.errors import CheckpointError
from records.reading import as_time
from records.stores.base import Store


def next_checkpoint(store: Store, witnessed: Witnessed) -> Checkpoint:
    """What all chains have come to. Only entries behind the last checkpoint are read, and each chain's last before it.

    Args:
        store: may be written to meanwhile.
        witnessed: what was signed before.

    Raises:
        CheckpointError: a chain is broken, or no longer what it was.
    """
    writers = store.writers()
    if gone := witnessed.chains.keys() - {writer.id for writer in writers}:
        raise _refused(min(gone), "is gone")
    moved = [each for writer in writers if (each := _moved(store, writer, witnessed.chains.get(writer.id)))]
    return witnessed.following(as_time(time.time_ns() // 1000), tuple(moved))


def _moved(store: Store, writer: Writer, chain: Chain | None) -> Moved | None:
    known = writer.origin if chain is None else chain.head
    head, told = known, bytearray()

    def new() -> Iterator[Entry]:
        nonlocal head
        for entry in _behind(store, writer, known):
            head = Head(entry.sequence, entry.hash)
            told.extend(fingerprint(entry))
            yield entry

    for fault in broken(new(), writer, known):
        raise _refused(writer.id, f"entry {fault.sequence}: {fault.what}")
    if chain is not None and head == known:
        return None
    return Moved(
        writer=writer.id.hex(),
        sequence=head.sequence,
        hash=head.hash.hex(),
        fingerprints=base64.b64encode(told).decode(),
    )


def _behind(store: Store, writer: Writer, known: Head) -> Iterator[Entry]:
    """The entries behind a head, which must still be there."""
    if known.sequence == 0:
        if known != writer.origin:
            raise _refused(writer.id, "is no longer who it was")
        yield from store.entries(writer)
        return
    entries = store.entries(writer, known.sequence - 1)
    last = next(entries, None)
    if last is None or (last.sequence, last.hash) != known:
        raise _refused(writer.id, f"entry {known.sequence}: missing, or no longer what it was")
    yield from entries


def _refused(writer: bytes, what: str) -> CheckpointError:
    return CheckpointError(
        f"writer {UUID(bytes=writer)}: {what}; nothing was signed; `python -m records verify --checkpoints` tells more"
    )
