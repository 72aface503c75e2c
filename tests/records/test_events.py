"""What is told of decisions is kept once, in order, closed to whoever has no key; the same for each kind of store."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from records.basis import Basis
from records.chain import Entry, Writer
from records.errors import SealBrokenError, StoreUnavailableError, StoreVersionError
from records.events.event import Kind, broken
from records.events.naming import by_reference
from records.events.standing import Outcome, Standing, standing
from records.events.telling import ContradictionError, Teller, Told
from records.keyring import KeyRing
from records.stores.ledger import Ledger
from records.stores.opening import migrate_store, open_ledger
from tests.records.samples import BASIS, a_record, a_writer, keep

DAY = date(2026, 10, 1)
REASON = "Case 4711 against Mustermann"


@pytest.fixture
def entries(book: Ledger, ring: KeyRing) -> list[Entry]:
    """Decisions of 2026-09-21, two of them of one reference."""
    return keep(book, ring, [a_record(reference=f"ref-{i % 4}", time=1_790_000_000_000_000 + i) for i in range(5)])


def stands(ledger: Ledger, ring: KeyRing, entry: Entry) -> Standing:
    return standing(ledger.told([entry.id]), entry.key, ring)


class TestNotices:
    def test_the_day_is_kept_once(self, book: Ledger, ring: KeyRing, teller: Teller, entries: list[Entry]) -> None:
        """Told twice, nothing changes."""
        assert Told(2) == teller.notified(entries[:2], DAY)
        assert Told(1, 2) == teller.notified(entries[:3], DAY)
        assert [DAY] * 3 + [None] * 2 == [stands(book, ring, entry).notified for entry in entries]
        assert 3 == len(list(book.events()))

    def test_another_day_needs_to_be_a_correction(
        self, book: Ledger, ring: KeyRing, teller: Teller, entries: list[Entry]
    ) -> None:
        """None of those that came with it is kept; what was told first stays in the chain."""
        later = DAY + timedelta(1)
        teller.notified(entries[:1], DAY)
        with pytest.raises(
            ContradictionError, match=r"notified on 2026-10-01 .* not 2026-10-02; .* as a correction"
        ) as raised:
            teller.notified(entries, later)
        assert [(entries[0].id, "date")] == [each[:2] for each in raised.value.contradictions]
        assert 1 == len(list(book.events()))
        assert Told(1) == teller.notified(entries[:1], later, correct=True)
        assert Told(0, 1) == teller.notified(entries[:1], DAY), "as the first file is read again"
        assert later == stands(book, ring, entries[0]).notified
        assert Told(1) == teller.notified(entries[:1], DAY, correct=True)
        assert DAY == stands(book, ring, entries[0]).notified

    def test_a_day_that_can_not_be(self, teller: Teller, entries: list[Entry]) -> None:
        with pytest.raises(ContradictionError, match="before the decision, of 2026-09-21"):
            teller.notified(entries, date(2026, 9, 19))
        with pytest.raises(ContradictionError, match="in the future"):
            teller.notified(entries, datetime.now(UTC).date() + timedelta(2))


class TestHolds:
    def test_each_reason_is_held_for_and_released(
        self, book: Ledger, ring: KeyRing, teller: Teller, entries: list[Entry]
    ) -> None:
        assert Told(1) == teller.hold(entries[:1], REASON, "lea")
        assert Told(0, 1) == teller.hold(entries[:1], REASON, "max")
        assert Told(1) == teller.hold(entries[:1], "an audit", "max")
        (first, second) = stands(book, ring, entries[0]).holds
        assert (REASON, "lea", "an audit", "max") == (first.reason, first.by, second.reason, second.by)

        with pytest.raises(ContradictionError, match=f"several reasons; name one: '{REASON}'; 'an audit'"):
            teller.release(entries[:1], "settled", "lea")
        assert Told(1) == teller.release(entries[:1], "settled", "lea", REASON)
        assert ("an audit",) == tuple(hold.reason for hold in stands(book, ring, entries[0]).holds)
        assert Told(1) == teller.release(entries[:1], "over", "max")
        assert () == stands(book, ring, entries[0]).holds
        assert Told(0, 1) == teller.release(entries[:1], "over", "max")

    def test_what_was_never_held(self, teller: Teller, entries: list[Entry]) -> None:
        """Whoever releases another decision than was meant is told."""
        with pytest.raises(ContradictionError, match="never held"):
            teller.release(entries[:1], "settled", "lea")


class TestOutcomes:
    @pytest.mark.parametrize(
        ("known", "then", "kept"),
        [
            ((False, 1, False), (False, 1, False), "known"),
            ((False, 1, False), (False, 2, False), "new"),
            ((False, 1, False), (False, 1, True), "new"),
            ((False, 1, False), (True, 2, True), "new"),
            ((False, 2, False), (False, 1, False), "known"),
            ((False, 2, False), (True, 1, True), "against"),
            ((False, 1, True), (True, 2, True), "against"),
            ((False, 1, True), (False, 2, True), "against"),
            ((True, 1, False), (True, 1, True), "new"),
            ((True, 1, False), (True, 2, False), "against"),
            ((True, 1, False), (False, 2, False), "against"),
            ((True, 2, True), (False, 1, False), "known"),
        ],
    )
    def test_a_loan_goes_on_and_ends(
        self,
        entries: list[Entry],
        teller: Teller,
        known: tuple[bool, int, bool],
        then: tuple[bool, int, bool],
        kept: str,
    ) -> None:
        """It is watched on until it has defaulted or its time is over, and that doesn't become otherwise."""
        first, second = (Outcome(each[0], date(2026, 10, each[1]), each[2]) for each in (known, then))
        decision = entries[0].id
        assert Told(1) == teller.outcomes({decision: first}, entries[:1])
        if kept == "against":
            with pytest.raises(ContradictionError, match=f"known as {first}, not as {second}"):
                teller.outcomes({decision: second}, entries[:1])
            assert Told(1) == teller.outcomes({decision: second}, entries[:1], correct=True)
        else:
            assert Told(kept == "new", kept == "known") == teller.outcomes({decision: second}, entries[:1])

    def test_what_was_told_before_is_known(
        self, book: Ledger, ring: KeyRing, teller: Teller, entries: list[Entry]
    ) -> None:
        """Files may be read again in any order."""
        told = [Outcome(defaulted=False, date=date(2026, 10, day), matured=day == 4) for day in range(1, 5)]
        for outcome in told:
            assert Told(1) == teller.outcomes({entries[0].id: outcome}, entries[:1])
        for outcome in told:
            assert Told(0, 1) == teller.outcomes({entries[0].id: outcome}, entries[:1])
        assert told[-1] == stands(book, ring, entries[0]).outcome


