"""What time does to records: some are purged, and never too early; keys turn; the same for each kind of store."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from records.__main__ import main
from records.chain import Entry
from records.commands.progress import Progress
from records.errors import KeyRingError, StoreError
from records.events.telling import Teller, Told
from records.identifiers import as_text
from records.keyring import KeyRing, Sealed, add_key, read_keyring
from records.reading import Archive
from records.shadow.verdict import StoredVerdict
from records.stores.base import Query
from records.stores.ledger import Ledger
from records.stores.sqlite import ledger as sqlite_ledger
from records.upkeep.purge import Found, found_until, purge
from records.upkeep.resealing import reseal
from records.upkeep.retention import last_day
from records.verifying.chains import verify
from records.verifying.events import faults_of_events
from tests.records.samples import BASIS, a_record, a_writer, keep

NOTICE = date(2023, 8, 1)
CHALLENGER = BASIS.model_copy(update={"policy_version": "2.0.0"})
SUMMER_2023 = 1_690_000_000_000_000


@pytest.fixture
def entries(book: Ledger, ring: KeyRing) -> list[Entry]:
    return keep(book, ring, [a_record(reference=f"ref-{i}", time=SUMMER_2023 + i) for i in range(6)])


def found(ledger: Ledger, until: date = NOTICE) -> Found:
    """All steps in one."""
    steps = list(found_until(ledger, until))
    return Found(*([entry for step in steps for entry in step[kind]] for kind in (0, 1)))


def faults(ledger: Ledger) -> list[str]:
    """Of chains and events."""
    verified = list(verify(ledger))
    return [fault for each in verified for fault in each.faults] + list(faults_of_events(ledger, verified))


def damaged(place: str, statement: str) -> None:
    """As whoever can write to the store would do it."""
    if place.startswith("sqlite:"):
        with sqlite_ledger.opened(Path(place.removeprefix("sqlite:")) / "0.sqlite", "rw") as connection:
            connection.execute(statement)
        connection.close()
    else:
        with psycopg.connect(place, autocommit=True) as connection_:
            connection_.execute(statement.replace("x''", "''").encode())


class TestRetention:
    @pytest.mark.parametrize(
        ("today", "day"),
        [
            (date(2028, 12, 3), date(2026, 11, 1)),
            (date(2028, 12, 2), date(2026, 10, 31)),
            (date(2028, 3, 1), date(2026, 1, 28)),
            (date(2028, 3, 2), date(2026, 1, 31)),
            (date(2027, 3, 30), date(2025, 2, 28)),
        ],
    )
    def test_months_are_the_calendars(self, today: date, day: date) -> None:
        """And a day is over everywhere before it counts."""
        assert day == last_day(25, today)

    @given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.integers(25, 200))
    def test_a_day_is_never_due_before_the_next_is_not(self, today: date, months: int) -> None:
        """Time goes forward, and nothing is due within the months of 28 days."""
        day = last_day(months, today)
        assert day <= last_day(months, today + timedelta(days=1))
        assert (today - day).days >= 28 * months


class TestPurging:
    def test_never_without_a_notice(self, book: Ledger, entries: list[Entry]) -> None:
        assert Found([], []) == found(book, date(2100, 1, 1))
        assert 0 == purge(book, entries, date(2100, 1, 1)), "not even when it is asked for"
        assert faults(book) == []

    def test_never_before_its_time(self, book: Ledger, teller: Teller, entries: list[Entry]) -> None:
        """By the last notice that was told."""
        teller.notified(entries[:2], NOTICE)
        assert Found([], []) == found(book, NOTICE - timedelta(1))
        assert entries[:2] == found(book).due
        teller.notified(entries[:1], NOTICE + timedelta(1), correct=True)
        assert entries[1:2] == found(book).due
        assert 1 == purge(book, entries[:2], NOTICE)

    def test_a_hold_wins(self, book: Ledger, teller: Teller, entries: list[Entry]) -> None:
        """Also one that is told between looking and doing; and only until the last one is released."""
        teller.notified(entries, NOTICE)
        teller.hold(entries[:2], "a case", "lea")
        assert Found(entries[2:], entries[:2]) == found(book)
        teller.hold(entries[2:3], "another case", "lea")
        teller.hold(entries[2:3], "an audit", "lea")
        assert 3 == purge(book, found(book).due + entries[2:3], NOTICE)
        teller.release(entries[2:3], "over", "lea", "an audit")
        assert 0 == purge(book, entries[2:3], NOTICE)
        teller.release(entries[2:3], "settled", "lea")
        assert 1 == purge(book, entries[2:3], NOTICE)
        assert Found([], entries[:2]) == found(book)

    def test_leaves_no_content_and_a_whole_chain(
        self, book: Ledger, ring: KeyRing, teller: Teller, entries: list[Entry]
    ) -> None:
        """That there was a decision, when and which; not whose. Twice is once."""
        teller.notified(entries[1:4], NOTICE)
        assert 3 == purge(book, found(book).due, NOTICE)
        assert 0 == purge(book, entries[1:4], NOTICE)
        left = list(book.entries(book.writers()[0]))
        assert [entry._replace(content=b"", key=None, tag=None) for entry in entries[1:4]] == left[1:4]
        assert entries[0] == left[0]
        assert entries[4:] == left[4:]
        assert [] == list(book.find(Query(tag=ring.tag("ref-2"))))
        kept = Archive(book, ring).get(entries[2].id)
        assert kept is not None
        assert kept.document()["erased"]
        assert faults(book) == []
        assert Told(0, 0, 3) == teller.hold(entries[1:4], "a case", "lea"), "of what is gone nothing is told any more"

    def test_what_is_gone_without_a_purge_is_seen(
        self, book: Ledger, place: str, teller: Teller, entries: list[Entry]
    ) -> None:
        """Nor does a purge cover an entry whose hash was changed."""
        teller.notified(entries[:1], NOTICE)
        purge(book, entries[:1], NOTICE)
        assert faults(book) == []
        damaged(place, "UPDATE decisions SET content = x'', key = NULL WHERE sequence = 3")
        assert faults(book) == [f"decision {as_text(entries[2].id)}: its content is gone, and it was not purged"]
        damaged(place, "UPDATE decisions SET hash = id WHERE sequence = 1")
        assert [f"decision {as_text(entries[i].id)}: its content is gone, and it was not purged" for i in (0, 2)] == [
            fault for fault in faults(book) if fault.startswith("decision")
        ]

    def test_an_erased_one_is_purged_too(
        self, book: Ledger, ring: KeyRing, teller: Teller, entries: list[Entry]
    ) -> None:
        """Its closed content goes as the others'."""
        teller.hold(entries[:1], "a case", "lea")
        for i in range(2):
            book.destroy_keys(ring.tag(f"ref-{i}"))
        erased = book.entries_of([entry.id for entry in entries[:2]])
        teller.notified(erased, NOTICE)
        assert ([entries[1].id], [entries[0].id]) == tuple([entry.id for entry in each] for each in found(book))
        assert 1 == purge(book, erased, NOTICE)


