"""What is stored of a chain against what checkpoints saw of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

from records.chain import Entry, Fault, fingerprint
from records.checkpoints.checkpoint import Chain, Mark
from records.events import event
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


class Seen(NamedTuple):
    """An entry of a chain, or an event.

    Attributes:
        sequence: its place.
        hash: as stored.
        fingerprint: None where its content was purged, and can't be told any more.
        decision: that it is of.
    """

    sequence: int
    hash: bytes
    fingerprint: bytes | None
    decision: bytes


def of_entry(entry: Entry) -> Seen:
    """An entry, to be compared."""
    return Seen(entry.sequence, entry.hash, fingerprint(entry) if entry.content else None, entry.id)


def of_event(each: event.Event) -> Seen:
    """An event, to be compared."""
    return Seen(each.sequence, each.hash, event.fingerprint(each), each.decision)


class Comparison:
    """Takes what is in a chain in its order, then tells what isn't as it was seen.

    Args:
        chain: what checkpoints saw.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._covered = chain.head.sequence
        self._marks = {mark.head.sequence: mark for mark in chain.marks}
        self._agreed = 0
        self._apart: dict[int, Seen] | None = None
        self._wrong: Mark | None = None

    @property
    def covered(self) -> int:
        """Sequence of the last that was seen."""
        return self._covered

    def see(self, found: Seen) -> None:
        """The next one."""
        if self._apart is None and found.sequence > self._covered == self._agreed:
            return
        if self._apart is None and found.sequence == self._agreed + 1 and self._alike(found):
            self._agreed = found.sequence
            mark = self._marks.get(found.sequence)
            if mark is not None and found.hash != mark.head.hash and self._wrong is None:
                self._wrong = mark
            return
        # From the first one on that is another, to tell those that were moved from those that are gone.
        self._apart = {} if self._apart is None else self._apart
        self._apart[found.sequence] = found

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
            if found is None or not self._alike(found):
                yield sequence

    def _alike(self, found: Seen) -> bool:
        return found.fingerprint in {None, self._chain.fingerprint(found.sequence)}

    def _told(self, sequence: int) -> tuple[str, str]:
        """What has become of one entry, and which decision stands there now."""
        found = (self._apart or {}).get(sequence)
        number = self._chain.seen_by(sequence)
        if (place := self._places.get(self._chain.fingerprint(sequence))) is not None:
            by = place - sequence
            return f"moved {'down' if by < 0 else 'up'} by {abs(by)} since checkpoint {number} saw it", ""
        if found is None or found.fingerprint in self._seen:
            return f"missing, and checkpoint {number} saw it", ""
        return f"changed since checkpoint {number} saw it", f"decision {_named(found.decision)}"

    @cached_property
    def _places(self) -> dict[bytes, int]:
        """Where entries stand that aren't where they were."""
        return {each.fingerprint: sequence for sequence, each in (self._apart or {}).items() if each.fingerprint}

    @cached_property
    def _seen(self) -> frozenset[bytes]:
        return frozenset(map(self._chain.fingerprint, range(1, self._covered + 1)))


def told(name: str, what: tuple[str, str], breaks: Sequence[Fault], comparison: Comparison | None) -> Iterator[str]:
    """What is wrong with a chain, a line each.

    Args:
        name: of the chain.
        what: it is of, one and several.
        breaks: where it is broken.
        comparison: has seen all of it; None where no checkpoint knows it.
    """
    different = [] if comparison is None else list(comparison.differences())
    covered = 0 if comparison is None else comparison.covered
    for each in different:
        where = f"{what[0]} {each.first}" if each.first == each.last else f"{what[1]} {each.first} to {each.last}"
        yield f"{name}: {where}: {each.what}"
    for fault in breaks:
        # Told already; or as it was seen, and behind one of which it is told that it isn't.
        if not any(each.first <= fault.sequence <= each.last + (fault.sequence <= covered) for each in different):
            yield f"{name}: {what[0]} {fault.sequence}: {fault.what}"


def _named(identifier: bytes) -> str:
    try:
        return as_text(identifier)
    except (ValueError, TypeError):
        return "without an id"