class TestPrivacy:
    def test_nothing_of_a_person_is_in_the_clear(
        self, book: Ledger, teller: Teller, entries: list[Entry], ring: KeyRing
    ) -> None:
        """And what was told of one decision opens as nothing else's."""
        teller.hold(entries[:1], REASON, "lea")
        teller.outcomes({entries[0].id: Outcome(defaulted=True, date=DAY, matured=True)}, entries[:1])
        hold, outcome = book.told([entries[0].id])
        for event in (hold, outcome):
            assert event.content is not None
            assert not {b"Mustermann", b"lea", b"default", b"2026"} & {
                word for word in (b"Mustermann", b"lea", b"default", b"2026") if word in event.content
            }
        for wrong in (hold._replace(decision=entries[1].id), hold._replace(kind=Kind.OUTCOME)):
            with pytest.raises(SealBrokenError):
                standing([wrong], entries[0].key, ring)

    def test_who_is_erased_leaves_nothing_to_read(
        self, book: Ledger, teller: Teller, entries: list[Entry], ring: KeyRing
    ) -> None:
        """What was told before is closed, and what is told then is left out; but when the notice was."""
        teller.hold(entries[:1], REASON, "lea")
        book.destroy_keys(ring.tag("ref-0"))
        (erased, also) = by_reference(book, ring, ["ref-0"])["ref-0"]
        assert stands(book, ring, erased).closed
        assert Told(0, 0, 2) == teller.hold([erased, also], REASON, "lea")
        assert Told(0, 0, 1) == teller.outcomes({erased.id: Outcome(True, DAY, True)}, [erased])
        assert Told(1) == teller.notified([erased], DAY)
        assert DAY == stands(book, ring, erased).notified


