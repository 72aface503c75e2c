"""The service with a failpoint: explanations wait in their threads for as long as a test holds them.

Nothing else waits with them, and no test of what happens meanwhile depends on how fast a machine is.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine import Assessment, Engine
from preprocessing.application import Application
from service import CreditRisk
from tests.faults.failpoint import wait_while_held

__all__ = ["CreditRisk"]

_explain = Engine.explain


def _wait_and_explain(self: Engine, applications: Sequence[Application]) -> list[Assessment]:
    wait_while_held()
    return _explain(self, applications)


Engine.explain = _wait_and_explain  # type: ignore[method-assign]
