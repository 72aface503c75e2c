"""What a store has kept is there, once, in order, and found again; the same tests for each kind of store."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from records.chain import broken
from records.errors import StoreError, StoreUnavailableError, StoreVersionError
from records.keyring import KeyRing
from records.stores.base import Query, Store
from records.stores.postgresql.store import PostgreSQL
from records.stores.sqlite.store import SQLiteFolder, migrate
from records.stores.versions import migrations
from tests.records.samples import BASIS, a_chain, a_record, a_writer, behind, chained

Open = Callable[[], Store]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "records"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.database)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


of_sqlite = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)


@pytest.fixture
def open_store(kind: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[Open]:
    stores: list[Store] = []
    database = request.getfixturevalue("database") if kind == "postgres" else ""

    def opened() -> Store:
        stores.append(PostgreSQL(database) if kind == "postgres" else SQLiteFolder(folder))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


class TestKeeping:
    def test_there_and_back(self, open_store: Open, ring: KeyRing) -> None:
        """Entries, writer and basis, as another process reads them."""
        writer, entries = a_chain(5, ring)
        store = open_store()
        store.begin(writer, BASIS)
        store.append(entries[:2])
        store.append(entries[2:])
        reader = open_store()
        assert [writer] == list(reader.writers())
        assert entries == list(reader.entries(writer))
        assert BASIS == reader.basis(writer.basis)
        assert [] == list(broken(reader.entries(writer), writer))

    def test_twice_is_once(self, open_store: Open, ring: KeyRing) -> None:
        """A commit whose end isn't known is tried again with the same entries."""
        writer, entries = a_chain(3, ring)
        store = open_store()
        for _ in range(2):
            store.begin(writer, BASIS)
            store.append(entries)
        assert entries == list(store.entries(writer))

    def test_what_is_kept_already_is_left_out(self, open_store: Open, ring: KeyRing) -> None:
        """Of what comes again with more behind it, the rest is kept."""
        writer, entries = a_chain(5, ring)
        store = open_store()
        store.begin(writer, BASIS)
        store.append(entries[:3])
        store.append(entries[1:])
        assert entries == list(store.entries(writer))

    def test_a_decision_has_one_place(self, open_store: Open, ring: KeyRing) -> None:
        """One that is kept, and comes again at another place of the chain, would leave a hole there."""
        writer, entries = a_chain(2, ring)
        store = open_store()
        store.begin(writer, BASIS)
        store.append(entries)
        again = [entry._replace(sequence=entry.sequence + 2) for entry in entries]
        with pytest.raises(StoreUnavailableError):
            store.append(again)
        store.begin(writer, BASIS)
        assert entries == list(store.entries(writer))

    @pytest.mark.parametrize("kept", [0, 2])
    def test_a_chain_has_no_gaps(self, open_store: Open, ring: KeyRing, kept: int) -> None:
        writer, entries = a_chain(5, ring)
        store = open_store()
        store.begin(writer, BASIS)
        store.append(entries[:kept])
        with pytest.raises(StoreUnavailableError, match="head"):
            store.append(entries[kept + 1 :])
        store.begin(writer, BASIS)
        assert behind(writer, entries[:kept]) == store.head(writer)

    def test_references_are_not_required(self, open_store: Open, ring: KeyRing) -> None:
        """In none of them, and in some."""
        writer = a_writer()
        records = [a_record(), a_record(), a_record(reference="ref-1"), a_record()]
        entries = chained(records, writer, writer.origin, BASIS, ring)
        store = open_store()
        store.begin(writer, BASIS)
        store.append(entries[:2])
        store.append(entries[2:])
        store.append([])
        assert entries == list(store.entries(writer))

    def test_all_or_none(self, open_store: Open, ring: KeyRing) -> None:
        """An entry that can't be kept takes those that came with it along."""
        writer, entries = a_chain(3, ring)
        store = open_store()
        store.begin(writer, BASIS)
        unfit = entries[2]._replace(id=bytes(16), sequence=1)
        with pytest.raises(StoreUnavailableError):
            store.append([*entries[:2], unfit])
        store.begin(writer, BASIS)
        assert writer.origin == store.head(writer)
        assert [] == list(store.entries(writer))

    def test_head(self, open_store: Open, ring: KeyRing) -> None:
        """Where a chain goes on, after a start or a failure."""
        writer, entries = a_chain(3, ring)
        store = open_store()
        store.begin(writer, BASIS)
        assert writer.origin == store.head(writer)
        store.append(entries)
        assert behind(writer, entries) == store.head(writer)

    def test_two_writers(self, open_store: Open, ring: KeyRing) -> None:
        """At the same time, each with its own chain."""
        chains = [a_chain(3, ring) for _ in range(2)]
        stores = [open_store() for _ in chains]
        for store, (writer, _) in zip(stores, chains, strict=True):
            store.begin(writer, BASIS)
        for place in range(3):
            for store, (_, entries) in zip(stores, chains, strict=True):
                store.append(entries[place : place + 1])
        reader = open_store()
        assert 2 == len(reader.writers())
        for writer, entries in chains:
            assert entries == list(reader.entries(writer))

    def test_many(self, open_store: Open, ring: KeyRing) -> None:
        """Read in steps, none left out between them."""
        writer, entries = a_chain(2500, ring)
        store = open_store()
        store.begin(writer, BASIS)
        store.append(entries)
        assert [entry.id for entry in entries] == [entry.id for entry in store.entries(writer)]

    def test_files(self, open_store: Open) -> None:
        """Once, by what is in them; what is no longer what it was isn't shown."""
        files = {sha256(content).hexdigest(): content for content in (b"one", bytes(3_000_000))}
        store = open_store()
        for _ in range(2):
            store.archive(files | {"0" * 64: b"another"})
        assert files == {digest: open_store().archived(digest) for digest in files}
        assert store.archived("0" * 64) is None
        assert store.archived("1" * 64) is None

    def test_an_empty_one(self, open_store: Open) -> None:
        store = open_store()
        assert ([], []) == (list(store.writers()), list(store.find(Query())))
        assert store.get(bytes(16)) is None
        assert store.basis(bytes(32)) is None


