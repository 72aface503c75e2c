"""A setting leads to its store, or to what to do about it; and no password leads anywhere."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.errors import StoreError, StoreUnavailableError
from records.stores.base import Query
from records.stores.opening import migrate_store, open_store
from records.stores.postgresql.store import PostgreSQL
from records.stores.sqlite.store import SQLiteFolder
from tests.records.samples import BASIS, a_writer

PASSWORD = "S3cr3t-Passw0rd"


class TestKinds:
    @pytest.mark.parametrize("slashes", ["", "//"])
    def test_a_folder(self, tmp_path: Path, slashes: str) -> None:
        store = open_store(f"sqlite:{slashes}{tmp_path}/records")
        assert isinstance(store, SQLiteFolder)
        store.begin(a_writer(), BASIS)
        store.close()
        assert (tmp_path / "records" / "0.sqlite").exists()
        assert f"{tmp_path}/records: 0 files migrated" == migrate_store(f"sqlite:{tmp_path}/records")

    @pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
    def test_a_server(self, scheme: str) -> None:
        store = open_store(f"{scheme}://records:{PASSWORD}@db.example:5433/credit?sslmode=verify-full")
        assert isinstance(store, PostgreSQL)
        assert "PostgreSQL(postgresql://records@db.example:5433/credit)" == repr(store)

    def test_several_servers(self) -> None:
        store = open_store(f"postgresql://records:{PASSWORD}@one:5433,two:5434/credit")
        assert "PostgreSQL(postgresql://records@one:5433,two:5434/credit)" == repr(store)

    @pytest.mark.database
    def test_one_that_is_there(self, database: str) -> None:
        store = open_store(database)
        assert f"{store}: has this schema already" == migrate_store(database)
        assert [] == store.find(Query())
        store.close()


class TestWrong:
    @pytest.mark.parametrize(
        ("where", "remedy"),
        [
            ("", "write it as sqlite:/a/folder or postgresql://"),
            ("/var/lib/records", "write it as sqlite:/a/folder or postgresql://"),
            (f"mysql://root:{PASSWORD}@db/credit", "write it as sqlite:/a/folder or postgresql://"),
            (f"host=db password={PASSWORD}", "write it as sqlite:/a/folder or postgresql://"),
            ("sqlite:", "write it as sqlite:/a/folder"),
            ("sqlite://records", "write it as sqlite:/a/folder"),
            (f"postgresql://u:{PASSWORD}@db/credit?sslmod=require", "it looks like postgresql://"),
            (f"postgresql://u:{PASSWORD}%@db/credit", "percent-encoded"),
            (f"postgresql://u:{PASSWORD}@{PASSWORD}@db/credit", "@ is %40"),
            (f"postgresql://u:{PASSWORD}/{PASSWORD}@db/credit", "/ is %2F"),
            (f"postgresql://u:1/{PASSWORD}@db/credit", "/ is %2F"),
        ],
    )
    def test_names_setting_and_remedy(self, where: str, remedy: str) -> None:
        """And never what was set."""
        for use in (open_store, migrate_store):
            with pytest.raises(StoreError, match="CREDIT_RISK_RECORDS") as raised:
                use(where)
            assert remedy in str(raised.value)
            assert PASSWORD not in "".join(traceback.format_exception(raised.value))


class TestPassword:
    @given(st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), max_size=20))
    def test_is_never_shown(self, end: str) -> None:
        """Whatever is in it, encoded or not; nobody listens on the port."""
        password = f"S3cr3t{end}"
        shown = []
        with pytest.raises(StoreError) as raised:  # noqa: PT012  # one or the other
            store = open_store(f"postgresql://records:{password}@127.0.0.1:1/credit", 2)
            shown.append(repr(store))
            store.begin(a_writer(), BASIS)
        assert "S3cr3t" not in "".join([*shown, *traceback.format_exception(raised.value)])

    def test_not_in_a_log(self, caplog: pytest.LogCaptureFixture) -> None:
        """Not even in the most talkative one."""
        caplog.set_level(logging.DEBUG, "psycopg")
        store = open_store(f"postgresql://records:{PASSWORD}@127.0.0.1:1/credit", 2)
        with pytest.raises(StoreUnavailableError, match=r"records@127\.0\.0\.1:1/credit"):
            store.begin(a_writer(), BASIS)
        assert caplog.text
        assert PASSWORD not in caplog.text
