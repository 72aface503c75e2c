"""How long a decision is kept: by Regulation B, 12 CFR 1002.12(b), for 25 months.

They run from the day on which the applicant was notified, which is not the day of the decision.
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta

MONTHS = 25
"""The least."""

_LONGEST_DAY = timedelta(days=2)
"""A day of the calendar is over everywhere on the second day behind it, by UTC."""


def last_day(months: int, today: date | None = None) -> date:
    """The last day whose notices are so many months old, whatever the place on earth.

    Args:
        months: from the notice on.
        today: by UTC.
    """
    today = datetime.now(UTC).date() if today is None else today
    day = _later(today, -months)
    while _later(day, months) + _LONGEST_DAY > today:
        day -= timedelta(days=1)
    return day


def _later(day: date, months: int) -> date:
    """The same day so many months later, or that month's last."""
    years, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(years, month + 1, min(day.day, calendar.monthrange(years, month + 1)[1]))