class TestFinding:
    @pytest.fixture
    def store(self, open_store: Open, ring: KeyRing) -> Store:
        """Two writers' entries, their times interleaved."""
        for shift, caller in ((0, "core"), (5, "desk")):
            writer = a_writer()
            records = [
                a_record(
                    time=1000 + 10 * i + shift,
                    caller=caller,
                    reference=f"ref-{i % 3}",
                    outcome="APPROVE" if i % 2 else "REJECT",
                )
                for i in range(6)
            ]
            store = open_store()
            store.begin(writer, BASIS)
            store.append(chained(records, writer, writer.origin, BASIS, ring))
        return store

    @pytest.mark.parametrize(
        ("asked", "times"),
        [
            ({}, [1055, 1050, 1045, 1040, 1035, 1030, 1025, 1020, 1015, 1010, 1005, 1000]),
            ({"most": 3}, [1055, 1050, 1045]),
            ({"since": 1040}, [1055, 1050, 1045, 1040]),
            ({"until": 1010}, [1005, 1000]),
            ({"since": 1010, "until": 1020, "outcome": "APPROVE"}, [1015, 1010]),
            ({"caller": "core", "outcome": "REJECT"}, [1040, 1020, 1000]),
            ({"caller": "nobody"}, []),
        ],
    )
    def test_by(self, store: Store, asked: dict[str, int], times: Sequence[int]) -> None:
        """The latest first, whichever writer's."""
        assert times == [entry.time for entry in store.find(Query(**asked))]

    def test_by_reference(self, store: Store, ring: KeyRing) -> None:
        assert [1045, 1040, 1015, 1010] == [entry.time for entry in store.find(Query(tag=ring.tag("ref-1")))]
        assert [] == list(store.find(Query(tag=ring.tag("ref-9"))))

    def test_by_id(self, store: Store) -> None:
        for entry in store.find(Query()):
            assert entry == store.get(entry.id)


class TestErasing:
    def test_closes_one_applicants_records(self, open_store: Open, ring: KeyRing) -> None:
        """Chain and counts stay whole."""
        writer, entries = a_chain(50, ring)
        store = open_store()
        store.begin(writer, BASIS)
        store.append(entries)
        store.close()

        assert 1 == store.destroy_keys(ring.tag("ref-7"))
        assert 0 == store.destroy_keys(ring.tag("ref-7"))

        left = list(store.entries(writer))
        assert [entries[7].id] == [entry.id for entry in left if entry.sealed is None]
        assert [] == list(broken(left, writer))

    @of_sqlite
    def test_leaves_no_copy_of_the_key_in_any_file(self, open_store: Open, ring: KeyRing, folder: Path) -> None:
        writer, entries = a_chain(50, ring)
        store = open_store()
        store.begin(writer, BASIS)
        store.append(entries)
        store.close()
        key = entries[7].key
        assert key is not None
        assert any(key in path.read_bytes() for path in folder.iterdir())
        store.destroy_keys(ring.tag("ref-7"))
        assert not any(key in path.read_bytes() for path in folder.iterdir())


