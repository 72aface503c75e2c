"""The desk's rooms: what it may lean on, and that nobody leans on it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.servers import ROOT

DESK = sorted((ROOT / "desk").rglob("*.py"))
OTHERS = [
    path
    for package in ("preprocessing", "scoring", "decision", "engine", "reporting", "records", "serving", "training")
    for path in sorted((ROOT / package).rglob("*.py"))
]


def packages(path: Path) -> set[str]:
    """The packages that a file imports from, at its top or later."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).partition(".")[0])
    return found


@pytest.mark.parametrize("path", DESK, ids=lambda path: str(path.relative_to(ROOT)))
def test_leans_on_the_engine_and_the_records(path: Path) -> None:
    """And on what these are made of; what it needs of the service it is given."""
    assert not packages(path) & {"serving", "service", "training", "bentoml", "_bentoml_impl", "_bentoml_sdk"}


def test_nobody_leans_on_it() -> None:
    assert len(OTHERS) > 100
    assert [] == [str(path) for path in OTHERS if "desk" in packages(path)]
