"""Answers in the database, where the decisions are.

The server's clock says what has expired: the only one that all workers share.
"""

from __future__ import annotations

from collections.abc import Sequence

from records.errors import AnsweredAlreadyError
from records.idempotency.answer import NewAnswer
from records.stores.postgresql.server import Connection

MOST_FORGOTTEN = 200
"""Expired answers deleted with each transaction that keeps some: those who ask now don't pay for a whole day."""

FIND = "SELECT key, request, content, data_key FROM answers WHERE key = ANY(%s) AND expires > clock_timestamp()"

_KEEP = """
INSERT INTO answers (key, request, content, data_key, tags, expires)
SELECT key, request, content, data_key, tags, clock_timestamp() + make_interval(secs => seconds)
FROM unnest(%b::bytea[], %b::bytea[], %b::bytea[], %b::bytea[], %b::bytea[], %b::integer[])
    AS new (key, request, content, data_key, tags, seconds)
ON CONFLICT (key) DO UPDATE SET request = excluded.request, content = excluded.content,
    data_key = excluded.data_key, tags = excluded.tags, expires = excluded.expires
WHERE answers.expires <= clock_timestamp() OR answers.data_key = excluded.data_key
RETURNING key
"""
"""In the place of one that has expired, or of itself: that its data key is the same says so."""

_FORGET = """
DELETE FROM answers WHERE key IN (
    SELECT key FROM answers WHERE expires <= clock_timestamp() ORDER BY expires LIMIT %s FOR UPDATE SKIP LOCKED
)
"""


def keep_answers(connection: Connection, answers: Sequence[NewAnswer]) -> None:
    """Keep answers, all or none, and delete some that have expired; within a transaction.

    Raises:
        AnsweredAlreadyError: another one is kept for a key.
    """
    # Sorted: two transactions that wait for each other's keys would wait for ever.
    rows = [(*new.answer, b"".join(new.tags), new.seconds) for new in sorted(answers)]
    kept = connection.execute(_KEEP, [list(column) for column in zip(*rows, strict=True)], prepare=True).fetchall()
    if len(kept) < len(rows):
        raise AnsweredAlreadyError(frozenset(row[0] for row in rows) - {key for (key,) in kept})
    forget_expired(connection, MOST_FORGOTTEN)


def forget_expired(connection: Connection, most: int) -> None:
    """Delete answers that have expired, so many at most."""
    connection.execute(_FORGET, (most,))


def forget(connection: Connection, tag: bytes) -> None:
    """Delete the answers that a reference has a part in."""
    connection.execute("DELETE FROM answers WHERE position(%b::bytea IN tags) > 0", (tag,))
