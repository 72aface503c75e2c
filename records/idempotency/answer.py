"""An answer that is kept for a key."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple

from records.keyring import KeyRing, Sealed
from records.record import DecisionRecord

_LEVEL = 1
"""An answer lives for a day: what matters is how long this takes."""


class Asked(NamedTuple):
    """A request that carries a key, as keyed hashes: neither the key nor the body can be told from them.

    Attributes:
        key: of the caller and the caller's key.
        request: of all that the answer depends on.
    """

    key: bytes
    request: bytes


class Answer(NamedTuple):
    """What was answered, as it is stored.

    Attributes:
        key: of the caller and the caller's key.
        request: of all that the answer depends on.
        content: the sealed answer.
        data_key: its sealed data key.
    """

    key: bytes
    request: bytes
    content: bytes
    data_key: bytes


class NewAnswer(NamedTuple):
    """An answer that is to be stored.

    Attributes:
        answer: the answer.
        tags: of the references of those whose decisions are in it.
        seconds: how long it is to be given again.
    """

    answer: Answer
    tags: tuple[bytes, ...]
    seconds: int


def asked(ring: KeyRing, caller: str | None, key: bytes, request: Sequence[bytes]) -> Asked:
    """A request as it is known by.

    Args:
        ring: whose secret the hashes are made with.
        caller: who asks; None where nobody is asked for a name, so that all are one.
        key: as the caller sent it.
        request: all that the answer depends on.
    """
    return Asked(
        ring.digest("idempotency key", (caller or "").encode(), key), ring.digest("idempotent request", *request)
    )


def sealed(request: Asked, content: bytes, records: Sequence[DecisionRecord], ring: KeyRing, seconds: int) -> NewAnswer:
    """An answer as it is to be stored.

    Args:
        request: what it answers.
        content: its bytes.
        records: of the decisions in it.
        ring: seals it.
        seconds: how long it is to be given again.
    """
    tags = tuple(sorted({ring.tag(record.reference) for record in records if record.reference is not None}))
    closed = ring.seal(zlib.compress(content, _LEVEL), request.key)
    return NewAnswer(Answer(*request, *closed), tags, seconds)


def opened(answer: Answer, ring: KeyRing) -> bytes:
    """The answer's bytes.

    Raises:
        KeyRingError, SealBrokenError: as `KeyRing.open`.
    """
    return zlib.decompress(ring.open(Sealed(answer.content, answer.data_key), answer.key))
