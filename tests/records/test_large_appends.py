"""As many decisions at once as a batch may have, by the number of parameters that SQLite takes by default."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from records.errors import StoreUnavailableError
from records.keyring import KeyRing
from records.stores.sqlite.store import SQLiteFolder
from tests.records.samples import BASIS, a_chain, a_record, behind, chained


def test_all_or_none(tmp_path: Path, ring: KeyRing) -> None:
    """Also where the one that can't be kept comes last."""
    writer, others = a_chain(1, ring)
    store = SQLiteFolder(tmp_path)
    store.begin(writer, BASIS)
    assert store._connection is not None
    store._connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 32_766)
    many = chained([a_record() for _ in range(10_000)], writer, writer.origin, BASIS, ring)
    store.append(many)
    assert behind(writer, many) == store.head(writer)
    more = chained([a_record() for _ in range(3_000)], writer, behind(writer, many), BASIS, ring)
    with pytest.raises(StoreUnavailableError):
        store.append([*more, *others])
    assert behind(writer, many) == store.head(writer)
    store.close()
