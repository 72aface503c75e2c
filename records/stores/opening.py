"""A store by its name."""

from __future__ import annotations

from pathlib import Path

from records.stores.base import Store, StoreError
from records.stores.sqlite import SQLiteFolder, migrate

_NAMES = "sqlite:FOLDER"


def open_store(where: str) -> Store:
    """The store of this name; nothing is read or written yet.

    Args:
        where: such as `sqlite:/var/lib/credit-risk/records`.

    Raises:
        StoreError: it names none.
    """
    return SQLiteFolder(_folder(where))


def migrate_store(where: str) -> str:
    """Bring a store to this version's schema.

    Returns:
        What was done.

    Raises:
        StoreError: it names none, or it can't be.
    """
    folder = _folder(where)
    return f"{folder}: {migrate(folder)} files migrated"


def _folder(where: str) -> Path:
    kind, colon, folder = where.partition(":")
    if kind != "sqlite" or not colon or not folder:
        raise StoreError(f"no store is named so; write it as {_NAMES}")
    return Path(folder)
