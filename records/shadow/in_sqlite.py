"""What challengers said, in a file of the folder that need not be the one of the decisions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from records.basis import Basis
from records.idempotency.in_sqlite import transaction
from records.shadow.verdict import COLUMNS, StoredVerdict, renewed_keys

STEP = 1000
"""Verdicts read in one go: who reads long holds up the log's checkpoints."""

_LAST = 1 << 62
"""After every time."""

CHALLENGERS = "SELECT document FROM bases WHERE EXISTS (SELECT 1 FROM verdicts WHERE verdicts.basis = bases.digest)"

NEXT = (
    f"SELECT {COLUMNS} FROM verdicts WHERE basis = ? AND (time, decision) > (?, ?) AND time < ? "  # noqa: S608  # constants
    "ORDER BY time, decision LIMIT ?"
)
"""A step of a challenger's verdicts: its basis, the time and decision that they are behind, until when, how many."""


def keep_verdicts(connection: sqlite3.Connection, basis: Basis, verdicts: Sequence[StoredVerdict]) -> None:
    """Keep them in one transaction that no fsync is waited for, which decisions are waited for that come just then."""
    connection.execute("PRAGMA synchronous=NORMAL")
    with transaction(connection):
        connection.execute("INSERT OR IGNORE INTO bases VALUES (?, ?)", (basis.digest, basis.document))
        connection.executemany(
            f"INSERT OR IGNORE INTO verdicts (basis, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  # a constant
            ((basis.digest, *verdict) for verdict in verdicts),
        )
    connection.execute("PRAGMA synchronous=FULL")


def close_verdicts(connection: sqlite3.Connection, tag: bytes) -> None:
    """Destroy the keys of those of a reference."""
    connection.execute("UPDATE verdicts SET key = NULL WHERE tag = ? AND key IS NOT NULL", (tag,))


def reseal_verdicts(connection: sqlite3.Connection, renew: Callable[[bytes, bytes], bytes | None]) -> int:
    """Put other seals on data keys, a step at a time; how many."""
    number = 0
    for (basis,) in connection.execute("SELECT DISTINCT basis FROM verdicts").fetchall():
        after = (-1, b"")
        while step := [StoredVerdict(*row) for row in connection.execute(NEXT, (basis, *after, _LAST, STEP))]:
            renewed = [(new, basis, decision, key) for decision, key, new in renewed_keys(step, basis, renew)]
            with transaction(connection):
                connection.executemany(
                    "UPDATE verdicts SET key = ? WHERE basis = ? AND decision = ? AND key = ?", renewed
                )
            number += len(renewed)
            after = step[-1].time, step[-1].decision
    return number


def delete_verdicts(connection: sqlite3.Connection, decisions: Sequence[bytes]) -> None:
    """Delete what was said of decisions."""
    connection.executemany("DELETE FROM verdicts WHERE decision = ?", ((decision,) for decision in decisions))
