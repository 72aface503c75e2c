"""What PostgreSQL has of its own: how long it is waited for, what it is asked for, who migrates it and what is left."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from records.committer import Committer
from records.errors import StoreError, StoreUnavailableError, StoreVersionError
from records.events.event import Kind, News
from records.keyring import KeyRing
from records.stores.base import Query
from records.stores.opening import migrate_store
from records.stores.postgresql import schema as schema_module
from records.stores.postgresql import session
from records.stores.postgresql.ledger import LedgerDatabase
from records.stores.postgresql.schema import grant, migrate
from records.stores.postgresql.store import PostgreSQL
from records.stores.versions import Migration, migrations
from tests.postgres import USER, Postgres
from tests.records.samples import BASIS, a_chain, a_writer
from tests.records.test_committer import Watched
from tests.servers import wait_for

pytestmark = pytest.mark.database

LATEST = len(migrations(session.KIND))


@pytest.fixture
def store(database: str) -> Iterator[PostgreSQL]:
    store = PostgreSQL(database, 2)
    yield store
    store.close()


def shown(store: PostgreSQL, *settings: str) -> list[str]:
    assert store._session._connection is not None
    return [store._session._connection.execute(f"SHOW {setting}".encode()).fetchall()[0][0] for setting in settings]


class TestSession:
    @pytest.mark.parametrize(("set_to", "used"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")])
    def test_commits_are_durable(self, database: str, set_to: str, used: str) -> None:
        """Whatever the database's owner has set for others."""
        store = PostgreSQL(f"{database}%20-csynchronous_commit%3D{set_to}")
        store.begin(a_writer(), BASIS)
        assert [used] == shown(store, "synchronous_commit")
        store.close()

    def test_the_server_has_limits_too(self, store: PostgreSQL) -> None:
        """It lets go of what a service holds that has ended without a word."""
        store.begin(a_writer(), BASIS)
        assert ["2s", "2s", "2s", "2000"] == shown(
            store, "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "tcp_user_timeout"
        )

    def test_somebody_locks_the_table(self, cluster: Postgres, store: PostgreSQL, ring: KeyRing) -> None:
        """It is given up in time, and goes on afterwards."""
        writer, entries = a_chain(2, ring)
        store.begin(writer, BASIS)
        (schema,) = shown(store, "search_path")
        with cluster.connect(schema) as other, other.transaction():
            other.execute("LOCK TABLE decisions")
            with pytest.raises(StoreUnavailableError, match="timeout"):
                store.append(entries)
        store.begin(writer, BASIS)
        store.append(entries)
        assert entries == list(store.entries(writer))

    def test_a_wrong_password(self, database: str, cluster: Postgres) -> None:
        """The error says whose, not which."""
        store = PostgreSQL(database.replace(cluster.password, "wrong-password"))
        with pytest.raises(StoreUnavailableError, match=f'authentication failed for user "{USER}"') as raised:
            store.begin(a_writer(), BASIS)
        assert "wrong-password" not in str(raised.value)

    def test_whoever_records_may_neither_change_nor_delete(
        self, cluster: Postgres, store: PostgreSQL, ring: KeyRing
    ) -> None:
        """A service needs no more than to read and to add."""
        writer, entries = a_chain(4, ring)
        store.find(Query())
        (schema,) = shown(store, "search_path")
        role = f"{schema}_service"
        cluster.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{cluster.password}'")
        assert migrate_store(cluster.url(schema), role=role).endswith(
            f"has this schema already; {role} may write to it"
        )
        service = PostgreSQL(cluster.url(schema, role))
        service.begin(writer, BASIS)
        for _ in range(2):
            service.append(entries)
        assert 4 == service.head(writer).sequence
        with pytest.raises(StoreUnavailableError, match="permission denied"):
            service.destroy_keys(ring.tag("ref-1"))
        service.close()
        ledger = LedgerDatabase(cluster.url(schema, role))
        known = [entry.id for entry in entries]
        assert 4 == len(ledger.tell(known, lambda told: [News(1, Kind.NOTIFIED, each, 1, None) for each in told]))
        with pytest.raises(StoreUnavailableError, match="permission denied"):
            ledger.purge(known, lambda _: [])
        ledger.close()
        rights = cluster.execute(
            "SELECT table_name, privilege_type FROM information_schema.role_table_grants "
            f"WHERE grantee = '{role}' AND privilege_type NOT IN ('SELECT', 'INSERT')"
        )
        assert {(table, right) for table in ("answers", "claims") for right in ("UPDATE", "DELETE")} == set(rights)

    def test_rights_for_nobody(self, database: str, tmp_path: Path) -> None:
        """A role that isn't there, and a store that has none."""
        with pytest.raises(StoreUnavailableError, match='role "no; DROP ROLE records" does not exist'):
            grant(database, "no; DROP ROLE records")
        with pytest.raises(StoreError, match="a folder has no roles; leave out --grant"):
            migrate_store(f"sqlite:{tmp_path}", role="service")


