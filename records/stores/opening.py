"""The store that a setting names."""

from __future__ import annotations

from pathlib import Path

from records.errors import StoreError
from records.idempotency.claims import Claims
from records.idempotency.folder import FolderClaims
from records.stores.base import SECONDS, Store
from records.stores.ledger import Ledger
from records.stores.sqlite import events, store

SETTING = "CREDIT_RISK_RECORDS"
_SQLITE = "sqlite:"
_POSTGRESQL = ("postgresql://", "postgres://")


def open_store(where: str, seconds: float = SECONDS) -> Store:
    """The store of this name; nothing is read or written yet.

    Args:
        where: `sqlite:/var/lib/credit-risk/records`, or a PostgreSQL URL.
        seconds: after which a server that doesn't answer is given up.

    Raises:
        StoreError: it names none. It is not quoted, since there may be a password in it.
    """
    try:
        if where.startswith(_POSTGRESQL):
            from records.stores.postgresql.store import PostgreSQL  # noqa: PLC0415  # a client that others don't need

            return PostgreSQL(where, seconds)
        return store.SQLiteFolder(_folder(where))
    except StoreError as exc:
        raise StoreError(f"{SETTING}: {exc}") from None


def open_claims(where: str, seconds: float = SECONDS) -> Claims:
    """The claims of the store's workers; nothing is read or written yet.

    Args:
        where: as `open_store` takes it, and has taken it.
        seconds: after which a server that doesn't answer is given up.
    """
    if where.startswith(_POSTGRESQL):
        from records.idempotency.database import DatabaseClaims  # noqa: PLC0415  # a client that others don't need

        return DatabaseClaims(where, seconds)
    return FolderClaims(_folder(where))


def open_ledger(where: str, seconds: float = SECONDS) -> Ledger:
    """The store of this name, with what was told of its decisions.

    Args, Raises: as `open_store`.
    """
    try:
        if where.startswith(_POSTGRESQL):
            from records.stores.postgresql.ledger import LedgerDatabase  # noqa: PLC0415  # as above

            return LedgerDatabase(where, seconds)
        from records.stores.sqlite.ledger import LedgerFolder  # noqa: PLC0415  # what writes decisions needs no events

        return LedgerFolder(_folder(where))
    except StoreError as exc:
        raise StoreError(f"{SETTING}: {exc}") from None


def migrate_store(where: str, seconds: float = SECONDS, role: str | None = None) -> str:
    """Bring a store to this version's schema.

    Args:
        where: as `open_store` takes it.
        seconds: after which a server that doesn't answer is given up.
        role: of a database, as which services write it.

    Returns:
        What was done.

    Raises:
        StoreError: it names none, or it can't be.
    """
    opened = open_store(where, seconds)
    if isinstance(opened, store.SQLiteFolder):
        if role is not None:
            raise StoreError(f"{SETTING}: a folder has no roles; leave out --grant")
        folder = _folder(where)
        return f"{folder}: {store.migrate(folder) + events.migrate(folder)} files migrated"
    from records.stores.postgresql.schema import grant, migrate  # noqa: PLC0415  # as above

    done = "migrated" if migrate(where, seconds) else "has this schema already"
    if role is None:
        return f"{opened}: {done}"
    grant(where, role, seconds)
    return f"{opened}: {done}; {role} may write to it"


def _folder(where: str) -> Path:
    folder = where.removeprefix(_SQLITE)
    # Two slashes would stand before a host.
    if folder in {"", where} or (folder.startswith("//") and not folder.startswith("///")):
        raise StoreError("names no store; write it as sqlite:/a/folder or postgresql://user@host:5432/database")
    return Path("/" + folder.lstrip("/")) if folder.startswith("/") else Path(folder)
