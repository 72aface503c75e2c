"""A database's schema, and the rights of who writes there: by commands, never by a service."""

from __future__ import annotations

import time
from contextlib import closing

import psycopg
from psycopg.sql import SQL, Identifier

from records.errors import StoreError, StoreVersionError
from records.stores.base import SECONDS
from records.stores.postgresql.server import Connection, Server
from records.stores.postgresql.session import KIND, locked, unlimited, version
from records.stores.versions import migrations, wrong_version

_RIGHTS = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA {schema} TO {role}",
    "GRANT UPDATE, DELETE ON {schema}.answers, {schema}.claims TO {role}",
)


def migrate(where: str, seconds: float = SECONDS) -> int:
    """Bring a database to this version's schema, each step in one transaction; not while it is written to.

    One that has it already is left alone, whoever writes it.

    Returns:
        How many databases were changed: one or none.

    Raises:
        StoreError: it stays in use, is newer than this version, or can't be reached.
    """
    server = Server(where, seconds)
    deadline = time.monotonic() + seconds
    try:
        with closing(server.connected(deadline, writes=True)) as connection:
            if version(connection) == len(migrations(KIND)):
                return 0
            while not locked(connection, "pg_try_advisory_lock"):
                if time.monotonic() > deadline:
                    raise StoreError(f"{server.name}: in use; stop the services that write it")
                time.sleep(0.1)
            unlimited(connection)
            return _applied(connection, server)
    except psycopg.Error as exc:
        raise server.error(exc) from exc


def grant(where: str, role: str, seconds: float = SECONDS) -> None:
    """Give a role what a service needs, and no more: it adds, and changes nothing but kept answers and claims.

    Raises:
        StoreError: there is no such role, the tables are another's, or the database can't be reached.
    """
    server = Server(where, seconds)
    try:
        with closing(server.connected(time.monotonic() + seconds, writes=True)) as connection:
            ((schema,),) = connection.execute("SELECT current_schema()")
            names = {"schema": Identifier(schema), "role": Identifier(role)}
            with connection.transaction():
                for right in _RIGHTS:
                    connection.execute(SQL(right).format(**names))
    except psycopg.Error as exc:
        raise server.error(exc) from exc


def _applied(connection: Connection, server: Server) -> int:
    steps = migrations(KIND)
    found = version(connection)
    if found > len(steps):
        raise StoreVersionError(wrong_version(server.name, found, len(steps)))
    for step in steps[found:]:
        with connection.transaction():
            connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_versions "
                "(version integer PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())"
            )
            connection.execute(step.sql.encode())
            connection.execute("INSERT INTO schema_versions (version) VALUES (%s)", (step.version,))
    return int(found < len(steps))
