"""A store that is away: entries are in the spool meanwhile, and in the store afterwards, each once and in its place."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from records.basis import Basis
from records.chain import Entry, Head, Writer, broken
from records.errors import AnsweredAlreadyError, AnswersSpooledError, StoreUnavailableError
from records.idempotency.answer import NewAnswer
from records.keyring import KeyRing
from records.stores import spooling
from records.stores.base import unkept
from records.stores.postgresql.schema import migrate
from records.stores.postgresql.store import PostgreSQL
from records.stores.spooling import Spooling
from tests.postgres import Postgres, missing_postgres, postgres
from tests.records.samples import BASIS, a_chain, a_record, a_writer, behind, chained
from tests.records.test_kept_answers import an_answer
from tests.records.traffic import Traffic, assert_nothing_lost_or_doubled, while_recording
from tests.servers import wait_for

FILE = b"what is decided by"
DIGEST = sha256(FILE).hexdigest()
BYTES = 1 << 20


class Distant:
    """A store that is used over several connections, and can be away.

    Attributes:
        away: nothing works.
        lost: the next transaction is kept, and yet fails.
    """

    def __init__(self) -> None:
        self.away = self.lost = False
        self.bases: dict[bytes, Basis] = {}
        self.chains: dict[Writer, list[Entry]] = {}
        self.files: dict[str, bytes] = {}
        self.answers: dict[bytes, NewAnswer] = {}

    def check(self) -> None:
        if self.away:
            raise StoreUnavailableError("away")


class Connected:
    """One connection to it."""

    def __init__(self, store: Distant) -> None:
        self.store = store
        self.writer: Writer | None = None

    def begin(self, writer: Writer, basis: Basis) -> None:
        self.store.check()
        self.store.bases[basis.digest] = basis
        self.store.chains.setdefault(writer, [])
        self.writer = writer

    def head(self, writer: Writer) -> Head:
        self.store.check()
        chain = self.store.chains[writer]
        return Head(chain[-1].sequence, chain[-1].hash) if chain else writer.origin

    def append(self, entries: Sequence[Entry], answers: Sequence[NewAnswer] = ()) -> None:
        self.store.check()
        assert self.writer is not None
        for answer, tags, seconds in answers:
            if self.store.answers.setdefault(answer.key, NewAnswer(answer, tags, seconds)).answer != answer:
                raise AnsweredAlreadyError(frozenset([answer.key]))
        if not entries:
            return
        chain = self.store.chains[self.writer]
        kept = [(entry.sequence, entry.hash) for entry in chain]
        first, last = entries[0].sequence, entries[-1].sequence
        chain += unkept(entries, len(chain), [each for each in kept if first <= each[0] <= last], "the store")
        if self.store.lost:
            self.store.lost = False
            self.store.away = True
            raise StoreUnavailableError("cut off")

    def archive(self, files: Mapping[str, bytes]) -> None:
        self.store.check()
        self.store.files.update(files)

    def close(self) -> None:
        self.writer = None


class Heard:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.spooled: list[Exception] = []
        self.carried = 0
        self.failed: list[Exception] = []

    def spooling(self, error: Exception) -> None:
        self.spooled.append(error)

    def carried_over(self) -> None:
        self.carried += 1

    def not_carried_over(self, error: Exception) -> None:
        self.failed.append(error)


Open = Callable[[], Spooling]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooling, "RETRY_SECONDS", 0.01)


@pytest.fixture
def distant() -> Distant:
    return Distant()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def opened(distant: Distant, heard: Heard, tmp_path: Path) -> Iterator[Open]:
    made: list[Spooling] = []

    def one() -> Spooling:
        made.append(Spooling(Connected(distant), Connected(distant), tmp_path / "spool", BYTES, heard))
        return made[-1]

    yield one
    for each in made:
        each.close()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "spool").rglob("*") if path.suffix != ".lock" and path.is_file())


class TestAway:
    def test_what_comes_meanwhile_is_carried_over(
        self, distant: Distant, heard: Heard, opened: Open, tmp_path: Path, ring: KeyRing
    ) -> None:
        """In order, behind what was there; and nothing of it is left."""
        writer, entries = a_chain(9, ring)
        store = opened()
        store.begin(writer, BASIS)
        store.append(entries[:2])
        assert (0, 0.0) == (store.rows(), store.fill())
        distant.away = True
        store.append(entries[2:5])
        store.append(entries[5:6])
        assert 4 == store.rows()
        assert 0 < store.fill() < 1
        assert entries[:2] == distant.chains[writer]
        assert Head(6, entries[5].hash) == store.head(writer)

        distant.away = False
        wait_for(lambda: heard.carried)
        store.append(entries[6:])
        assert {writer: entries} == distant.chains
        assert Head(9, entries[-1].hash) == store.head(writer)
        assert [] == files(tmp_path)
        assert (1, [], 0) == (len(heard.spooled), heard.failed, store.rows())

    @pytest.mark.parametrize("kept", [False, True])
    def test_answers_go_along(self, distant: Distant, heard: Heard, opened: Open, ring: KeyRing, *, kept: bool) -> None:
        """They are not given yet, since only the store can tell other workers of them. In the end they are there,
        whether the store had kept them before it went or not; one that somebody else gave meanwhile stays."""
        writer, entries = a_chain(4, ring)
        mine, late, others = an_answer(ring, b"mine"), an_answer(ring, b"theirs"), an_answer(ring, b"theirs")
        store = opened()
        store.begin(writer, BASIS)
        distant.away, distant.lost = not kept, kept
        for some, answer in ((entries[:2], mine), (entries[2:3], late), ([], an_answer(ring, b"without"))):
            with pytest.raises(AnswersSpooledError):
                store.append(some, [answer])
        assert Head(3, entries[2].hash) == store.head(writer)
        store.append(entries[3:])
        distant.answers[others.answer.key] = others
        distant.away = False
        wait_for(lambda: heard.carried)
        assert {writer: entries} == distant.chains
        assert 3 == len(distant.answers)
        assert others == distant.answers[others.answer.key]
        answer, tags, seconds = distant.answers[mine.answer.key]
        assert (mine.answer, mine.tags) == (answer, tuple(filter(None, tags)))
        assert mine.seconds - 60 < seconds <= mine.seconds
        assert ([], 0) == (heard.failed, store.rows())

    def test_from_the_start(self, distant: Distant, heard: Heard, opened: Open, ring: KeyRing) -> None:
        """With what is to be archived."""
        distant.away = True
        writer, entries = a_chain(3, ring)
        store = opened()
        store.archive({DIGEST: FILE})
        store.begin(writer, BASIS)
        assert writer.origin == store.head(writer)
        store.append(entries)
        distant.away = False
        wait_for(lambda: heard.carried)
        assert {writer: entries} == distant.chains
        assert {BASIS.digest: BASIS} == distant.bases
        assert {DIGEST: FILE} == distant.files

    def test_what_was_kept_though_it_failed(self, distant: Distant, heard: Heard, opened: Open, ring: KeyRing) -> None:
        """It is in both, and in the end once."""
        writer, entries = a_chain(4, ring)
        store = opened()
        store.begin(writer, BASIS)
        distant.lost = True
        store.append(entries[:2])
        assert entries[:2] == distant.chains[writer]
        store.append(entries[2:])
        distant.away = False
        wait_for(lambda: heard.carried)
        assert entries == distant.chains[writer]

    def test_a_killed_worker_s_are_carried_over_by_another(
        self, distant: Distant, opened: Open, tmp_path: Path, ring: KeyRing
    ) -> None:
        """Each behind its own, whichever file they are in."""
        distant.away = True
        chains = {}
        killed = [opened() for _ in range(2)]
        for store in killed:
            writer, chains[writer] = a_chain(3, ring, a_writer())
            store.begin(writer, BASIS)
            store.append(chains[writer])
        for store in killed:
            store.close()
        opened()
        distant.away = False
        wait_for(lambda: files(tmp_path) == [])
        assert chains == distant.chains

    def test_a_full_spool_refuses(
        self, distant: Distant, heard: Heard, opened: Open, tmp_path: Path, ring: KeyRing
    ) -> None:
        """And what it has taken is carried over all the same."""
        writer = a_writer()
        store = opened()
        store.begin(writer, BASIS)
        distant.away = True
        head, taken = writer.origin, 0
        refused = None
        while refused is None and taken < 2 * BYTES:
            entries = chained([a_record() for _ in range(100)], writer, head, BASIS, ring)
            try:
                store.append(entries)
            except StoreUnavailableError as exc:
                refused = str(exc)
            else:
                head, taken = behind(writer, entries), taken + len(entries)
        assert "full" in str(refused)
        store.begin(writer, BASIS)
        assert head == store.head(writer)
        assert store.fill() <= 1
        distant.away = False
        wait_for(lambda: heard.carried)
        assert taken == len(distant.chains[writer]) > 0
        assert [] == files(tmp_path)

    def test_a_spool_that_fails_when_the_end_is_not_known(
        self, distant: Distant, opened: Open, tmp_path: Path, ring: KeyRing
    ) -> None:
        """Only the store can tell then where the chain has come to, and until it does nothing is taken."""
        writer, entries = a_chain(2, ring)
        store = opened()
        store.begin(writer, BASIS)
        distant.lost = True
        (tmp_path / "spool").write_bytes(b"no folder")
        with pytest.raises(StoreUnavailableError):
            store.append(entries[:1])
        with pytest.raises(StoreUnavailableError):
            store.head(writer)
        distant.away = False
        store.begin(writer, BASIS)
        assert Head(1, entries[0].hash) == store.head(writer)
        store.append(entries[1:])
        assert entries == distant.chains[writer]


STEPS = st.lists(st.sampled_from(["entry", "entries", "away", "back", "lost", "killed"]), max_size=25)


@settings(max_examples=30, deadline=None)
@given(steps=STEPS)
def test_nothing_is_lost_or_doubled(tmp_path_factory: pytest.TempPathFactory, ring: KeyRing, steps: list[str]) -> None:
    """Whatever happens in which order: each chain is in the store in the end, whole."""
    folder, distant, heard = tmp_path_factory.mktemp("any"), Distant(), Heard()
    taken: dict[Writer, list[Entry]] = {}

    def started() -> tuple[Spooling, Writer]:
        writer = a_writer()
        store = Spooling(Connected(distant), Connected(distant), folder / "spool", BYTES, heard)
        store.begin(writer, BASIS)
        taken[writer] = []
        return store, writer

    store, writer = started()
    for step in steps:
        if step.startswith("ent"):
            head = store.head(writer)
            entries = chained([a_record() for _ in range(1 if step == "entry" else 3)], writer, head, BASIS, ring)
            store.append(entries)
            taken[writer] += entries
        elif step == "killed":
            store.close()
            store, writer = started()
        else:
            distant.away = step == "away" or (step == "lost" and distant.away)
            distant.lost = step == "lost"
    distant.away = distant.lost = False
    wait_for(lambda: files(folder) == [])
    store.close()
    assert [] == heard.failed
    assert {writer: chain for writer, chain in taken.items() if chain} == {
        writer: chain for writer, chain in distant.chains.items() if chain
    }
    for writer, chain in distant.chains.items():
        assert [] == list(broken(chain, writer))


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    if reason := missing_postgres():
        pytest.skip(reason)
    with postgres() as running:
        yield running


@pytest.mark.database
class TestDatabase:
    @pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGSTOP])
    def test_nobody_is_refused(
        self, server: Postgres, tmp_path: Path, ring: KeyRing, heard: Heard, how: signal.Signals
    ) -> None:
        """While the server is down, or hung; what was answered is in it afterwards."""
        schema = server.new_schema()
        migrate(server.url(schema))
        store, carrier, reader = (PostgreSQL(server.url(schema), 2.0) for _ in range(3))

        def fault(traffic: Traffic) -> None:
            if how == signal.SIGSTOP:
                with server.hung():
                    wait_for(lambda: heard.spooled)
                    traffic.wait_for_answers(50)
            else:
                server.stop(how)
                wait_for(lambda: heard.spooled)
                traffic.wait_for_answers(50)
                server.start()
            wait_for(lambda: heard.carried)

        traffic = while_recording([Spooling(store, carrier, tmp_path / "spool", 100 * BYTES, heard)], ring, fault)
        assert [] == traffic.refused
        with closing(reader):
            assert_nothing_lost_or_doubled(traffic, reader)
        assert [] == files(tmp_path)
