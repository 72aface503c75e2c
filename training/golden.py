"""The golden applications: written by hand, for a process to prove on them that it scores as training did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from preprocessing.application import LoanApplication, parse_application

GOLDEN_SOURCE = Path(__file__).with_name("golden_applications.json")


class Golden(NamedTuple):
    """One golden application: what it is for, as it is sent, and as the contract reads it."""

    name: str
    document: dict[str, Any]
    application: LoanApplication


def golden_applications() -> list[Golden]:
    """Read the hand-written applications.

    Raises:
        InvalidApplicationError: one of them is outside the contract.
    """
    source = json.loads(GOLDEN_SOURCE.read_bytes())
    return [
        Golden(entry["name"], entry["application"], parse_application(entry["application"]))
        for entry in source["applications"]
    ]
