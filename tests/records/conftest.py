"""Keys for all tests of records."""

from __future__ import annotations

from pathlib import Path

import pytest

from records.keyring import KeyRing, add_key, read_keyring


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
