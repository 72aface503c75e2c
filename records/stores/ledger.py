"""A store with what was told of its decisions, and what its owner does to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol, TypeVar

from records.chain import Entry
from records.events.event import Event, News
from records.stores.base import Store

STEP = 500
"""Decisions asked for in one statement."""

Decide = Callable[[Mapping[bytes, Sequence[Event]]], Sequence[News]]
"""From what was told of each decision to what is new. It may be called again where a transaction has failed."""

Renew = Callable[[bytes, bytes], bytes | None]
"""From a sealed data key and what it was sealed for to the same sealed anew; None where it can stay."""

T = TypeVar("T")


class Ledger(Store, Protocol):
    """Keeps entries and events."""

    def count(self) -> int:
        """How many entries there are."""

    def count_sealed(self) -> int:
        """How many have a data key: entries, and what challengers said."""

    def entries_of(self, decisions: Sequence[bytes]) -> list[Entry]:
        """Entries by their decisions' ids, in no order; those that aren't there are left out."""

    def tagged(self, tags: Sequence[bytes]) -> list[Entry]:
        """Entries by their references, in no order."""

    def tell(self, decisions: Sequence[bytes], decide: Decide) -> list[Event]:
        """Keep what is new of some decisions, all or none, durably; nobody else tells anything meanwhile.

        Raises:
            StoreError: whether it is kept is not known.
        """

    def told(self, decisions: Sequence[bytes]) -> list[Event]:
        """What was told of some decisions, in order."""

    def events(self, after: int = 0) -> Iterator[Event]:
        """All that was told behind a sequence, in order."""

    def noticed(self, until: int) -> Iterator[list[bytes]]:
        """Decisions whose last notice is of this day (days since 1970-01-01) or before, the earliest first."""

    def purge(self, decisions: Sequence[bytes], decide: Decide) -> int:
        """Tell what is new as `tell` does, and destroy the content of all that were told to be purged.

        With it go data keys, and what challengers said.

        Returns:
            How many entries lost their content.

        Raises:
            StoreError: what is destroyed is not known; doing it again goes on with the rest.
        """

    def clean(self) -> None:
        """Leave nothing of what was overwritten."""

    def reseal(self, renew: Renew) -> Iterator[tuple[int, int]]:
        """Put other seals on data keys, a step at a time; what was done stays done where it is broken off.

        Yields:
            Of each step: how many were looked at, and how many have another seal.
        """


def in_steps(items: Iterable[T], size: int = STEP) -> Iterator[list[T]]:
    """The items in order, no more than `size` at a time."""
    left = iter(items)
    while step := list(islice(left, size)):
        yield step
