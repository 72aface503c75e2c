"""Answers in a worker's own file, where its decisions are."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from records.errors import AnsweredAlreadyError
from records.idempotency.answer import NewAnswer
from records.moments import now

MOST_FORGOTTEN = 200
"""Expired answers deleted with each transaction that keeps some: those who ask now don't pay for a whole day."""

_KEEP = """
INSERT INTO answers (key, request, expires, tags, data_key, content) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET request = excluded.request, expires = excluded.expires, tags = excluded.tags,
    data_key = excluded.data_key, content = excluded.content
WHERE answers.expires <= ? OR answers.data_key = excluded.data_key
RETURNING key
"""
"""In the place of one that has expired, or of itself: that its data key is the same says so."""

_FIND = "SELECT expires, key, request, content, data_key FROM answers"


def keep_answers(connection: sqlite3.Connection, answers: Sequence[NewAnswer]) -> None:
    """Keep answers, all or none, and delete some that have expired; within a transaction.

    Raises:
        AnsweredAlreadyError: another one is kept for a key.
    """
    moment = now()
    taken = set()
    for (key, request, content, data_key), tags, seconds in answers:
        row = (key, request, moment + seconds * 1_000_000, b"".join(tags), data_key, content, moment)
        if connection.execute(_KEEP, row).fetchone() is None:
            taken.add(key)
    if taken:
        raise AnsweredAlreadyError(frozenset(taken))
    forget_expired(connection, MOST_FORGOTTEN)


def answers_to(keys: Sequence[bytes]) -> tuple[str, Sequence[object]]:
    """The statement, and its values, that reads what these keys were answered, and before it when that expires."""
    places = ", ".join("?" * len(keys))
    return f"{_FIND} WHERE key IN ({places}) AND expires > ?", (*keys, now())


def all_answers() -> tuple[str, Sequence[object]]:
    """The statement, and its values, that reads all answers, and before each how many seconds it has, and its tags."""
    sql = (
        "SELECT (expires - ?) / 1000000 + 1, tags, key, request, content, data_key FROM answers "
        "WHERE expires > ? ORDER BY key"
    )
    return sql, [now()] * 2


def forget_expired(connection: sqlite3.Connection, most: int = -1) -> None:
    """Delete answers that have expired, all or so many of them."""
    connection.execute(
        "DELETE FROM answers WHERE rowid IN (SELECT rowid FROM answers WHERE expires <= ? ORDER BY expires LIMIT ?)",
        (now(), most),
    )


def forget(connection: sqlite3.Connection, tag: bytes) -> None:
    """Delete the answers that a reference has a part in."""
    connection.execute("DELETE FROM answers WHERE instr(tags, ?)", (tag,))
