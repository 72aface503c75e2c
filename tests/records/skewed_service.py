"""The service on a machine whose clock is wrong by as many seconds as its environment says."""

from __future__ import annotations

import os
import time

_AHEAD = float(os.environ["CLOCK_AHEAD_SECONDS"])
_time, _time_ns = time.time, time.time_ns

# Before anything of the service is imported.
time.time = lambda: _time() + _AHEAD
time.time_ns = lambda: _time_ns() + int(_AHEAD * 1e9)

from service import CreditRisk  # noqa: E402  # behind the clock

__all__ = ["CreditRisk"]
