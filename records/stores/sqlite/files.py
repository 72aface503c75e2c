"""One SQLite file: opened, held by one process, brought to this version's schema, and deleted."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from records.errors import StoreError, StoreVersionError
from records.stores.versions import migrations, wrong_version

KIND = "sqlite"


def opened(path: Path, mode: str) -> sqlite3.Connection:
    """A connection to a file: `ro` reads it, `rw` writes, `rwc` makes it too."""
    # The committer's thread is not the one that closes it in the end.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, check_same_thread=False, isolation_level=None
    )
    if mode != "ro":
        connection.execute("PRAGMA journal_mode=WAL")
    return connection


def made(path: Path) -> sqlite3.Connection:
    """A connection that writes, its file made where it isn't there.

    Raises:
        StoreVersionError: it has not this version's schema.
    """
    new = not path.exists()
    connection = opened(path, "rwc")
    try:
        if new:
            path.chmod(0o600)
            bring_up(connection, path)
        check_version(connection, path)
        connection.execute("PRAGMA synchronous=FULL")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of what is done within, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.execute("COMMIT")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """While nobody else writes a file.

    Raises:
        StoreError: a service does.
    """
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(f"{path}: in use; stop the service that writes it") from None
        yield


def upgrade(path: Path) -> bool:
    """Bring a file to this version's schema, unless it has it.

    Raises:
        StoreError: it is in use, or newer than this version.
    """
    with alone(path), closing(opened(path, "rw")) as connection:
        return bring_up(connection, path)


def delete(path: Path) -> None:
    """Delete a file, which nobody else may be writing; the log first, or it would be another file's."""
    for name in (f"{path.name}-wal", f"{path.name}-shm", path.name):
        path.with_name(name).unlink(missing_ok=True)


def check_version(connection: sqlite3.Connection, path: Path, kind: str = KIND) -> None:
    """Whether a file has this version's schema.

    Raises:
        StoreVersionError: it has another.
    """
    found, wanted = _version(connection), len(migrations(kind))
    if found != wanted:
        raise StoreVersionError(wrong_version(str(path), found, wanted))


def bring_up(connection: sqlite3.Connection, path: Path, kind: str = KIND) -> bool:
    """Bring a file that nobody else writes to this version's schema, unless it has it.

    Raises:
        StoreVersionError: it is newer than this version.
    """
    steps = migrations(kind)
    found = _version(connection)
    if found > len(steps):
        raise StoreVersionError(wrong_version(str(path), found, len(steps)))
    if found == len(steps):
        return False
    # All in one: a reader must not see it in between.
    script = "\n".join(step.sql for step in steps[found:])
    connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version={len(steps)};\nCOMMIT;")
    return True


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