class TestFiles:
    """Of SQLite."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        return f"sqlite:{tmp_path}/records"

    def test_leaves_no_copy_in_any_file(
        self, book: Ledger, tmp_path: Path, teller: Teller, entries: list[Entry]
    ) -> None:
        content, tag = entries[2].content, entries[2].tag
        assert tag is not None

        def copies() -> int:
            return sum(
                part in path.read_bytes()
                for path in (tmp_path / "records").glob("*.sqlite*")
                for part in (content, tag)
            )

        assert copies()
        teller.notified(entries[2:3], NOTICE)
        purge(book, entries[2:3], NOTICE)
        assert 0 == copies()

    def test_not_while_a_service_writes(
        self, open_book: Callable[[], Ledger], teller: Teller, entries: list[Entry], ring: KeyRing
    ) -> None:
        """Nothing is told to be purged then, either."""
        service, book = open_book(), open_book()
        teller.notified(entries, NOTICE)
        service.begin(a_writer(), BASIS)
        for use in (lambda: purge(book, entries, NOTICE), lambda: list(reseal(book, ring))):
            with pytest.raises(StoreError, match="in use; stop the service that writes it"):
                use()
        assert entries == found(book).due

    def test_broken_off(
        self, book: Ledger, teller: Teller, entries: list[Entry], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was told to be purged, and not yet destroyed, is by the same again; no hold comes in between."""
        teller.notified(entries, NOTICE)
        with monkeypatch.context() as broken, suppress(ZeroDivisionError):
            broken.setattr(sqlite_ledger, "_destroyed", lambda *_: 1 / 0)
            purge(book, entries, NOTICE)
        assert Told(0, 0, 6) == teller.hold(entries, "a case", "lea")
        assert entries == found(book).due
        assert 6 == purge(book, entries, NOTICE)
        assert 6 == len([event for event in book.events() if event.kind == "purged"])
        assert faults(book) == []


