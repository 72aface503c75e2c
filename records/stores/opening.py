"""The store that a setting names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from records.stores import postgresql, sqlite
from records.stores.base import Store, StoreError

SETTING = "CREDIT_RISK_RECORDS"
_SQLITE = "sqlite:"
_POSTGRESQL = ("postgresql://", "postgres://")

T = TypeVar("T")


def open_store(where: str, seconds: float = postgresql.SECONDS) -> Store:
    """The store at `where`. It is reached when it is first used.

    Args:
        where: `sqlite:/folder`, or a PostgreSQL URL.
        seconds: after which a server that doesn't answer is given up.

    Raises:
        StoreError: it names no store. It is not quoted, since there may be a password in it.
    """

    def on_server(url: str) -> Store:
        return postgresql.PostgreSQL(url, seconds)

    def in_folder(folder: Path) -> Store:
        return sqlite.SQLiteFolder(folder)

    return _of_kind(where, in_folder, on_server)


def migrate(where: str) -> int:
    """Bring the store at `where` to this version's schema.

    Returns:
        How many files or databases were changed.

    Raises:
        StoreError: it names no store, or one that can't be changed now.
    """
    return _of_kind(where, sqlite.migrate, postgresql.migrate)


def _of_kind(where: str, in_folder: Callable[[Path], T], on_server: Callable[[str], T]) -> T:
    try:
        if where.startswith(_SQLITE):
            return in_folder(_folder(where.removeprefix(_SQLITE)))
        if where.startswith(_POSTGRESQL):
            return on_server(where)
    except StoreError as exc:
        raise type(exc)(f"{SETTING}: {exc}") from exc.__cause__
    raise StoreError(f"{SETTING} names no store; set it to sqlite:/a/folder or postgresql://user@host:5432/database")


def _folder(path: str) -> Path:
    # Two slashes in front would be a host to those who know URLs, and from where to go on to others.
    if not path.startswith("/") or (path.startswith("//") and not path.startswith("///")):
        raise StoreError(f"{_SQLITE} takes a folder from the root on, as sqlite:/var/lib/credit-risk/records")
    return Path("/" + path.lstrip("/"))