class TestChain:
    def test_is_one_and_in_order(self, book: Ledger, teller: Teller, entries: list[Entry]) -> None:
        """A changed, missing or exchanged event is seen."""
        for reason in ("one", "two", "three"):
            teller.hold(entries, reason, "lea")
        events = list(book.events())
        assert list(range(1, 16)) == [event.sequence for event in events]
        assert [] == list(broken(events))
        for changed in (
            events[3]._replace(time=events[3].time + 1),
            events[3]._replace(day=1),
            events[3]._replace(content=None),
            events[3]._replace(decision=bytes(16)),
            events[3]._replace(kind="release"),
        ):
            (fault,) = broken([*events[:3], changed, *events[4:]])
            assert 4 == fault.sequence
        (fault,) = broken([*events[:3], *events[4:]])
        assert (4, "1 missing before 5") == fault
        assert list(broken([events[1], events[0], *events[2:]]))

    def test_many_at_once(self, open_book: Callable[[], Ledger], ring: KeyRing, entries: list[Entry]) -> None:
        """Each waits for the one before it, and what two tell at once is kept once."""

        def tell(number: int) -> int:
            ledger = open_book()
            return sum(Teller(ledger, ring).hold(entries, f"reason {number % 4}", "lea").told for _ in range(3))

        with ThreadPoolExecutor(8) as pool:
            assert 4 * len(entries) == sum(pool.map(tell, range(8)))
        events = list(open_book().events())
        assert 4 * len(entries) == len(events)
        assert [] == list(broken(events))

    def test_of_many_decisions(self, book: Ledger, ring: KeyRing, teller: Teller) -> None:
        """Asked for in steps, none left out between them."""
        many = keep(book, ring, [a_record(reference=f"ref-{i}") for i in range(1201)])
        assert Told(1201) == teller.notified(many, DAY)
        assert Told(0, 1201) == teller.notified(many, DAY)
        assert [entry.id for entry in many] == [event.decision for event in book.told([entry.id for entry in many])]
        days = (DAY - date(1970, 1, 1)).days
        assert [entry.id for entry in many] == [each for step in book.noticed(days) for each in step]
        assert [] == list(book.noticed(days - 1))
        found = by_reference(book, ring, [f"ref-{i}" for i in range(1202)])
        assert [1] * 1201 + [0] == [len(each) for each in found.values()]


def _hold_often(place: str, key_file: Path, start: int) -> None:
    from records.keyring import read_keyring  # noqa: PLC0415  # in another process

    ledger, ring = open_ledger(place), read_keyring(key_file)
    entries = by_reference(ledger, ring, ["ref-0"])["ref-0"]
    for number in range(10):
        Teller(ledger, ring).hold(entries, f"reason {start + number}", "lea")