class TestResealing:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "turning.json"
        add_key(path)
        return path

    def test_an_older_key_can_be_thrown_away(self, book: Ledger, path: Path) -> None:
        """All opens by the newest alone, what was told too; twice is nothing; erased ones stay so."""
        old = read_keyring(path)
        entries = keep(book, old, [a_record(reference=f"ref-{i}") for i in range(1203)])
        Teller(book, old).hold(entries[:1], "a case", "lea")
        book.destroy_keys(old.tag("ref-7"))
        add_key(path)
        assert (1203, 1202) == tuple(map(sum, zip(*reseal(book, read_keyring(path)), strict=True)))
        assert (1203, 0) == tuple(map(sum, zip(*reseal(book, read_keyring(path)), strict=True)))
        document = json.loads(path.read_text())
        del document["keys"]["1"]
        path.write_text(json.dumps(document))
        new = read_keyring(path)
        records = [kept.record for kept in Archive(book, new).all()]
        assert [f"ref-{i}" for i in range(1203) if i != 7] == [each.reference for each in records if each is not None]
        (resealed,) = book.entries_of([entries[0].id])
        assert Told(0, 1) == Teller(book, new).hold([resealed], "a case", "lea")
        assert faults(book) == []

    def test_what_challengers_said(self, book: Ledger, path: Path) -> None:
        """It opens by the newest key alone, too; and goes with the decision that it was said of."""
        old = read_keyring(path)
        entries = keep(book, old, [a_record(reference=f"ref-{i}", time=SUMMER_2023 + i) for i in range(3)])
        said = [
            StoredVerdict(entry.id, entry.time, "APPROVE", entry.tag, *old.seal(b"said", entry.id + CHALLENGER.digest))
            for entry in entries
        ]
        book.keep_verdicts(CHALLENGER, said)
        book.close()
        add_key(path)
        new = read_keyring(path)
        assert (6, 6) == tuple(map(sum, zip(*reseal(book, new), strict=True)))
        assert 6 == book.count_sealed()
        (_, _, last) = list(book.verdicts(CHALLENGER.digest))
        assert last.key is not None
        assert new.is_current(last.key)
        assert b"said" == new.open(Sealed(last.content, last.key), last.decision + CHALLENGER.digest)
        Teller(book, new).notified(entries[:2], NOTICE)
        assert 2 == purge(book, found(book).due, NOTICE)
        assert [entries[2].id] == [verdict.decision for verdict in book.verdicts(CHALLENGER.digest)]

    def test_broken_off(self, book: Ledger, path: Path) -> None:
        """What was done stays done, and the same again does the rest."""
        keep(book, read_keyring(path), [a_record() for _ in range(1203)])
        add_key(path)
        ring = read_keyring(path)
        steps = reseal(book, ring)
        done = next(steps).resealed
        steps.close()  # type: ignore[attr-defined]  # a generator
        assert 0 < done < 1203
        assert 1203 - done == sum(step.resealed for step in reseal(book, ring))

    def test_a_key_that_is_missing(self, book: Ledger, path: Path, ring: KeyRing) -> None:
        """It is named."""
        add_key(path)
        keep(book, read_keyring(path), [a_record()])
        with pytest.raises(KeyRingError, match="key 2 is not in the key file"):
            list(reseal(book, ring))

    @pytest.mark.database
    def test_while_a_service_writes_and_somebody_is_erased(self, database: str, path: Path) -> None:
        """Of PostgreSQL: nobody is stopped, and no destroyed key comes back."""
        from records.stores.postgresql.ledger import LedgerDatabase  # noqa: PLC0415  # a client that others don't need

        old = read_keyring(path)
        book, service = LedgerDatabase(database), LedgerDatabase(database)
        entries = keep(book, old, [a_record(reference="ref-1")])
        service.begin(a_writer(), BASIS)
        add_key(path)
        ring = read_keyring(path)

        def renew(key: bytes, decision: bytes) -> bytes:
            service.destroy_keys(old.tag("ref-1"))
            return ring.renewed(key, decision)

        assert [(1, 0)] == list(book.reseal(renew))
        assert [None] == [entry.key for entry in book.entries_of([entries[0].id])]
        book.close()
        service.close()


