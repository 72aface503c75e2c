"""A key is claimed by one, and by nobody once that one is gone."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from records.errors import KeyInWorkError, RecordsUnavailableError, StoreError, StoreUnavailableError
from records.idempotency.answer import Answer
from records.idempotency.claimer import Claimer
from records.idempotency.claims import Claims, Found
from records.keyring import KeyRing
from records.stores.opening import open_claims, open_store
from tests.postgres import Postgres
from tests.records.samples import BASIS, a_writer
from tests.records.test_kept_answers import an_answer
from tests.servers import HANG_SECONDS, ROOT, wait_for

Open = Callable[[], Claims]

KEYS = [bytes([number]) * 16 for number in range(8)]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.database)])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.getfixturevalue("database")) if request.param == "postgres" else f"sqlite:{tmp_path}"


@pytest.fixture
def workers(where: str) -> Iterator[Open]:
    """Claims of another worker each time."""
    made: list[Claims] = []

    def another() -> Claims:
        made.append(open_claims(where))
        return made[-1]

    yield another
    for claims in made:
        claims.close()


def claimed_in_the_end(claims: Claims, keys: Sequence[bytes]) -> set[bytes]:
    """What can be claimed; a server needs a moment to see that a connection has ended."""
    claimed: set[bytes] = set()

    def all_of_them() -> bool:
        claimed.update(claims.claim(sorted(set(keys) - claimed)).claimed)
        return claimed == set(keys)

    wait_for(all_of_them)
    return claimed


class TestClaims:
    def test_one_has_it(self, workers: Open) -> None:
        """Until it lets go of it."""
        one, other = workers(), workers()
        assert Found(frozenset(KEYS[:2]), {}) == one.claim(KEYS[:2])
        assert Found(frozenset(KEYS[2:3]), {}) == other.claim(KEYS[:3])
        one.release(KEYS[:1])
        assert Found(frozenset(KEYS[:1]), {}) == other.claim(KEYS[:2])

    def test_what_was_answered_is_nobodys(self, workers: Open, where: str, ring: KeyRing) -> None:
        """Its answer is given; and the key is not held."""
        new = an_answer(ring)
        store = open_store(where)
        store.begin(a_writer(), BASIS)
        store.append([], [new])
        for claims in (workers(), workers()):
            found = claims.claim([KEYS[0], new.answer.key])
            assert {new.answer.key: new.answer} == found.answers
            assert new.answer.key not in found.claimed
        store.close()

    def test_ends_with_its_holder(self, workers: Open) -> None:
        one, other = workers(), workers()
        one.claim(KEYS)
        assert Found(frozenset(), {}) == other.claim(KEYS)
        one.close()
        assert set(KEYS) == claimed_in_the_end(other, KEYS)

    def test_ends_with_a_process_that_is_killed(self, workers: Open, where: str) -> None:
        """At once, and no clock has to say so."""
        program = (
            "import sys; from records.stores.opening import open_claims\n"
            "claims = open_claims(sys.argv[1]); print(len(claims.claim([bytes([3]) * 16]).claimed), flush=True)\n"
            "sys.stdin.read()"
        )
        other = workers()
        with subprocess.Popen(
            [sys.executable, "-c", program, where], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert b"1\n" == process.stdout.readline()
            assert Found(frozenset(), {}) == other.claim([KEYS[3]])
            process.kill()
        assert {KEYS[3]} == claimed_in_the_end(other, [KEYS[3]])

    def test_each_key_has_one_holder(self, workers: Open) -> None:
        """Whatever the order in which many ask at once, and nobody waits for ever."""
        everybody = [workers() for _ in range(6)]
        start = threading.Barrier(len(everybody))

        def claim(number: int) -> Found:
            keys: Sequence[bytes] = KEYS if number % 2 else KEYS[::-1]
            start.wait(HANG_SECONDS)
            return everybody[number].claim(keys)

        with ThreadPoolExecutor(len(everybody)) as pool:
            found = list(pool.map(claim, range(len(everybody))))
        assert Counter(dict.fromkeys(KEYS, 1)) == Counter(key for each in found for key in each.claimed)


@pytest.mark.database
class TestDatabase:
    def test_a_connection_that_has_ended(self, database: str) -> None:
        """Its claims are gone with it; whoever asks next doesn't notice."""
        one, other = open_claims(database), open_claims(database)
        one.claim(KEYS[:2])
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                "AND usename = current_user"
            )
        assert Found(frozenset(KEYS[1:3]), {}) == other.claim(KEYS[1:3])
        assert Found(frozenset(KEYS[:1]), {}) == one.claim(KEYS[:2])
        with psycopg.connect(database, autocommit=True) as connection:
            assert [(3,)] == connection.execute("SELECT count(*) FROM claims").fetchall()
        for claims in (one, other):
            claims.close()

    def test_claiming_waits_for_no_disk(self, database: str) -> None:
        """The table is none that the write-ahead log has to hold: nobody waits for a commit that changes only such."""
        claims = open_claims(database)
        claims.claim(KEYS[:1])
        with psycopg.connect(database, autocommit=True) as connection:
            persistence = connection.execute("SELECT relpersistence::text FROM pg_class WHERE oid = 'claims'::regclass")
            assert [("u",)] == persistence.fetchall()
        claims.close()

    def test_a_server_that_is_not_there(self, cluster: Postgres, database: str) -> None:
        nobody = open_claims(database.replace(str(cluster.port), "1"))
        with pytest.raises(StoreError):
            nobody.claim(KEYS)


