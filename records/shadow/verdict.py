"""What a challenger said of one decision, and as it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from records.errors import UnreadableRecordError
from records.keyring import KeyRing, Sealed
from records.shadow.answered import Answered

if TYPE_CHECKING:
    from engine import Assessment


class Verdict(NamedTuple):
    """What it would have answered.

    Attributes:
        pd: probability of default.
        outcome: the decision.
        band: the outcome by the PD alone.
        credit_score: the PD on the policy's scale.
        rules: names of the rules that held.
        reasons: code and field of each reason.
        outside: fields beyond the training data's range.
    """

    pd: float
    outcome: str
    band: str
    credit_score: int
    rules: tuple[str, ...]
    reasons: tuple[tuple[str, str], ...]
    outside: tuple[str, ...]


class StoredVerdict(NamedTuple):
    """One verdict as it is stored.

    Attributes:
        decision: id of the decision, sixteen bytes.
        time: of the decision, microseconds since 1970.
        outcome: what the challenger decided.
        tag: of the caller's reference, None where there is none.
        content: the sealed verdict.
        key: its sealed data key; None once it is destroyed.
    """

    decision: bytes
    time: int
    outcome: str
    tag: bytes | None
    content: bytes
    key: bytes | None


COLUMNS = "decision, time, outcome, tag, content, key"
"""Of a `StoredVerdict`, in its order."""

_VERDICT = TypeAdapter(Verdict)


def verdict_of(assessment: Assessment) -> Verdict:
    """What an assessment says."""
    decided = assessment.decision
    return Verdict(
        assessment.pd,
        decided.outcome.value,
        decided.band.value,
        decided.credit_score,
        tuple(rule.id for rule in decided.rules),
        tuple((reason.code, reason.field) for reason in assessment.reasons),
        assessment.outside,
    )


def seal(assessment: Assessment, answered: Answered, basis: bytes, ring: KeyRing) -> StoredVerdict:
    """What the challenger says of a decision, as it is stored.

    Args:
        assessment: the challenger's.
        answered: of which decision.
        basis: digest of what the challenger decides by.
        ring: seals it.
    """
    verdict, reference = verdict_of(assessment), assessment.reference
    content, key = ring.seal(to_json(verdict), answered.decision + basis)
    tag = None if reference is None else ring.tag(reference)
    return StoredVerdict(answered.decision, answered.time, verdict.outcome, tag, content, key)


def opened(stored: StoredVerdict, basis: bytes, ring: KeyRing) -> Verdict | None:
    """What was said; None once its key is destroyed.

    Raises:
        KeyRingError, SealBrokenError: as the ring.
        UnreadableRecordError: it is no verdict.
    """
    if stored.key is None:
        return None
    content = ring.open(Sealed(stored.content, stored.key), stored.decision + basis)
    try:
        return _VERDICT.validate_python(tuple(from_json(content)))
    except (ValueError, TypeError) as exc:
        raise UnreadableRecordError("what is kept of a challenger is no verdict") from exc
