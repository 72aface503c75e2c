"""The service where BentoML's inside is not what `serving.bento.framework` expects."""

from __future__ import annotations

from typing import Any

from service import CreditRisk
from serving.bento import framework

__all__ = ["CreditRisk"]


def _changed(_app: Any) -> Any:
    raise AttributeError("middleware_stack")


framework._traffic_metrics = _changed
