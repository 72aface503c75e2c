"""What a challenger is given, without what sealing its verdict takes."""

from __future__ import annotations

from typing import NamedTuple


class Answered(NamedTuple):
    """A decision that was answered, for a challenger to assess.

    Attributes:
        decision: its id, sixteen bytes.
        time: of the decision, microseconds since 1970.
        outcome: what was answered.
        received: the application as it came.
    """

    decision: bytes
    time: int
    outcome: str
    received: str
