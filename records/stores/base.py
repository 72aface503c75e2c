"""What a store has to do, and how it says that it can't."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from records.basis import Basis
from records.chain import Entry, Head, Writer
from records.errors import StoreUnavailableError
from records.idempotency.answer import Answer, NewAnswer
from records.shadow.verdict import StoredVerdict

SECONDS = 5.0
"""After which a server that doesn't answer is given up, where nothing else is said."""

_COLUMNS = "w.id, d.sequence, d.id, d.time, d.outcome, d.caller, d.tag, d.content, d.key, d.hash"
DECISIONS = f"SELECT {_COLUMNS} FROM decisions d JOIN writers w ON w.number = d.writer"  # noqa: S608  # a constant
"""Entries, a column for each attribute."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which decisions are looked for; what is None doesn't matter.

    Attributes:
        tag: of the caller's reference.
        since: microseconds since 1970, included.
        until: the same, not included.
        outcome: the decision.
        caller: who asked.
        most: no more than these, the latest first.
    """

    tag: bytes | None = None
    since: int | None = None
    until: int | None = None
    outcome: str | None = None
    caller: str | None = None
    most: int = 100

    def conditions(self) -> dict[str, object]:
        """What is asked of a decision, each as the beginning of an SQL comparison, with its other side."""
        asked = {
            "d.tag =": self.tag,
            "d.time >=": self.since,
            "d.time <": self.until,
            "d.outcome =": self.outcome,
            "d.caller =": self.caller,
        }
        return {condition: value for condition, value in asked.items() if value is not None}


class Writing(Protocol):
    """Keeps entries of one writer. One thread uses it at a time."""

    def begin(self, writer: Writer, basis: Basis) -> None:
        """Make a writer known, with what it decides by; doing it again changes nothing.

        Raises:
            StoreError: it can't be.
        """

    def head(self, writer: Writer) -> Head:
        """Where the writer's chain has come to, durably.

        Raises:
            StoreError: it can't be told.
        """

    def append(self, entries: Sequence[Entry], answers: Sequence[NewAnswer] = ()) -> None:
        """Keep entries, all or none, durably; the first of them may be kept already, and are left as they are.

        Args:
            entries: of one writer.
            answers: to keep with them, in the same transaction; these ones may be kept already, too.

        Raises:
            AnsweredAlreadyError: another answer is kept for a key, so that nothing is.
            StoreError: whether they are kept is not known, or they don't follow what the writer has written.
        """

    def archive(self, files: Mapping[str, bytes]) -> None:
        """Keep files, by their SHA-256; those that are kept already stay as they are.

        Raises:
            StoreError: they can't be.
        """

    def close(self) -> None:
        """Let go of it."""


class Store(Writing, Protocol):
    """What can be read again too."""

    def writers(self) -> Sequence[Writer]:
        """All that ever wrote, in the order of their start."""

    def basis(self, digest: bytes) -> Basis | None:
        """What a writer decided by; None where it isn't kept."""

    def entries(self, writer: Writer, after: int = 0) -> Iterator[Entry]:
        """A writer's entries behind a sequence, in its order."""

    def get(self, identifier: bytes) -> Entry | None:
        """One entry, by its decision's id."""

    def find(self, query: Query) -> Sequence[Entry]:
        """Entries, the latest first."""

    def answers(self, keys: Sequence[bytes]) -> Mapping[bytes, Answer]:
        """What these keys were answered, where it was and has not expired."""

    def archived(self, digest: str) -> bytes | None:
        """A file that was kept, by its SHA-256; None where it isn't there, or no longer what it was."""

    def keep_verdicts(self, basis: Basis, verdicts: Sequence[StoredVerdict]) -> None:
        """Keep what a challenger said; what is kept already is left as it is.

        A loss of power may take the last of them: nobody was answered with them.

        Raises:
            StoreError: whether they are kept is not known.
        """

    def challengers(self) -> Sequence[Basis]:
        """What verdicts are kept of."""

    def verdicts(self, basis: bytes, since: int = 0, until: int | None = None) -> Iterator[StoredVerdict]:
        """What a challenger said of the decisions of a time, by the digest of its basis, the oldest first."""

    def destroy_keys(self, tag: bytes) -> int:
        """Destroy the data keys of a reference, verdicts' too, and the answers that it has a part in, for good.

        Returns:
            How many entries were closed by it.
        """


def unkept(entries: Sequence[Entry], last: int, kept: Sequence[tuple[int, bytes]], name: str) -> Sequence[Entry]:
    """Those of a writer's entries that are still to be kept.

    Args:
        entries: at least one.
        last: sequence of the last one that is kept of the writer; 0 where there is none.
        kept: sequence and hash of what is kept in the places of these entries.
        name: of the store.

    Raises:
        StoreUnavailableError: there would be a gap, or another entry is kept in the place of one of these.
    """
    known = [(entry.sequence, entry.hash) for entry in entries if entry.sequence <= last]
    if entries[0].sequence > last + 1 or list(kept) != known:
        raise StoreUnavailableError(
            f"{name}: entry {entries[0].sequence} doesn't follow what its writer has written; ask for the head"
        )
    return entries[len(known) :]
