"""The service with two failpoints: explanations wait while a test holds them, and a worker is killed where a file says.

`before` its commit, or `behind` it, when the decision is stored and not answered.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from records.committer import Committer
from records.record import DecisionRecord
from serving.once import Once
from serving.telemetry.exchange import Exchange
from tests.faults.failing_service import CreditRisk

__all__ = ["CreditRisk"]

_commit = Once.commit


def _die(where: str) -> None:
    """Once: whoever takes the file away."""
    point = Path(os.environ["BENTOML_HOME"]) / where
    if point.exists():
        point.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


async def _commit_and_die(
    self: Once, committer: Committer, exchange: Exchange, records: Sequence[DecisionRecord], content: bytes
) -> None:
    _die("before")
    await _commit(self, committer, exchange, records, content)
    _die("behind")


Once.commit = _commit_and_die  # type: ignore[method-assign]
