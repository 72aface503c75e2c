"""The schema as numbered SQL files; a store's version is the number of the last one that was applied to it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_FOLDER = Path(__file__).parent / "schema"


class Migration(NamedTuple):
    """One step of the schema.

    Attributes:
        version: that a store has after it.
        sql: its statements.
    """

    version: int
    sql: str


def migrations(kind: str) -> list[Migration]:
    """All steps for a kind of store, in order."""
    paths = sorted((_FOLDER / kind).glob("*.sql"))
    steps = [Migration(int(path.name.partition("-")[0]), path.read_text(encoding="utf-8")) for path in paths]
    assert [step.version for step in steps] == list(range(1, len(steps) + 1)), "one file for each version"
    return steps


def wrong_version(name: str, found: int, wanted: int) -> str:
    """What is said of a store with another version."""
    if found > wanted:
        return f"{name} has schema {found}, and this service writes {wanted}; serve it with the version that made it"
    return f"{name} has schema {found}, and this service writes {wanted}; run `python -m records migrate`"
