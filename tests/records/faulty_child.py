"""The challenger's process with faults planted in its model: what it does with an application depends on the amount.

It doesn't come last: where other programs have the machine, a test would wait for them all.
"""

from __future__ import annotations

import sys
import time

from records.shadow.limits import stay_small

if __name__ == "__main__":
    stay_small(int(sys.argv[2]))

from collections.abc import Sequence

from engine import Assessment, Engine
from preprocessing.application import Application
from records.shadow.child import main

RAISE, HANG, EAT, DIE = 1_000_001, 1_000_002, 1_000_003, 1_000_004

_assess = Engine.assess


def _faulty(self: Engine, applications: Sequence[Application]) -> list[Assessment]:
    amounts = {application["loan_amnt"] for application in applications}
    if RAISE in amounts:
        raise RuntimeError(f"can't score {applications!r}")
    if HANG in amounts:
        time.sleep(3600)
    if DIE in amounts:
        sys.exit(3)
    eaten: list[bytes] = []
    while EAT in amounts:
        eaten.append(b"x" * 10_000_000)
    return _assess(self, applications)


if __name__ == "__main__":
    Engine.assess = _faulty  # type: ignore[method-assign]
    sys.exit(main())