class TestPlans:
    """Whatever is asked of events and of their decisions is read by an index, never from a table."""

    ROWS = 3000

    @pytest.fixture
    def asked(self, book: Ledger, ring: KeyRing) -> list[Callable[[], object]]:
        """All that can be, of a store where an index pays."""
        many = keep(book, ring, [a_record(reference=f"ref-{i}") for i in range(self.ROWS)])
        Teller(book, ring).notified(many, DAY)
        ids, tags = [entry.id for entry in many[:9]], [ring.tag(f"ref-{i}") for i in range(9)]
        return [
            lambda: book.entries_of(ids),
            lambda: book.tagged(tags),
            lambda: book.told(ids),
            lambda: next(book.noticed(20_727)),
            lambda: next(book.events()),
        ]

    @pytest.mark.parametrize("place", ["sqlite"], indirect=True)
    def test_of_sqlite(
        self, tmp_path: Path, asked: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said: list[str] = []
        connect = sqlite3.connect

        def watched(*arguments: Any, **named: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*arguments, **named)
            connection.set_trace_callback(said.append)
            return connection

        with monkeypatch.context() as patched:
            patched.setattr(sqlite3, "connect", watched)
            for ask in asked:
                ask()
        queries = [
            each for each in said if each.startswith("SELECT") and " FROM " in each and "sqlite_schema" not in each
        ]
        assert len(queries) >= len(asked)
        for query in queries:
            file = "events" if "FROM events" in query else "0"
            with closing(connect(tmp_path / "records" / f"{file}.sqlite")) as connection:
                plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
            assert not [step for step in plan if step.startswith("SCAN")], query

    @pytest.mark.database
    @pytest.mark.parametrize("place", ["postgres"], indirect=True)
    def test_of_postgresql(self, book: Ledger, place: str, asked: list[Callable[[], object]]) -> None:
        from records.stores.postgresql.ledger import LedgerDatabase  # noqa: PLC0415  # as in production

        assert isinstance(book, LedgerDatabase)
        read, steps = book._read, list[str]()

        def explained(sql: str, *values: object) -> list[Any]:
            steps.extend(row[0] for row in read(f"EXPLAIN {sql}", *values))
            return read(sql, *values)

        with psycopg.connect(place, autocommit=True) as connection:
            connection.execute("ANALYZE decisions")
            connection.execute("ANALYZE events")
        book._read = explained  # type: ignore[method-assign]  # to see the plan of what is asked
        for ask in asked:
            ask()
        assert steps
        assert not [step for step in steps if "Seq Scan on decisions" in step or "Seq Scan on events" in step]


class TestFile:
    """Events of a folder of SQLite files."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        return f"sqlite:{tmp_path}/records"

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "records" / "events.sqlite"

    def test_is_its_owners_and_beside_those_of_workers(
        self, path: Path, book: Ledger, teller: Teller, entries: list[Entry]
    ) -> None:
        """It is made when something is told first, and who reads decisions doesn't take it for one of theirs."""
        assert [] == book.told([entries[0].id]) == list(book.events()) == list(book.noticed(99_999))
        assert not path.exists()
        teller.notified(entries, DAY)
        assert 0o600 == path.stat().st_mode & 0o777
        assert 5 == book.count()
        assert entries == list(book.entries(book.writers()[0]))

    def test_while_a_service_writes(self, open_book: Callable[[], Ledger], ring: KeyRing, entries: list[Entry]) -> None:
        """Whoever holds a worker's file holds up nobody who tells something."""
        service = open_book()
        again = keep(open_book(), ring, [a_record()])
        service.begin(*_a_start())
        assert Told(6) == Teller(open_book(), ring).notified([*entries, *again], DAY)

    def test_by_several_processes(self, place: str, key_file: Path) -> None:
        """Their threads are no witnesses: a process's locks are its own."""
        from records.keyring import read_keyring  # noqa: PLC0415  # as above

        keep(open_ledger(place), read_keyring(key_file), [a_record(reference="ref-0")])
        spawn = multiprocessing.get_context("spawn")
        processes = [spawn.Process(target=_hold_often, args=(place, key_file, start)) for start in (0, 5, 10, 15)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert [0] * 4 == [process.exitcode for process in processes]
        events = list(open_ledger(place).events())
        assert 25 == len(events)
        assert [] == list(broken(events))

    def test_another_version(self, path: Path, place: str, book: Ledger, teller: Teller, entries: list[Entry]) -> None:
        """The error says which it is, and the remedy; an old one is migrated."""
        teller.notified(entries, DAY)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version=99")
        for use in (lambda: book.told([entries[0].id]), lambda: teller.hold(entries, REASON, "lea")):
            with pytest.raises(StoreVersionError, match=r"events.sqlite has schema 99.*the version that made it"):
                use()
        path.unlink()
        path.touch()
        with pytest.raises(StoreVersionError, match="run `python -m records migrate`"):
            book.told([entries[0].id])
        assert migrate_store(place).endswith("1 files migrated")
        assert [] == book.told([entries[0].id])

    def test_damaged(self, path: Path, book: Ledger, teller: Teller, entries: list[Entry]) -> None:
        path.write_bytes(b"no database" * 1000)
        for use in (lambda: book.told([entries[0].id]), lambda: teller.hold(entries, REASON, "lea")):
            with pytest.raises(StoreUnavailableError, match=str(path)):
                use()


def _a_start() -> tuple[Writer, Basis]:
    return a_writer(), BASIS