@of_sqlite
class TestFiles:
    def test_a_file_has_one_writer(self, open_store: Open, folder: Path) -> None:
        """Whoever comes second takes another file, and the first one's again once it is free."""
        first, second, third = open_store(), open_store(), open_store()
        first.begin(a_writer(), BASIS)
        second.begin(a_writer(), BASIS)
        assert ["0.sqlite", "1.sqlite"] == sorted(path.name for path in folder.glob("*.sqlite"))
        first.close()
        third.begin(a_writer(), BASIS)
        assert ["0.sqlite", "1.sqlite"] == sorted(path.name for path in folder.glob("*.sqlite"))
        assert 3 == len(third.writers())

    def test_is_for_its_owner(self, open_store: Open, folder: Path) -> None:
        open_store().begin(a_writer(), BASIS)
        assert 0o700 == folder.stat().st_mode & 0o777
        assert 0o600 == (folder / "0.sqlite").stat().st_mode & 0o777

    def test_kept_is_synced(self, open_store: Open) -> None:
        """A commit waits for the disk."""
        store = open_store()
        store.begin(a_writer(), BASIS)
        assert isinstance(store, SQLiteFolder)
        assert store._connection is not None
        assert (2,) == store._connection.execute("PRAGMA synchronous").fetchone()
        assert ("wal",) == store._connection.execute("PRAGMA journal_mode").fetchone()

    def test_a_killed_writer_loses_nothing_that_it_kept(self, folder: Path, open_store: Open) -> None:
        """kill -9 right behind a commit; the next one takes its file and finds all of it."""
        script = """
            import os, sys
            from pathlib import Path
            from records.keyring import add_key, read_keyring
            from records.stores.sqlite.store import SQLiteFolder
            from tests.records.samples import BASIS, a_chain, chained
            folder = Path(sys.argv[1])
            add_key(folder.with_name("killed.json"))
            writer, entries = a_chain(100, read_keyring(folder.with_name("killed.json")))
            store = SQLiteFolder(folder)
            store.begin(writer, BASIS)
            store.append(entries)
            os.kill(os.getpid(), 9)
        """
        killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(folder)], check=False)
        assert -9 == killed.returncode
        store = open_store()
        store.begin(a_writer(), BASIS)
        dead, _ = store.writers()
        assert 100 == len(list(store.entries(dead)))
        assert [] == list(broken(store.entries(dead), dead))

    def test_that_can_not_be_written(self, open_store: Open, folder: Path) -> None:
        """The error names the folder."""
        folder.write_text("a file")
        with pytest.raises(StoreUnavailableError, match=str(folder)):
            open_store().begin(a_writer(), BASIS)

    def test_a_damaged_one(self, open_store: Open, folder: Path) -> None:
        folder.mkdir()
        (folder / "0.sqlite").write_bytes(os.urandom(8192))
        with pytest.raises(StoreError, match=str(folder)):
            open_store().begin(a_writer(), BASIS)
        with pytest.raises(StoreError, match=str(folder)):
            open_store().find(Query())


@of_sqlite
class TestVersions:
    @pytest.fixture
    def store(self, open_store: Open) -> Store:
        store = open_store()
        store.begin(a_writer(), BASIS)
        store.close()
        return store

    def test_another_version_is_neither_read_nor_written(self, store: Store, folder: Path) -> None:
        """The error says which it is, and the remedy."""
        for version, remedy in ((0, "run `python -m records migrate`"), (99, "the version that made it")):
            self._set_version(folder, version)
            for use in (lambda: store.begin(a_writer(), BASIS), lambda: store.find(Query())):
                with pytest.raises(StoreVersionError, match=remedy):
                    use()

    @pytest.mark.usefixtures("store")
    def test_a_new_one_is_not_touched_by_migrating(self, folder: Path) -> None:
        assert 0 == migrate(folder)
        self._set_version(folder, 99)
        with pytest.raises(StoreVersionError, match="schema 99"):
            migrate(folder)

    def test_one_in_use_is_not_migrated(self, store: Store, folder: Path) -> None:
        store.begin(a_writer(), BASIS)
        with pytest.raises(StoreError, match="in use; stop the service that writes it"):
            migrate(folder)

    @pytest.mark.usefixtures("store")
    def test_an_old_one_is_migrated(self, folder: Path) -> None:
        """From nothing on, step by step, in one transaction each."""
        (folder / "1.lock").touch()
        with closing(sqlite3.connect(folder / "1.sqlite")) as connection:
            connection.execute("PRAGMA user_version")
        assert 1 == migrate(folder)
        with closing(sqlite3.connect(folder / "1.sqlite")) as connection:
            assert (len(migrations("sqlite")),) == connection.execute("PRAGMA user_version").fetchone()

    def _set_version(self, folder: Path, version: int) -> None:
        with closing(sqlite3.connect(folder / "0.sqlite")) as connection:
            connection.execute(f"PRAGMA user_version={version}")
