"""One decision as it is kept, and its bytes."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from pydantic_core import from_json, to_json
from zlib_ng import zlib_ng

from records.basis import Basis
from records.errors import UnreadableRecordError

_LEVEL, _WINDOW_BITS, _MEMORY_LEVEL = 1, -12, 5
"""DEFLATE without a frame around it. A window of 4 KiB holds sample and record. Python's own zlib makes 242 bytes of a
record in 13 µs, at any level, which was a third of what a recorded decision cost beyond its answer; this 296 in 4."""


class DecisionRecord(NamedTuple):
    """What was asked, what was used, and what was answered.

    Attributes:
        id: of the decision, sixteen bytes.
        time: UTC, microseconds since 1970.
        route: the kind of request.
        row: the application's place in its request; None where it came alone.
        caller: who asked; None where nobody is asked for a name.
        request_id: of the request.
        trace_id: the same, where tracing is on.
        reference: the caller's own.
        received: the application as it was received.
        values: what was used, in the order of the basis's fields.
        pd: probability of default.
        outcome: the decision.
        band: the outcome by the PD alone.
        credit_score: the PD on the policy's scale.
        rules: names of the rules that held.
        reasons: code and field of each reason given.
        outside: fields beyond the training data's range.
        attributions: in the order of the basis's scored fields, where they were told.
        counterfactuals: changes, decision and PD of each that was told.
        idempotency_key: the caller's own, where the request carried one.
    """

    id: bytes
    time: int
    route: str
    row: int | None
    caller: str | None
    request_id: str
    trace_id: str | None
    reference: str | None
    received: str
    values: tuple[Any, ...]
    pd: float
    outcome: str
    band: str
    credit_score: int
    rules: tuple[str, ...]
    reasons: tuple[tuple[str, str], ...]
    outside: tuple[str, ...]
    attributions: tuple[float, ...] | None
    counterfactuals: tuple[tuple[dict[str, Any], str, float], ...]
    idempotency_key: str | None = None

    def fields(self, basis: Basis) -> Mapping[str, Any]:
        """What was used, by field."""
        return dict(zip(basis.fields, self.values, strict=True))


_RECORD = TypeAdapter(DecisionRecord)


def pack(record: DecisionRecord, basis: Basis) -> bytes:
    """A record's bytes. Names are left to the basis, and what is alike in all of them to its sample."""
    packer = zlib_ng.compressobj(
        _LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, basis.dictionary
    )
    # The id is the entry's; bytes are no text. Most have no key, and need not say so.
    values = record[1:-1] if record.idempotency_key is None else record[1:]
    return packer.compress(to_json(values)) + packer.flush()


def unpack(identifier: bytes, packed: bytes, basis: Basis) -> DecisionRecord:
    """The record of these bytes.

    Raises:
        UnreadableRecordError: they were not packed against this basis, or are damaged.
    """
    unpacker = zlib.decompressobj(_WINDOW_BITS, basis.dictionary)
    try:
        values = from_json(unpacker.decompress(packed) + unpacker.flush())
        return _RECORD.validate_python((identifier, *values))
    except (zlib.error, ValueError, TypeError) as exc:
        raise UnreadableRecordError("the record can't be read by its basis") from exc
