"""Whatever happens to the server or on the way to it: what was answered is kept, once, and nothing has to be helped."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest

from records.errors import StoreError, StoreUnavailableError, StoreVersionError
from records.keyring import KeyRing
from records.stores.base import Query
from records.stores.postgresql import schema as postgresql_schema
from records.stores.postgresql import session
from records.stores.postgresql.schema import migrate
from records.stores.postgresql.store import PostgreSQL
from records.stores.versions import Migration, migrations
from tests.postgres import USER, Postgres, missing_postgres, postgres, standby
from tests.records.proxy import Proxy, proxy
from tests.records.samples import BASIS, a_chain, a_record, a_writer, behind, chained
from tests.records.traffic import Traffic, assert_nothing_lost_or_doubled, while_recording
from tests.servers import wait_for

pytestmark = pytest.mark.database

SECONDS = 2.0
"""The stores' time limit."""

LATEST = len(migrations(session.KIND))

MANY = 1_000_000
MOST_CONNECTIONS, RESERVED = 12, 3
"""Of the server, and for its administrator alone."""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One that is stopped and more; each test leaves it running."""
    if reason := missing_postgres():
        pytest.skip(reason)
    with postgres(
        {"max_connections": str(MOST_CONNECTIONS), "superuser_reserved_connections": str(RESERVED)}
    ) as running:
        yield running


@pytest.fixture
def schema(server: Postgres) -> str:
    name = server.new_schema()
    migrate(server.url(name))
    return name


def a_store(server: Postgres, schema: str) -> PostgreSQL:
    return PostgreSQL(server.url(schema), SECONDS)


def connected(where: str) -> psycopg.Connection[Any] | None:
    """A connection; None while there is none to be had, since one that has ended is still being cleared away."""
    try:
        return psycopg.connect(where)
    except psycopg.OperationalError:
        return None


class TestServer:
    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
    def test_stopped_and_restarted(self, server: Postgres, schema: str, ring: KeyRing, how: signal.Signals) -> None:
        """In good order, and by a crash."""

        def fault(traffic: Traffic) -> None:
            server.stop(how)
            traffic.wait_for_failures(3)
            server.start()

        traffic = while_recording([a_store(server, schema)], ring, fault)
        assert traffic.refused
        assert_nothing_lost_or_doubled(traffic, a_store(server, schema))

    def test_restarted_while_nobody_asks(self, server: Postgres, schema: str, ring: KeyRing) -> None:
        """The first one who asks then doesn't notice."""
        writer, entries = a_chain(2, ring)
        store = a_store(server, schema)
        store.begin(writer, BASIS)
        store.append(entries[:1])
        server.restart()
        store.append(entries[1:])
        assert entries == list(store.entries(writer))
        store.close()

    def test_hung(self, server: Postgres, schema: str, ring: KeyRing) -> None:
        """It takes what it is sent and says nothing. No caller waits for ever, neither on the connection that there
        was nor for a new one; what it took is done once it goes on."""

        def fault(traffic: Traffic) -> None:
            with server.hung():
                traffic.wait_for_failures(3)

        traffic = while_recording([a_store(server, schema)], ring, fault)
        assert traffic.refused
        assert_nothing_lost_or_doubled(traffic, a_store(server, schema))

    def test_read_only(self, server: Postgres, schema: str, ring: KeyRing) -> None:
        """Like a primary that was demoted, it goes on answering whoever only reads."""

        def fault(traffic: Traffic) -> None:
            server.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            server.execute("SELECT pg_reload_conf()")
            traffic.wait_for_failures(3)
            assert "25006" in str(traffic.errors[0]) or "read-only" in str(traffic.errors[0])
            with server.connect() as connection:
                connection.execute("SET default_transaction_read_only = off")
                connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
                connection.execute("SELECT pg_reload_conf()")

        traffic = while_recording([a_store(server, schema)], ring, fault)
        assert_nothing_lost_or_doubled(traffic, a_store(server, schema))

    def test_out_of_connections(self, server: Postgres, schema: str, ring: KeyRing) -> None:
        """Somebody else takes all of them, just when the store has lost its own."""

        def fault(traffic: Traffic) -> None:
            with ExitStack() as taken:
                server.execute(f"ALTER ROLE {USER} CONNECTION LIMIT 0")  # until they are taken
                server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{USER}'")
                wait_for(
                    lambda: [(0,)] == server.execute(f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{USER}'")
                )
                server.execute("CREATE ROLE others LOGIN PASSWORD 'others'")
                others = f"postgresql://others:others@127.0.0.1:{server.port}/postgres"
                for _ in range(MOST_CONNECTIONS - RESERVED):
                    taken.enter_context(wait_for(lambda: connected(others)))
                server.execute(f"ALTER ROLE {USER} CONNECTION LIMIT -1")
                before = len(traffic.errors)
                traffic.wait_for_failures(3)
                assert any("remaining connection slots" in str(error) for error in traffic.errors[before:])
            wait_for(lambda: [(0,)] == server.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'others'"))
            server.execute("DROP ROLE others")

        traffic = while_recording([a_store(server, schema)], ring, fault)
        assert_nothing_lost_or_doubled(traffic, a_store(server, schema))

    def test_does_not_sync(self, server: Postgres, schema: str) -> None:
        """Nothing is recorded where a loss of power takes what was answered."""
        server.settings["fsync"] = "off"
        server.restart()
        with pytest.raises(StoreError, match="fsync is off there, and what was kept can be lost; turn it on"):
            a_store(server, schema).begin(a_writer(), BASIS)
        del server.settings["fsync"]
        server.restart()


class TestStandby:
    def test_failed_over(self, ring: KeyRing) -> None:
        """The primary dies, and its synchronous standby, which could be read all along, is made the primary: it has all
        that was answered."""
        if reason := missing_postgres():
            pytest.skip(reason)
        with postgres() as primary, standby(primary) as second:
            schema = primary.new_schema()
            migrate(primary.url(schema))
            primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
            primary.execute("SELECT pg_reload_conf()")
            wait_for(lambda: [("sync",)] == primary.execute("SELECT sync_state FROM pg_stat_replication"))
            hosts = f"127.0.0.1:{second.port},127.0.0.1:{primary.port}"  # asked in this order
            store = PostgreSQL(primary.url(schema).replace(f"127.0.0.1:{primary.port}", hosts), 2 * SECONDS)

            def fault(traffic: Traffic) -> None:
                primary.stop(signal.SIGQUIT)
                traffic.wait_for_failures(2)
                assert any("read-only" in str(error) or "25006" in str(error) for error in traffic.errors)
                with closing(PostgreSQL(second.url(schema), SECONDS)) as reader:
                    assert set(traffic.answered) <= {entry.id for entry in reader.find(Query(most=MANY))}
                second.execute("SELECT pg_promote()")

            traffic = while_recording([store], ring, fault)
            assert_nothing_lost_or_doubled(traffic, PostgreSQL(second.url(schema), SECONDS))

    def test_none_confirms(self, server: Postgres, schema: str, ring: KeyRing) -> None:
        """What the standby hasn't confirmed isn't answered, though the server reports success to whoever it keeps from
        waiting for it, and shows what was written."""

        def fault(traffic: Traffic) -> None:
            server.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            server.execute("SELECT pg_reload_conf()")
            traffic.wait_for_failures()
            answered = len(traffic.answered)
            waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            for end in ("pg_cancel_backend", "pg_terminate_backend"):
                failures = len(traffic.errors)
                while len(traffic.errors) < failures + 3 and answered == len(traffic.answered):
                    server.execute(f"SELECT {end}(pid) {waiting}")
                    time.sleep(0.05)
            assert answered == len(traffic.answered)
            server.execute("ALTER SYSTEM RESET synchronous_standby_names")
            server.execute("SELECT pg_reload_conf()")

        traffic = while_recording([a_store(server, schema)], ring, fault)
        assert any("canceling wait for synchronous replication" in str(error) for error in traffic.errors)
        assert_nothing_lost_or_doubled(traffic, a_store(server, schema))


class TestTheWay:
    @pytest.fixture
    def way(self, server: Postgres) -> Iterator[Proxy]:
        with proxy(server.port) as running:
            yield running

    def test_cut_behind_a_commit(self, server: Postgres, schema: str, way: Proxy, ring: KeyRing) -> None:
        """The server has kept them, its answer is lost; the store asks again and finds them."""
        writer, entries = a_chain(5, ring)
        store = PostgreSQL(server.url(schema, port=way.port), SECONDS)
        reader = a_store(server, schema)
        store.begin(writer, BASIS)
        store.append(entries[:2])
        way.cuts = 1
        store.append(entries[2:4])
        assert 1 == way.lost
        assert entries[:4] == list(reader.entries(writer))
        store.append(entries[4:])
        assert entries == list(reader.entries(writer))
        store.close()
        reader.close()

    def test_cut_again_and_again(self, server: Postgres, schema: str, way: Proxy, ring: KeyRing) -> None:
        """Until nobody knows; the chain goes on behind what was kept."""
        writer, entries = a_chain(3, ring)
        store = PostgreSQL(server.url(schema, port=way.port), SECONDS)
        store.begin(writer, BASIS)
        store.append(entries[:1])
        way.cuts = 2
        with pytest.raises(StoreUnavailableError):
            store.append(entries[1:])
        store.begin(writer, BASIS)
        assert behind(writer, entries) == store.head(writer)
        store.append(entries)
        assert entries == list(store.entries(writer))
        store.close()

    def test_cut_under_load(self, server: Postgres, schema: str, way: Proxy, ring: KeyRing) -> None:
        """At whatever is being answered just then."""

        def fault(traffic: Traffic) -> None:
            for cuts in (1, 1, 2, 3, 1, 2, 1):
                way.cuts = cuts
                traffic.wait_for_answers()

        stores = [PostgreSQL(server.url(schema, port=way.port), SECONDS) for _ in range(2)]
        traffic = while_recording(stores, ring, fault)
        assert 11 == way.lost
        assert_nothing_lost_or_doubled(traffic, a_store(server, schema))


class TestSeveral:
    def test_two_committers_at_once(self, server: Postgres, schema: str, ring: KeyRing) -> None:
        """Each with its chain, in one table."""

        def fault(traffic: Traffic) -> None:
            traffic.wait_for_answers(200)

        traffic = while_recording([a_store(server, schema) for _ in range(2)], ring, fault)
        assert [] == traffic.errors
        reader = a_store(server, schema)
        assert 2 == len(reader.writers())
        assert_nothing_lost_or_doubled(traffic, reader)

    def test_the_same_twice_at_once(self, server: Postgres, schema: str, ring: KeyRing) -> None:
        """A connection that was given up is about to keep what comes again: it is waited for, and found kept."""
        writer, entries = a_chain(3, ring)
        one, two = (a_store(server, schema) for _ in range(2))
        for store in (one, two):
            store.begin(writer, BASIS)
        assert one._session._connection is not None
        one._session._connection.execute("BEGIN")
        one.append(entries)
        with ThreadPoolExecutor(1) as pool:
            again = pool.submit(two.append, entries)
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            wait_for(lambda: [(1,)] == server.execute(waiting))
            one._session._connection.execute("COMMIT")
            again.result()
        assert entries == list(two.entries(writer))
        one.close()
        two.close()

    def test_two_of_one_writer(self, server: Postgres, schema: str, ring: KeyRing) -> None:
        """As when a connection that was given up still does what it was sent: one of the two is kept, whole."""
        writer = a_writer()
        one, two = (
            chained([a_record() for _ in range(number)], writer, writer.origin, BASIS, ring) for number in (3, 2)
        )
        stores = [a_store(server, schema) for _ in range(2)]
        for store in stores:
            store.begin(writer, BASIS)
        stores[0].append(one)
        with pytest.raises(StoreUnavailableError, match="ask for the head"):
            stores[1].append(two)
        assert one == list(stores[0].entries(writer))
        for store in stores:
            store.close()


class TestVersions:
    def test_last_versions_schema(
        self, server: Postgres, schema: str, ring: KeyRing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A service of the next version doesn't start on it until it is migrated, and what it holds stays."""
        old = a_store(server, schema)
        writer, entries = a_chain(3, ring)
        old.begin(writer, BASIS)
        old.append(entries)
        step = Migration(LATEST + 1, "ALTER TABLE decisions ADD COLUMN added integer")
        for module in (postgresql_schema, session):
            monkeypatch.setattr(module, "migrations", lambda kind: [*migrations(kind), step])
        new = a_store(server, schema)
        with pytest.raises(StoreVersionError, match=f"schema {LATEST}, and this service writes {LATEST + 1}; run `"):
            new.begin(a_writer(), BASIS)
        with pytest.raises(StoreVersionError):
            new.find(Query())
        with pytest.raises(StoreError, match="in use; stop the services that write it"):
            migrate(server.url(schema), 0.2)
        assert entries == list(old.entries(writer))

        old.close()
        assert 1 == migrate(server.url(schema))
        new.begin(writer, BASIS)
        assert entries == list(new.entries(writer))
        new.close()
