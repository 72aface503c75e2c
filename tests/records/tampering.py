"""What somebody who can write to a store could do to its entries, without any key."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from records.chain import Entry, Writer, _hash

_ROW = "writer, sequence, id, time, outcome, caller, tag, content, key, hash"

Chains = Mapping[bytes, Sequence[Entry]]
"""Entries, by writer."""


@dataclass(frozen=True)
class Raw:
    """The tables of a store, past everything that looks after them.

    Attributes:
        where: a file of SQLite, or a URL of PostgreSQL.
    """

    where: Path | str

    def writers(self) -> dict[bytes, int]:
        """Numbers, by id."""
        return dict(self._run("SELECT id, number FROM writers"))

    def put_back(self, writers: Sequence[Writer], numbers: Mapping[bytes, int], chains: Chains) -> None:
        """Make the tables hold this, whatever they held."""
        rows = [(numbers[writer], *entry[1:]) for writer, entries in chains.items() for entry in entries]
        known = [(numbers[writer.id], writer.id, writer.started, writer.basis) for writer in writers]
        own = "OVERRIDING SYSTEM VALUE " if isinstance(self.where, str) else ""
        self._run("DELETE FROM decisions")
        self._run("DELETE FROM writers")
        self._run(f"INSERT INTO writers (number, id, started, basis) {own}VALUES (?, ?, ?, ?)", known)
        self._run(f"INSERT INTO decisions ({_ROW}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def _run(self, sql: str, many: Sequence[Any] | None = None) -> list[Any]:
        if isinstance(self.where, Path):
            with closing(sqlite3.connect(self.where)) as connection, connection:
                return list(connection.execute(sql)) if many is None else list(connection.executemany(sql, many))
        with psycopg.connect(self.where) as server, server.cursor() as cursor:
            if many is not None:
                cursor.executemany(sql.replace("?", "%s").encode(), many)
                return []
            cursor.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []


def linked_anew(writer: Writer, entries: Sequence[Entry]) -> list[Entry]:
    """Entries as one chain, with places and hashes of their own: nothing in it looks wrong."""
    before, chain = writer.origin.hash, []
    for sequence, entry in enumerate(entries, 1):
        moved = entry._replace(sequence=sequence, writer=writer.id)
        before = _hash(before, moved.sequence, moved)
        chain.append(moved._replace(hash=before))
    return chain


def flipped(content: bytes) -> bytes:
    """One bit of it."""
    return content[:-1] + bytes([content[-1] ^ 1])


EDITS: dict[str, Callable[[Entry], Entry]] = {
    "id": lambda entry: entry._replace(id=flipped(entry.id)),
    "time": lambda entry: entry._replace(time=entry.time + 1),
    "outcome": lambda entry: entry._replace(outcome="APPROVE"),
    "caller": lambda entry: entry._replace(caller=entry.caller + "x"),
    "tag": lambda entry: entry._replace(tag=None),
    "content": lambda entry: entry._replace(content=flipped(entry.content)),
}
"""Of one entry."""
