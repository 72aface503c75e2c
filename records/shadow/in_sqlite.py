"""What challengers said, in a file of the folder that need not be the one of the decisions."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from records.basis import Basis
from records.shadow.verdict import COLUMNS, StoredVerdict
from records.stores.sqlite.files import transaction

STEP = 1000
"""Verdicts read in one go: who reads long holds up the log's checkpoints."""

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


def delete_verdicts(connection: sqlite3.Connection, decisions: Sequence[bytes]) -> None:
    """Delete what was said of decisions."""
    connection.executemany("DELETE FROM verdicts WHERE decision = ?", ((decision,) for decision in decisions))
