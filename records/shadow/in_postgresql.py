"""What challengers said, in the database of the decisions."""

from __future__ import annotations

from collections.abc import Sequence

from records.basis import Basis
from records.shadow.verdict import COLUMNS, StoredVerdict
from records.stores.postgresql.server import Connection

STEP = 1000
"""Verdicts read in one go: who reads long keeps the server from cleaning up."""

CHALLENGERS = (
    "SELECT document FROM bases WHERE EXISTS (SELECT 1 FROM verdicts WHERE verdicts.basis = bases.digest) "
    "ORDER BY document"
)

NEXT = (
    f"SELECT {COLUMNS} FROM verdicts WHERE basis = %s AND (time, decision) > (%s, %s) AND time < %s "  # noqa: S608  # constants
    "ORDER BY time, decision LIMIT %s"
)
"""A step of a challenger's verdicts: its basis, the time and decision that they are behind, until when, how many."""

_KEEP = f"""
INSERT INTO verdicts (basis, {COLUMNS})
SELECT %b::bytea, said.*
FROM unnest(%b::bytea[], %b::bigint[], %b::text[], %b::bytea[], %b::bytea[], %b::bytea[]) AS said (decision)
WHERE EXISTS (SELECT 1 FROM decisions d WHERE d.id = said.decision AND d.key IS NOT NULL)
ON CONFLICT DO NOTHING
"""  # noqa: S608  # a constant
"""Not of a decision that has been erased or purged in the meantime."""


def keep_verdicts(connection: Connection, basis: Basis, verdicts: Sequence[StoredVerdict]) -> None:
    """Keep them in one transaction that the server's disk is not waited for, nor are decisions that come just then."""
    with connection.transaction():
        connection.execute("SET LOCAL synchronous_commit = off")
        connection.execute("INSERT INTO bases VALUES (%s, %s) ON CONFLICT DO NOTHING", (basis.digest, basis.document))
        connection.execute(_KEEP, (basis.digest, *map(list, zip(*verdicts, strict=True))))


def close_verdicts(connection: Connection, tag: bytes) -> None:
    """Destroy the keys of those of a reference; within a transaction that closes their decisions, too."""
    _wait_for_challengers(connection)
    connection.execute("UPDATE verdicts SET key = NULL WHERE tag = %s AND key IS NOT NULL", (tag,))


def delete_verdicts(connection: Connection, decisions: Sequence[bytes]) -> None:
    """Delete what was said of decisions; within a transaction that purges these, too."""
    _wait_for_challengers(connection)
    connection.execute("DELETE FROM verdicts WHERE decision = ANY(%s)", (list(decisions),))


def _wait_for_challengers(connection: Connection) -> None:
    """Let those end that are about to keep what they have said, and keep others from beginning."""
    connection.execute("LOCK TABLE verdicts IN SHARE ROW EXCLUSIVE MODE")
