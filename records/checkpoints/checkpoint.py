"""What a checkpoint says, and what a row of them comes to.

A checkpoint tells the heads that have moved since the one before it, and the Merkle root over the heads of all
writers: a head's hash is over all that its writer has written. With it come the fingerprints of the entries that are
new, by which an entry is named that somebody has exchanged together with all hashes behind it.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from pydantic import Field, StringConstraints

from preprocessing.documents import InvalidDocumentError, Strict, read_document
from records.chain import FINGERPRINT_BYTES, HASH_BYTES, Head
from records.checkpoints.envelopes import TrustedKeys
from records.checkpoints.merkle import root
from records.errors import CheckpointError

EVENTS = bytes(16)
"""Stands for the chain of events, which all share, where a writer's id stands for its own."""

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Count = Annotated[int, Field(ge=0, lt=2**63)]


class Moved(Strict):
    """Where a chain has come to.

    Attributes:
        writer: whose chain it is, hexadecimal; all zeros for the events.
        sequence: of its last entry; 0 where there is none yet.
        hash: of the same.
        fingerprints: of the entries since the checkpoint before, one behind the other, in Base64.
    """

    writer: Id
    sequence: Count
    hash: Hash
    fingerprints: str


class Checkpoint(Strict):
    """What all chains of a store had come to.

    Attributes:
        number: 1, 2, 3 …
        time: UTC.
        before: SHA-256 of what the checkpoint before it says; None for the first.
        writers: how many there are.
        entries: how many they have written.
        root: the Merkle root over the heads of all writers.
        heads: those that have moved.
    """

    format: Literal[1] = 1
    number: Annotated[int, Field(ge=1)]
    time: str
    before: Hash | None
    writers: Count
    entries: Count
    root: Hash
    heads: tuple[Moved, ...]

    @cached_property
    def statement(self) -> bytes:
        """What is signed."""
        return self.model_dump_json().encode()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the same."""
        return sha256(self.statement).hexdigest()


class Mark(NamedTuple):
    """A head as a checkpoint saw it."""

    head: Head
    number: int


@dataclass(slots=True)
class Chain:
    """What is known of a writer's chain.

    Attributes:
        marks: its heads, in order.
        fingerprints: of all its entries.
    """

    marks: list[Mark] = field(default_factory=list)
    fingerprints: bytearray = field(default_factory=bytearray)

    @property
    def head(self) -> Head:
        """The last one that was seen."""
        return self.marks[-1].head

    def fingerprint(self, sequence: int) -> bytes:
        """Of one entry."""
        return bytes(self.fingerprints[(sequence - 1) * FINGERPRINT_BYTES : sequence * FINGERPRINT_BYTES])

    def seen_by(self, sequence: int) -> int:
        """The number of the first checkpoint that saw an entry."""
        return self.marks[bisect_left(self.marks, sequence, key=lambda mark: mark.head.sequence)].number


@dataclass(slots=True)
class Witnessed:
    """What a row of checkpoints comes to.

    Attributes:
        chains: by writer.
        last: the last of them; None where there is none yet.
        signed_by: names of the keys that signed them.
    """

    chains: dict[bytes, Chain] = field(default_factory=dict)
    last: Checkpoint | None = None
    signed_by: set[str] = field(default_factory=set)
    _digest: str | None = None

    def following(self, time: str, moved: tuple[Moved, ...]) -> Checkpoint:
        """The next checkpoint."""
        heads = self._heads() | {bytes.fromhex(each.writer): _head(each) for each in moved}
        return Checkpoint(
            number=1 if self.last is None else self.last.number + 1,
            time=time,
            before=self._digest,
            heads=moved,
            **_summed(heads),
        )

    def add(self, statement: bytes) -> None:
        """Take the next one in.

        Raises:
            CheckpointError: it isn't that.
        """
        try:
            said = read_document(Checkpoint, statement)
        except InvalidDocumentError as exc:
            raise CheckpointError(f"is no checkpoint of this version: {exc.problems[0]}") from None
        number = 1 if self.last is None else self.last.number + 1
        if (said.number, said.before) != (number, self._digest):
            raise CheckpointError(
                f"is checkpoint {said.number}, and doesn't follow: some are missing or in another order"
            )
        for each in said.heads:
            self._move(each, number)
        self.last, self._digest = said, sha256(statement).hexdigest()  # of the bytes that were signed

    def check(self) -> None:
        """Whether all heads come to what the last checkpoint says of them.

        Raises:
            CheckpointError: they don't.
        """
        if self.last is not None and self.last.model_dump(include=set(_SUMS)) != _summed(self._heads()):
            raise CheckpointError(f"is checkpoint {self.last.number}, and its heads don't come to its root")

    def _heads(self) -> dict[bytes, Head]:
        return {writer: chain.head for writer, chain in self.chains.items()}

    def _move(self, moved: Moved, number: int) -> None:
        chain = self.chains.setdefault(bytes.fromhex(moved.writer), Chain())
        try:
            new = base64.b64decode(moved.fingerprints, validate=True)
        except binascii.Error:
            new = b""
        chain.fingerprints += new
        chain.marks.append(Mark(_head(moved), number))
        if len(chain.fingerprints) != moved.sequence * FINGERPRINT_BYTES:
            raise CheckpointError(f"is checkpoint {number}, and doesn't tell all entries of writer {moved.writer}")


def read_row(content: bytes, keys: TrustedKeys, name: str) -> Witnessed:
    """What a row of checkpoints comes to. A last line without its end was never finished, and is left out.

    Args:
        content: a line each.
        keys: that may have signed them.
        name: of the place that they are from.

    Raises:
        CheckpointError: one was changed, is missing, or isn't signed by one of the keys; the line is named.
    """
    witnessed = Witnessed()
    for number, line in enumerate(_lines(content), 1):
        try:
            statement, key = keys.opened(line)
            witnessed.add(statement)
        except CheckpointError as exc:
            raise CheckpointError(f"{name}: line {number} {exc}") from None
        witnessed.signed_by.add(key)
    try:
        witnessed.check()  # the last is over all heads: to look at each before it would take a year's rows minutes
    except CheckpointError as exc:
        raise CheckpointError(f"{name}: the last line {exc}") from None
    return witnessed


def name_of(chain: bytes) -> str:
    """What a chain is called in a message."""
    return "events" if chain == EVENTS else f"writer {UUID(bytes=chain)}"


def _lines(content: bytes) -> Iterator[bytes]:
    *whole, _ = content.split(b"\n")
    yield from whole


def _head(moved: Moved) -> Head:
    return Head(moved.sequence, bytes.fromhex(moved.hash))


_SUMS = ("writers", "entries", "root")


def _summed(heads: Mapping[bytes, Head]) -> dict[str, Any]:
    """What a checkpoint says of all heads together."""
    leaves = [_leaf(writer, head) for writer, head in sorted(heads.items())]
    written = [head.sequence for writer, head in heads.items() if writer != EVENTS]
    sums = (len(written), sum(written), root(leaves).hex())
    return dict(zip(_SUMS, sums, strict=True))


def _leaf(writer: bytes, head: Head) -> bytes:
    """A writer's leaf of the tree."""
    assert len(head.hash) == HASH_BYTES
    return writer + head.sequence.to_bytes(8) + head.hash