class TestFolder:
    def test_a_folder_that_can_not_be_used(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StoreUnavailableError, match="file"):
            open_claims(f"sqlite:{tmp_path / 'file'}").claim(KEYS)


class Slow:
    """Claims that wait until they are let go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.entered = threading.Semaphore(0)
        self.held: set[bytes] = set()
        self.error: Exception | None = None
        self.batches: list[int] = []

    def claim(self, keys: Sequence[bytes]) -> Found:
        self.batches.append(len(keys))
        self.entered.release()
        assert self.go_on.wait(HANG_SECONDS)
        if self.error is not None:
            raise self.error
        self.held |= set(keys)
        return Found(frozenset(keys), {})

    def release(self, keys: Sequence[bytes]) -> None:
        self.held -= set(keys)

    def close(self) -> None:
        self.held.clear()


class TestClaimer:
    def test_one_request_has_the_key(self) -> None:
        """Within a worker nobody is asked; it is free again when it was let go of."""
        claims = Slow()
        claims.go_on.set()
        claimer = Claimer(claims)

        async def requests() -> None:
            assert await claimer.claim(KEYS[0]) is None
            with pytest.raises(KeyInWorkError):
                await claimer.claim(KEYS[0])
            claimer.release(KEYS[0])
            assert await claimer.claim(KEYS[0]) is None

        asyncio.run(requests())
        claimer.stop()
        assert [1, 1] == claims.batches

    def test_many_are_claimed_at_once(self) -> None:
        claims = Slow()
        claimer = Claimer(claims)

        async def requests() -> None:
            first = asyncio.create_task(claimer.claim(KEYS[0]))
            await asyncio.to_thread(claims.entered.acquire)
            others = [asyncio.create_task(claimer.claim(key)) for key in KEYS[1:]]
            await asyncio.sleep(0)
            claims.go_on.set()
            await asyncio.gather(first, *others)

        asyncio.run(requests())
        claimer.stop()
        assert [1, len(KEYS) - 1] == claims.batches

    def test_a_request_that_was_given_up_holds_nothing(self) -> None:
        """Though its key was claimed after that."""
        claims = Slow()
        claimer = Claimer(claims)

        async def requests() -> None:
            given_up = asyncio.create_task(claimer.claim(KEYS[0]))
            await asyncio.to_thread(claims.entered.acquire)
            given_up.cancel()
            claims.go_on.set()
            await asyncio.gather(given_up, return_exceptions=True)
            while True:
                try:
                    assert await claimer.claim(KEYS[0]) is None
                    break
                except KeyInWorkError:
                    await asyncio.sleep(0.001)

        asyncio.run(requests())
        claimer.stop()

    def test_a_failure_holds_nothing(self) -> None:
        """Nobody knows, says the error; the next one who asks is asked for anew."""
        claims = Slow()
        claims.go_on.set()
        claims.error = StoreUnavailableError("not now")
        claimer = Claimer(claims)

        async def requests() -> Answer | None:
            with pytest.raises(RecordsUnavailableError, match="not now"):
                await claimer.claim(KEYS[0])
            claims.error = None
            return await claimer.claim(KEYS[0])

        assert asyncio.run(requests()) is None
        claimer.stop()
        with pytest.raises(RecordsUnavailableError):
            asyncio.run(claimer.claim(KEYS[1]))
