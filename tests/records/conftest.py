"""Keys and a database for all tests of records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from records.keyring import KeyRing, add_key, read_keyring
from records.stores.postgresql import migrate
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
