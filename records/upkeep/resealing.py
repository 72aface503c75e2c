"""Data keys sealed anew by the newest key of the ring, so that an older one can be thrown away.

Nothing of what was sealed changes but those seals: neither content nor chain. A worker that was started before the
newest key was added goes on sealing by an older one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from records.keyring import KeyRing
from records.stores.ledger import Ledger


class Step(NamedTuple):
    """A step of it.

    Attributes:
        looked_at: entries.
        resealed: those of them that had another key's seal.
    """

    looked_at: int
    resealed: int


def reseal(ledger: Ledger, ring: KeyRing) -> Iterator[Step]:
    """Seal data keys anew, a step at a time; broken off, the same again does the rest.

    Raises:
        KeyRingError: a key is missing that one is sealed by.
        SealBrokenError: one is damaged.
    """

    def renew(key: bytes, decision: bytes) -> bytes | None:
        return None if ring.is_current(key) else ring.renewed(key, decision)

    for looked_at, resealed in ledger.reseal(renew):
        yield Step(looked_at, resealed)
