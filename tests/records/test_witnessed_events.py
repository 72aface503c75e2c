"""What was told of decisions is under the checkpoints too, and what was purged stays whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import psycopg
import pytest

from records.chain import Entry
from records.checkpoints.checkpoint import EVENTS, Witnessed
from records.checkpoints.making import next_checkpoint
from records.errors import CheckpointError
from records.events.telling import Teller
from records.keyring import KeyRing
from records.stores.ledger import Ledger
from records.upkeep.purge import purge
from records.verifying.chains import verify
from records.verifying.events import faults_of_events
from tests.records.samples import a_record, keep

NOTICE = date(2026, 10, 1)


@pytest.fixture
def entries(book: Ledger, ring: KeyRing) -> list[Entry]:
    return keep(book, ring, [a_record(reference=f"ref-{i}") for i in range(6)])


@pytest.fixture
def witnessed(book: Ledger, ring: KeyRing, entries: list[Entry]) -> Witnessed:
    """Two checkpoints, of four events and of six."""
    row = Witnessed()
    for part in (entries[:4], entries[4:]):
        Teller(book, ring).notified(part, NOTICE)
        row.add(next_checkpoint(book, row).statement)
    return row


def faults(book: Ledger, witnessed: Witnessed) -> list[str]:
    """Of chains and events."""
    found = list(verify(book, witnessed))
    return [fault for each in found for fault in each.faults] + list(faults_of_events(book, found, witnessed))


def done(place: str, statement: str) -> None:
    """As whoever can write to the store would do it."""
    if place.startswith("sqlite:"):
        path = Path(place.removeprefix("sqlite:")) / "events.sqlite"
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)
    else:
        with psycopg.connect(place, autocommit=True) as server:
            server.execute(statement.encode())


def test_whole(book: Ledger, witnessed: Witnessed) -> None:
    assert [] == faults(book, witnessed)
    assert 6 == witnessed.chains[EVENTS].head.sequence
    assert witnessed.last is not None
    assert (1, 6) == (witnessed.last.writers, witnessed.last.entries), "events are no entries"


def test_purged(book: Ledger, witnessed: Witnessed, entries: list[Entry]) -> None:
    """What was seen with its content has lost it in good order; the next checkpoint follows."""
    assert 3 == purge(book, entries[:3], NOTICE)
    assert [] == faults(book, witnessed)
    witnessed.add(next_checkpoint(book, witnessed).statement)
    assert [] == faults(book, witnessed)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE events SET day = day + 1 WHERE sequence = 2", "event 2: changed since checkpoint 1 saw it"),
        ("DELETE FROM events WHERE sequence = 3", "event 3: missing, and checkpoint 1 saw it"),
        ("DELETE FROM events WHERE sequence > 4", "events 5 to 6: missing, and checkpoint 2 saw it"),
        ("DELETE FROM events", "events 1 to 4: missing, and checkpoint 1 saw it"),
    ],
)
def test_tampered(book: Ledger, place: str, witnessed: Witnessed, statement: str, told: str) -> None:
    """Nothing more is signed then, where it is what the next one would have to follow."""
    done(place, statement)
    first, *_ = faults(book, witnessed)
    assert first.startswith(f"events: {told}")
    if "4" in statement or statement == "DELETE FROM events":
        with pytest.raises(CheckpointError, match="events: entry 6: missing"):
            next_checkpoint(book, witnessed)
