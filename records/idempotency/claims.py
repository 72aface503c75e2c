"""What says that a key is in work, or was answered.

A claim keeps others from doing the same work at the same time, and nothing more: that a key is answered once is seen to
when the answer is stored, in the transaction of its decisions. So a claim may be lost, with a connection for instance,
and nothing is doubled. And it ends with whoever holds it, by itself: no clock has a part in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from records.idempotency.answer import Answer


class Found(NamedTuple):
    """What came of an attempt to claim keys.

    Attributes:
        claimed: those that are claimed now, and were not answered.
        answers: of those that were answered, by key. What is in neither is in work.
    """

    claimed: frozenset[bytes]
    answers: Mapping[bytes, Answer]


class Claims(Protocol):
    """Claims of one worker. One thread uses it at a time."""

    def claim(self, keys: Sequence[bytes]) -> Found:
        """Claim keys, each of which this worker holds no claim of.

        Raises:
            StoreError: whether they are claimed is not known; those that are end by themselves.
        """

    def release(self, keys: Sequence[bytes]) -> None:
        """Let go of keys.

        Raises:
            StoreError: they may still be claimed, as long as what has failed here lasts.
        """

    def close(self) -> None:
        """Let go of all of them."""