class TestErasing:
    def test_leaves_no_key_in_the_table(self, cluster: Postgres, store: PostgreSQL, ring: KeyRing) -> None:
        """Not even in its pages, among what no statement sees any more."""
        writer, entries = a_chain(100, ring)
        store.begin(writer, BASIS)
        store.append(entries)
        key = entries[7].key
        assert key is not None
        (schema,) = shown(store, "search_path")
        cluster.execute("CREATE EXTENSION IF NOT EXISTS pageinspect")

        def copies() -> int:
            ((found,),) = cluster.execute(
                f"SELECT count(*) FROM generate_series(0, pg_relation_size('{schema}.decisions') / 8192 - 1) AS page, "
                f"heap_page_items(get_raw_page('{schema}.decisions', page::int)) AS item "
                rf"WHERE position('\x{key.hex()}'::bytea IN item.t_data) > 0"
            )
            return int(found)

        assert 1 == copies()
        assert 1 == store.destroy_keys(ring.tag("ref-7"))
        assert 0 == copies()


class TestMigrating:
    @pytest.fixture
    def empty(self, cluster: Postgres) -> str:
        return cluster.url(cluster.new_schema())

    def test_is_nobodys_but_the_commands(self, empty: str, ring: KeyRing) -> None:
        """A worker doesn't make what isn't there."""
        writer, entries = a_chain(1, ring)
        store = PostgreSQL(empty)
        for use in (lambda: store.begin(writer, BASIS), lambda: store.append(entries), lambda: store.find(Query())):
            with pytest.raises(StoreVersionError, match=f"has schema 0, and this service writes {LATEST}; run `"):
                use()
        assert 1 == migrate(empty)
        assert [] == store.find(Query())
        store.close()

    def test_is_waited_for(self, empty: str, ring: KeyRing) -> None:
        """A service that has started first says what it waits for, and begins when that is done."""
        watched = Watched()
        committer = Committer(PostgreSQL(empty), BASIS, ring, watched)
        committer.start()
        try:
            assert "run `python -m records migrate`" in str(watched.errors[0])
            migrate(empty)
            wait_for(lambda: watched.uses)
        finally:
            committer.stop()

    def test_several_at_once(self, empty: str) -> None:
        """One does it, and the others find it done."""
        with ThreadPoolExecutor(4) as pool:
            assert [0, 0, 0, 1] == sorted(pool.map(migrate, [empty] * 4))

    def test_a_step_is_whole_or_not_at_all(
        self, empty: str, cluster: Postgres, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        step = Migration(LATEST + 1, "CREATE TABLE half (); SELECT 1 / 0")
        monkeypatch.setattr(schema_module, "migrations", lambda kind: [*migrations(kind), step])
        with pytest.raises(StoreUnavailableError, match="division by zero"):
            migrate(empty)
        monkeypatch.undo()
        assert 0 == migrate(empty)
        schema = empty.rpartition("%3D")[2]
        assert [(None,)] == cluster.execute(f"SELECT to_regclass('{schema}.half')")

    def test_a_newer_one_is_neither_touched_nor_used(self, database: str, cluster: Postgres) -> None:
        schema = database.rpartition("%3D")[2]
        cluster.execute(f"INSERT INTO {schema}.schema_versions VALUES (99)")
        for use in (lambda: migrate(database), lambda: PostgreSQL(database).begin(a_writer(), BASIS)):
            with pytest.raises(StoreVersionError, match=r"schema 99.*the version that made it"):
                use()

    def test_waits_for_who_writes_and_holds_off_who_would(
        self, database: str, store: PostgreSQL, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody writes by a schema that changes under their hands; where none changes, nobody is asked to stop."""
        store.begin(a_writer(), BASIS)
        assert 0 == migrate(database, 0.1)
        with monkeypatch.context() as patch:
            patch.setattr(schema_module, "migrations", lambda kind: [*migrations(kind), Migration(LATEST + 1, "")])
            with pytest.raises(StoreError, match="in use; stop the services that write it"):
                migrate(database, 0.1)
        store.close()
        with psycopg.connect(database, autocommit=True) as other:
            other.execute("SELECT pg_advisory_lock(%s)", (session.IN_USE,))
            with pytest.raises(StoreUnavailableError, match="being migrated; try again"):
                store.begin(a_writer(), BASIS)
            assert [] == store.find(Query())