class TestCommands:
    @pytest.fixture(autouse=True)
    def kept(self, book: Ledger, place: str, key_file: Path, monkeypatch: pytest.MonkeyPatch) -> list[Entry]:
        monkeypatch.setenv("CREDIT_RISK_RECORDS", place)
        monkeypatch.setenv("CREDIT_RISK_RECORDS_KEY_FILE", str(key_file))
        ring = read_keyring(key_file)
        kept = keep(book, ring, [a_record(reference=f"ref-{i}", time=SUMMER_2023 + i) for i in range(3)])
        Teller(book, ring).notified(kept[:2], NOTICE)
        Teller(book, ring).hold(kept[:1], "a case", "lea")
        book.close()
        return kept

    def test_purge(self, kept: list[Entry], capsys: pytest.CaptureFixture[str]) -> None:
        """Without --yes nothing is done; afterwards `verify` says what is gone."""
        assert 0 == main(["purge", "--json"])
        told = json.loads(capsys.readouterr().out)
        assert (1, 1, 0, [as_text(kept[1].id)]) == tuple(told[name] for name in ("due", "held", "purged", "decisions"))
        assert 0 == main(["purge"])
        assert capsys.readouterr().out.startswith("1 decisions would be purged (do it by --yes), notified on ")
        assert 0 == main(["purge", "--yes"])
        assert capsys.readouterr().out.startswith("1 decisions purged, notified on ")
        assert 0 == main(["purge", "--yes", "--json"])
        assert 0 == json.loads(capsys.readouterr().out)["purged"]
        assert 0 == main(["verify"])
        assert "3 entries of 1 writers, 0 erased, 1 purged\n" == capsys.readouterr().out
        assert 0 == main(["show", as_text(kept[1].id), "--json"])
        shown = json.loads(capsys.readouterr().out)
        assert ("2023-08-01", True) == (shown["notified"], shown["purged"] is not None)
        assert 1 == main(["purge", "--months", "24"])
        assert "--months: at least 25" in capsys.readouterr().err

    def test_checkpoints_of_before_agree(
        self, place: str, kept: list[Entry], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A purge is none of what they witness against; content that is gone otherwise is."""
        pair = ec.generate_private_key(ec.SECP256R1())
        private, public, row = tmp_path / "sign.pem", tmp_path / "sign.pub", tmp_path / "row.jsonl"
        private.write_bytes(pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        private.chmod(0o600)
        public.write_bytes(pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        assert 0 == main(["checkpoint", "--to", str(row), "--sign-key", str(private)])
        assert 0 == main(["purge", "--yes"])
        verify = ["verify", "--checkpoints", str(row), "--trusted-key", str(public)]
        assert 0 == main(verify)
        assert 0 == main(["checkpoint", "--to", str(row), "--sign-key", str(private)])
        assert 0 == main(verify)
        damaged(place, "UPDATE decisions SET content = x'', key = NULL WHERE sequence = 3")
        capsys.readouterr()
        assert 1 == main(verify)
        assert f"decision {as_text(kept[2].id)}: its content is gone" in capsys.readouterr().err

    def test_reseal(self, key_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert 0 == main(["key", str(key_file)])
        assert 0 == main(["reseal"])
        assert 0 == main(["reseal", "--json"])
        _, told, again = capsys.readouterr().out.splitlines()
        assert "3 of 3 data keys sealed anew by key 2; the others were, or are destroyed" == told
        assert {"key": 2, "data_keys": 3, "resealed": 0} == json.loads(again)

    def test_events_are_verified_too(self, place: str, capsys: pytest.CaptureFixture[str]) -> None:
        """A notice that was dated back is seen."""
        if place.startswith("sqlite:"):
            path = Path(place.removeprefix("sqlite:")) / "events.sqlite"
            connection = sqlite_ledger.sqlite3.connect(path)
            with connection:
                connection.execute("UPDATE events SET day = day - 400 WHERE sequence = 2")
            connection.close()
        else:
            damaged(place, "UPDATE events SET day = day - 400 WHERE sequence = 2")
        assert 1 == main(["verify"])
        assert "events: event 2: not as it was told" in capsys.readouterr().err


class TestProgress:
    def test_on_a_terminal(self) -> None:
        """How much is done, how fast, and how long it takes yet; in the end the line is empty."""

        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        stream = Terminal()
        with Progress("entries", 2000, stream) as progress:
            progress.add(500)
        assert stream.getvalue().endswith("\r\x1b[K")
        assert "[#######                       ]  25% of 2,000 entries, 100 a second, 15 s left" == progress.line(5.0)
        assert "500 rows, 100 a second" == self._of_unknown().line(5.0)

    def test_elsewhere(self) -> None:
        """A log gets nothing."""
        stream = io.StringIO()
        with Progress("entries", 2, stream) as progress:
            progress.add(2)
        assert "" == stream.getvalue()

    def _of_unknown(self) -> Progress:
        progress = Progress("rows")
        progress.add(500)
        return progress
