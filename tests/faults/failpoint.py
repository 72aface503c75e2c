"""What `tests.faults.failing_service` makes wait, and for how long: as long as a file lies in its BENTOML_HOME."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TARGET = "tests.faults.failing_service:CreditRisk"
PATIENT = {
    "CREDIT_RISK_TIMEOUT_SECONDS": "600",
    "CREDIT_RISK_BODY_SECONDS": "600",
    "CREDIT_RISK_BATCH_LATENCY_MS": "600000",
}
"""Settings with which whatever is held is held for as long as the test wants."""

_HELD = "held"


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Hold all explanations of the server with this BENTOML_HOME."""
    (home / _HELD).touch()
    try:
        yield
    finally:
        (home / _HELD).unlink()


def wait_while_held() -> None:
    """Return once this process's explanations are let go."""
    while (Path(os.environ["BENTOML_HOME"]) / _HELD).exists():
        time.sleep(0.01)
