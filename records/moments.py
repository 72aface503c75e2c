"""Times as they are kept, microseconds since 1970, and as they are written: ISO 8601, UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> int:
    """The time, as it is kept."""
    return time.time_ns() // 1000


def as_datetime(microseconds: int) -> datetime:
    """A time that is kept."""
    return _EPOCH + timedelta(microseconds=microseconds)


def as_time(microseconds: int) -> str:
    """The same, as it is written."""
    return as_datetime(microseconds).isoformat(timespec="microseconds").replace("+00:00", "Z")


def from_time(text: str) -> int:
    """A time as it is written, as it is kept; without a zone it is UTC.

    Raises:
        ValueError: it is no date or time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!a} is no time; write it as 2026-11-30 or 2026-11-30T12:00:00Z") from None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)
