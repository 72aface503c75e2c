"""The service with a challenger that does wrong, and little patience with it."""

from __future__ import annotations

from records.shadow.challenger import Challenger
from service import CreditRisk

__all__ = ["CreditRisk"]

Challenger.module = "tests.records.faulty_child"
Challenger.given_up_seconds = 5.0
