"""The service with a challenger that does wrong, and little patience with it."""

from __future__ import annotations

from records.shadow import challenger
from service import CreditRisk

__all__ = ["CreditRisk"]

challenger.GATHER_SECONDS = 0.5
challenger.Challenger.module = "tests.records.faulty_child"
challenger.Challenger.given_up_seconds = 5.0
