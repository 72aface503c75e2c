"""A writer's stored entries against what checkpoints saw of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

from records.chain import Entry, fingerprint
from records.checkpoints.checkpoint import Chain, Mark
from records.identifiers import as_text


class Difference(NamedTuple):
    """What is no longer as it was seen.

    Attributes:
        first: sequence of the first entry that it is about.
        last: the same of the last.
        what: is wrong with them.
    """

    first: int
    last: int
    what: str


class _There(NamedTuple):
    fingerprint: bytes
    id: str


class Comparison:
    """Takes a writer's entries in order, then tells which aren't those that were seen.

    Args:
        chain: what checkpoints saw.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._covered = chain.head.sequence
        self._marks = {mark.head.sequence: mark for mark in chain.marks}
        self._agreed = 0
        self._apart: dict[int, _There] | None = None
        self._wrong: Mark | None = None

    def see(self, entry: Entry) -> None:
        """The next entry."""
        sequence = entry.sequence
        if self._apart is None and sequence > self._covered == self._agreed:
            return
        # Of what was purged nothing is left to compare; that it was is told elsewhere.
        found = fingerprint(entry) if entry.content else self._chain.fingerprint(sequence)
        if self._apart is None and sequence == self._agreed + 1 and found == self._chain.fingerprint(sequence):
            self._agreed = sequence
            mark = self._marks.get(sequence)
            if mark is not None and entry.hash != mark.head.hash and self._wrong is None:
                self._wrong = mark
            return
        # From the first one on that is another, to tell those that were moved from those that are gone.
        self._apart = {} if self._apart is None else self._apart
        self._apart[sequence] = _There(found, _named(entry.id))

    def differences(self) -> Iterator[Difference]:
        """What is wrong, each once and in order."""
        if self._wrong is not None:
            first = max((seq for seq in self._marks if seq < self._wrong.head.sequence), default=0) + 1
            last = self._wrong.head.sequence
            yield Difference(first, last, f"the chain has another hash than checkpoint {self._wrong.number} saw")
        told = ((sequence, *self._told(sequence)) for sequence in self._unlike())
        # Those that follow each other and of which the same is to be said are told on one line.
        for (_, what), group in groupby(enumerate(told), key=lambda each: (each[1][0] - each[0], each[1][1])):
            same = [each for _, each in group]
            first, last = same[0][0], same[-1][0]
            alone = f" ({same[0][2]})" if len(same) == 1 and same[0][2] else ""
            yield Difference(first, last, what + alone)

    def _unlike(self) -> Iterator[int]:
        there = self._apart or {}
        for sequence in range(self._agreed + 1, self._covered + 1):
            found = there.get(sequence)
            if found is None or found.fingerprint != self._chain.fingerprint(sequence):
                yield sequence

    def _told(self, sequence: int) -> tuple[str, str]:
        """What has become of one entry, and which decision stands there now."""
        found = (self._apart or {}).get(sequence)
        number = self._chain.seen_by(sequence)
        if (place := self._places.get(self._chain.fingerprint(sequence))) is not None:
            by = place - sequence
            return f"moved {'down' if by < 0 else 'up'} by {abs(by)} since checkpoint {number} saw it", ""
        if found is None or found.fingerprint in self._seen:
            return f"missing, and checkpoint {number} saw it", ""
        return f"changed since checkpoint {number} saw it", f"decision {found.id}"

    @cached_property
    def _places(self) -> dict[bytes, int]:
        """Where entries stand that aren't where they were."""
        return {each.fingerprint: sequence for sequence, each in (self._apart or {}).items()}

    @cached_property
    def _seen(self) -> frozenset[bytes]:
        return frozenset(map(self._chain.fingerprint, range(1, self._covered + 1)))


def _named(identifier: bytes) -> str:
    try:
        return as_text(identifier)
    except (ValueError, TypeError):
        return "without an id"
