"""Whatever is asked of a store with many decisions reads an index: a plan that reads the table is a fault."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from records.chain import Writer
from records.keyring import KeyRing
from records.stores.base import Query, Store
from records.stores.postgresql.schema import migrate
from records.stores.postgresql.store import PostgreSQL
from records.stores.sqlite.store import SQLiteFolder
from tests.postgres import Postgres
from tests.records.samples import BASIS, a_chain

Plans = list[str]
Ask = Callable[[Store, Writer], Any]

ASKED: dict[str, Ask] = {
    "an id": lambda store, _: store.get(bytes(16)),
    "a reference": lambda store, _: store.find(Query(tag=bytes(16))),
    "a reference and more": lambda store, _: store.find(Query(tag=bytes(16), since=1, outcome="REJECT", caller="desk")),
    "a time": lambda store, _: store.find(Query(since=1, until=2)),
    "an outcome of a time": lambda store, _: store.find(Query(outcome="APPROVE", since=1)),
    "the latest": lambda store, _: store.find(Query()),
    "a writer's entries": lambda store, writer: list(store.entries(writer, 10)),
    "where a chain ends": lambda store, writer: store.head(writer),
}
"""What is asked of a store."""

INDICES = {
    "an id": "decisions_by_id",
    "a reference": "decisions_by_tag",
    "a reference and more": "decisions_by_tag",
    "a time": "decisions_by_time",
    "an outcome of a time": "decisions_by_time",
    "the latest": "decisions_by_time",
    "a writer's entries": "decisions_by_writer",
    "where a chain ends": "decisions_by_writer",
}
"""What answers it: any other would read most of the table for some applicant."""

ROWS = 20_000


@pytest.fixture
def sqlite_plans(tmp_path: Path, ring: KeyRing) -> Iterator[tuple[Store, Writer, Plans]]:
    """A store that tells the plan of each statement. SQLite plans by the schema alone, so that few rows do."""
    store, plans = SQLiteFolder(tmp_path), Plans()
    writer, entries = a_chain(5, ring)
    store.begin(writer, BASIS)
    store.append(entries)
    with closing(sqlite3.connect(tmp_path / "0.sqlite")) as connection:
        _told_by(store, lambda sql, values: plans.extend(row[3] for row in connection.execute(sql, values)))
        yield store, writer, plans
    store.close()


def _told_by(store: SQLiteFolder, tell: Callable[[str, Sequence[object]], None]) -> None:
    read, written = store._read, store._written

    def reading(sql: str, *values: object) -> Iterator[Any]:
        tell(f"EXPLAIN QUERY PLAN {sql}", values)
        return read(sql, *values)

    class Telling:
        def __init__(self, connection: sqlite3.Connection) -> None:
            self._connection = connection

        def execute(self, sql: str, values: Sequence[object]) -> Any:
            tell(f"EXPLAIN QUERY PLAN {sql}", values)
            return self._connection.execute(sql, values)

    store._read = reading  # type: ignore[method-assign]  # to see what is asked
    store._written = lambda work: written(lambda connection: work(Telling(connection)))  # type: ignore[method-assign,arg-type,assignment]  # the same


@pytest.mark.parametrize("asked", ASKED)
def test_sqlite(sqlite_plans: tuple[Store, Writer, Plans], asked: str) -> None:
    store, writer, plans = sqlite_plans
    ASKED[asked](store, writer)
    assert plans
    assert [] == [step for step in plans if re.match(r"SCAN (d|decisions)\b", step) and "INDEX" not in step]
    assert [step for step in plans if INDICES[asked] in step]
    if "reference" not in asked:  # an applicant has few decisions, which may be sorted
        assert [] == [step for step in plans if "TEMP B-TREE" in step]


def test_sqlite_appends(sqlite_plans: tuple[Store, Writer, Plans]) -> None:
    """What an append looks up first."""
    store, writer, plans = sqlite_plans
    store.append(list(store.entries(writer))[4:])
    assert [step for step in plans if "decisions_by_writer" in step]
    assert [] == [step for step in plans if re.match(r"SCAN (d|decisions)\b", step)]


@pytest.fixture(scope="module")
def filled(cluster: Postgres, ring: KeyRing) -> tuple[str, Writer]:
    """A database with enough rows that reading its table costs more, and what the planner knows of them."""
    schema = cluster.new_schema()
    where = cluster.url(schema)
    migrate(where)
    writer, entries = a_chain(5, ring)
    with closing(PostgreSQL(where)) as store:
        store.begin(writer, BASIS)
        store.append(entries)
    cluster.execute(
        "INSERT INTO decisions (writer, sequence, id, time, outcome, caller, tag, content, key, hash) "
        "SELECT 1, 5 + i, decode(md5(i::text), 'hex'), 1790000000000000 + i, 'APPROVE', 'core', "
        "decode(md5((i / 3)::text || 'r'), 'hex'), decode(repeat(md5(i::text), 8), 'hex'), NULL, "
        f"decode(md5(i::text || 'h'), 'hex') FROM generate_series(1, {ROWS}) AS i",
        schema,
    )
    cluster.execute("ANALYZE decisions", schema)
    return where, writer


@pytest.mark.database
@pytest.mark.parametrize("asked", ASKED)
def test_postgresql(filled: tuple[str, Writer], asked: str) -> None:
    """With statistics as the server has them after a while."""
    where, writer = filled
    with closing(PostgreSQL(where)) as store:
        store.begin(writer, BASIS)
        plans = Plans()
        done = store._session.do

        class Telling:
            def __init__(self, connection: Any) -> None:
                self._connection = connection

            def execute(self, sql: Any, values: Sequence[object] = (), **named: Any) -> Any:
                text = sql if isinstance(sql, bytes) else sql.encode()
                if b"decisions" in text:
                    plans.extend(row[0] for row in self._connection.execute(b"EXPLAIN " + text, values))
                return self._connection.execute(sql, values, **named)

        store._session.do = lambda work, **named: done(lambda connection: work(Telling(connection)), **named)  # type: ignore[method-assign,arg-type,assignment]  # to see what is asked
        ASKED[asked](store, writer)
    assert plans
    assert [] == [step for step in plans if "Seq Scan on decisions" in step]
    assert [step for step in plans if INDICES[asked] in step]
    if asked in {"an outcome of a time", "the latest"}:  # of a few nearby it may be
        assert [] == [step for step in plans if "Sort  (" in step and "Incremental" not in step]
