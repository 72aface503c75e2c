"""The service with a fault planted in its scoring: it fails on amounts above a million, and quotes what it got."""

from __future__ import annotations

from collections.abc import Sequence

from engine import Assessment, Engine
from preprocessing.application import Application
from service import CreditRisk

__all__ = ["CreditRisk"]

_assess = Engine.assess


def _crash(self: Engine, applications: Sequence[Application]) -> list[Assessment]:
    for application in applications:
        if application["loan_amnt"] > 1_000_000:
            raise RuntimeError(f"can't score {application!r}")
    return _assess(self, applications)


Engine.assess = _crash  # type: ignore[method-assign]
