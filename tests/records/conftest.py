"""Keys and a database for all tests of records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from records.events.telling import Teller
from records.keyring import KeyRing, add_key, read_keyring
from records.stores.ledger import Ledger
from records.stores.opening import open_ledger
from records.stores.postgresql.schema import migrate
from tests.postgres import Postgres, missing_postgres, postgres


@pytest.fixture(scope="session")
def ring(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    path = tmp_path_factory.mktemp("keys") / "records.json"
    add_key(path)
    return read_keyring(path)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys" / "records.json"
    add_key(path)
    return path


@pytest.fixture(scope="session")
def cluster() -> Iterator[Postgres]:
    """A PostgreSQL that tests leave as it is."""
    if reason := missing_postgres():
        pytest.skip(reason)
    with postgres() as running:
        yield running


@pytest.fixture
def database(cluster: Postgres) -> str:
    """The URL of an empty one, with this version's schema."""
    where = cluster.url(cluster.new_schema())
    migrate(where)
    return where


@pytest.fixture(scope="module")
def lasting_database(cluster: Postgres) -> str:
    """The same for all tests of a module."""
    where = cluster.url(cluster.new_schema())
    migrate(where)
    return where


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.database)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store is, of each kind."""
    return str(request.getfixturevalue("database")) if request.param == "postgres" else f"sqlite:{tmp_path}/records"


@pytest.fixture
def open_book(place: str) -> Iterator[Callable[[], Ledger]]:
    """Opens the store, as often as is asked; all of them are closed in the end."""
    ledgers: list[Ledger] = []

    def opened() -> Ledger:
        ledgers.append(open_ledger(place))
        return ledgers[-1]

    yield opened
    for ledger in ledgers:
        ledger.close()


@pytest.fixture
def book(open_book: Callable[[], Ledger]) -> Ledger:
    """An empty store."""
    return open_book()


@pytest.fixture
def teller(book: Ledger, ring: KeyRing) -> Teller:
    return Teller(book, ring)
