"""Claims of all workers of one database: rows that are as alive as the session that made them.

Each session holds one advisory lock, of a number that is drawn for it; a row names the number. When the session ends,
and be it with its worker killed or its machine gone, the server lets go of the lock, and the row counts for nothing. A
lock for each key would need no rows, but fill the table of locks that all of the server's users share.

The rows are in an unlogged table: claiming waits for no disk.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from records.idempotency.answer import Answer
from records.idempotency.claims import Found
from records.idempotency.in_postgresql import FIND, forget_expired
from records.stores.base import SECONDS
from records.stores.postgresql.server import Connection, Server
from records.stores.postgresql.session import Session, settle

_LIVES = """
SELECT 1 FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = claims.owner
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

# Constants.
_CLAIM = f"""
INSERT INTO claims (key, owner) SELECT key, %s FROM unnest(%s::bytea[]) AS key ORDER BY key
ON CONFLICT (key) DO UPDATE SET owner = excluded.owner WHERE NOT EXISTS ({_LIVES})
RETURNING key
"""  # noqa: S608
_SWEEP = f"DELETE FROM claims WHERE NOT EXISTS ({_LIVES})"  # noqa: S608

_FORGOTTEN_AT_START = 10_000
"""Expired answers deleted with each new connection: the first request under a key waits for it."""


class DatabaseClaims:
    """The claims, on a connection of their own: they don't wait for a commit's disk.

    Args:
        where: a URL, as libpq reads it.
        seconds: after which a server that doesn't answer is given up.

    Raises:
        StoreError: it is no such URL.
    """

    def __init__(self, where: str, seconds: float = SECONDS) -> None:
        self._session = Session(Server(where, seconds), self._begin)
        self._owner = 0

    def claim(self, keys: Sequence[bytes]) -> Found:
        """Claim first, then look: what is answered after that look is answered under another's claim."""

        def claimed(connection: Connection) -> Found:
            won = connection.execute(_CLAIM, (self._owner, sorted(keys)), prepare=True, binary=True).fetchall()
            found = connection.execute(FIND, (list(keys),), prepare=True, binary=True).fetchall()
            answers = {row[0]: Answer(*row) for row in found}
            if answers:
                settle(connection)
            mine = frozenset(key for (key,) in won)
            _release(connection, self._owner, mine & answers.keys())
            return Found(mine - answers.keys(), answers)

        return self._session.do(claimed, writes=True)

    def release(self, keys: Sequence[bytes]) -> None:
        """Delete the rows. Those of a session that has ended count for nothing as it is."""
        if self._session.connected:
            self._session.do(lambda connection: _release(connection, self._owner, keys), writes=True)

    def close(self) -> None:
        """Let go of the connection, and with it of all claims."""
        self._session.close()

    def _begin(self, connection: Connection) -> None:
        self._owner = secrets.randbits(63)
        connection.execute("SELECT pg_advisory_lock(%s::bigint)", (self._owner,))
        connection.execute(_SWEEP.encode())
        forget_expired(connection, _FORGOTTEN_AT_START)


def _release(connection: Connection, owner: int, keys: Sequence[bytes] | frozenset[bytes]) -> None:
    if keys:
        connection.execute("DELETE FROM claims WHERE owner = %s AND key = ANY(%s)", (owner, sorted(keys)), prepare=True)
