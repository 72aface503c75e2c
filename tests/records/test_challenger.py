"""A challenger's process: what it says is kept, and whatever it does wrong costs its own decisions only."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from pydantic_core import to_json

from decision import read_policy
from decision.files import POLICY_FILE
from engine import Engine, open_model
from records.identifiers import new_id
from records.keyring import read_keyring
from records.shadow import challenger as module
from records.shadow.answered import Answered
from records.shadow.challenger import Challenger, ChallengerError
from records.shadow.verdict import opened, verdict_of
from records.stores.sqlite.store import SQLiteFolder
from scoring.artifact import read_artifact
from tests.applications import portfolio
from tests.artifacts import POLICY_FOLDER
from tests.records.challengers import Seen, a_start
from tests.records.faulty_child import DIE, EAT, HANG, RAISE
from tests.servers import wait_for

Start = Callable[..., tuple["Running", Seen]]

PLANTED = "planted-reference-7219"


def answered(document: dict[str, Any], outcome: str = "APPROVE") -> Answered:
    """A decision on an application."""
    return Answered(new_id(), 1_790_000_000_000_000, outcome, to_json(document).decode())


@pytest.fixture
def first(tmp_path: Path, key_file: Path) -> dict[str, Any]:
    """What the process is told first."""
    return a_start(tmp_path / "records", key_file, tmp_path)


class Loop:
    """An event loop in a thread of its own, and a challenger on it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._started: list[Challenger] = []

    def begin(
        self, prepare: Callable[[], dict[str, Any]], module: str, given_up_seconds: float
    ) -> tuple[Running, Seen]:
        seen = Seen()
        challenger = Challenger(prepare, seen)
        challenger.module, challenger.given_up_seconds = module, given_up_seconds
        self._started.append(challenger)
        self.call(challenger.start)
        return Running(self, challenger), seen

    def call(self, work: Callable[..., None], *arguments: object) -> None:
        """Do something there, and wait until it is done."""

        async def done() -> None:
            work(*arguments)

        asyncio.run_coroutine_threadsafe(done(), self._loop).result()

    def close(self) -> None:
        for challenger in self._started:
            self.call(challenger.stop)
            task = challenger._task
            wait_for(lambda task=task: task is not None and task.done())  # type: ignore[misc]  # bound at once
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Running(NamedTuple):
    """A challenger, from outside its loop."""

    loop: Loop
    challenger: Challenger

    def offer(self, decisions: Sequence[Answered]) -> None:
        self.loop.call(self.challenger.offer, decisions)

    def stop(self) -> None:
        self.loop.call(self.challenger.stop)


@pytest.fixture
def start(first: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts challengers, and ends them."""
    monkeypatch.setattr(module, "GATHER_SECONDS", 0.05)
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.05)
    loop = Loop()

    def begin(
        prepare: Callable[[], dict[str, Any]] = lambda: first,
        program: str = "tests.records.faulty_child",
        given_up_seconds: float = 300.0,
    ) -> tuple[Running, Seen]:
        return loop.begin(prepare, program, given_up_seconds)

    yield begin
    loop.close()


DOCUMENTS = portfolio(60, seed=9)


class TestAssessing:
    def test_says_what_its_engine_says(self, start: Start, first: dict[str, Any], tmp_path: Path) -> None:
        """Each verdict is kept beside its decision, sealed, under the challenger's basis; its files are archived."""
        decisions = [answered({**document, "reference": PLANTED}) for document in DOCUMENTS]
        challenger, seen = start()
        challenger.offer([answered({"no": "application"}), *decisions])
        wait_for(lambda: seen.number_assessed == len(decisions))
        challenger.stop()
        assert (1, "InvalidApplicationError") == (seen.number_failed, seen.reasons[0].split()[0])

        artifact = read_artifact(tmp_path / "small")
        engine = Engine(*open_model(artifact), read_policy(POLICY_FOLDER / POLICY_FILE, artifact.contract))
        assessed = engine.assess([engine.contract.parse(document) for document in DOCUMENTS])
        store, ring = SQLiteFolder(tmp_path / "records"), read_keyring(Path(first["key_file"]))
        (basis,) = store.challengers()
        kept = {stored.decision: stored for stored in store.verdicts(basis.digest)}

        assert [verdict_of(each) for each in assessed] == [
            opened(kept[decision.decision], basis.digest, ring) for decision in decisions
        ]
        assert {("APPROVE", each.decision.outcome.value) for each in assessed} == set(seen.pairs)
        assert {ring.tag(PLANTED)} == {stored.tag for stored in kept.values()}
        assert (first["digests"], engine.identity.model_version) == (basis.digests, basis.model_version)
        assert all(store.archived(digest) is not None for digest in basis.digests.values())
        for path in filter(Path.is_file, (tmp_path / "records").rglob("*")):
            assert PLANTED.encode() not in path.read_bytes()

    def test_gives_way(self, start: Start) -> None:
        """It runs where nobody else wants the processor, is the first to go, has so much memory, and ends when told."""
        challenger, seen = start(program="records.shadow.child")
        (process,) = wait_for(children)
        wait_for(lambda: os.sched_getscheduler(process.pid) == os.SCHED_IDLE)
        assert 19 == process.nice()
        assert "1000" == Path(f"/proc/{process.pid}/oom_score_adj").read_text().strip()
        assert (module.MEMORY_BYTES,) * 2 == process.rlimit(psutil.RLIMIT_AS)
        assert (0, 0) == process.rlimit(psutil.RLIMIT_CORE)

        challenger.stop()
        wait_for(lambda: not children())
        assert [] == seen.stops


class TestGoingWrong:
    @pytest.mark.slow
    def test_costs_its_own_decisions(self, start: Start) -> None:
        """It raises: of one decision nothing is known. It hangs, eats memory or dies: a new process goes on."""
        challenger, seen = start(given_up_seconds=5.0)
        challenger.offer([answered(with_amount(RAISE)), *(answered(document) for document in DOCUMENTS[:29])])
        wait_for(lambda: seen.number_assessed == 29)
        assert (1, []) == (seen.number_failed, seen.stops)
        assert seen.reasons[0].startswith("RuntimeError at faulty_child.py:")

        for number, (amount, why) in enumerate(
            {HANG: "took longer than 5 s", EAT: "took more memory", DIE: "has ended with 3"}.items(), start=1
        ):
            challenger.offer([answered(with_amount(amount))])
            wait_for(lambda number=number: len(seen.stops) == number)  # type: ignore[misc]  # bound at once
            assert why in seen.stops[-1]
            assert 1 + number == seen.number_failed
            wait_for(lambda: seen.identity)
            before = seen.number_assessed
            challenger.offer([answered(document) for document in DOCUMENTS[:10]])
            wait_for(lambda before=before: seen.number_assessed == before + 10)  # type: ignore[misc]  # the same
        assert 0 == seen.number_dropped

    def test_files_that_are_not_what_was_imported(self, start: Start, tmp_path: Path) -> None:
        """It is not started with them."""
        (tmp_path / "small" / "calibration.json").write_text("{}")
        _, seen = start()
        wait_for(lambda: seen.stops)
        assert seen.stops[0].endswith("is not what was imported; delete the entry and import again")

    def test_an_archive_without_its_files(self, start: Start, first: dict[str, Any]) -> None:
        """The champion's part comes from there."""
        first["files"] = []
        _, seen = start()
        wait_for(lambda: seen.stops)
        assert "is missing from the archive" in seen.stops[0]

    def test_a_key_file_that_is_not_there(self, start: Start, first: dict[str, Any], tmp_path: Path) -> None:
        """It says so, and that is on one line."""
        first["key_file"] = str(tmp_path / "none")
        _, seen = start()
        wait_for(lambda: seen.stops)
        assert str(tmp_path / "none") in seen.stops[0]
        assert seen.stops[0].isprintable()


class TestDropping:
    def test_what_does_not_fit(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        """While the process starts, decisions wait, so many and no more; the rest is counted."""
        monkeypatch.setattr(module, "MOST_DECISIONS", 10)
        ready = threading.Event()
        challenger, seen = start(lambda: _when(ready))
        challenger.offer([answered(document) for document in DOCUMENTS[:15]])
        ready.set()
        wait_for(lambda: seen.stops)
        wait_for(lambda: seen.number_dropped == 15)

    def test_by_size(self, first: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        """Large ones are no way around it."""
        monkeypatch.setattr(module, "MOST_CHARACTERS", 100)
        seen = Seen()
        challenger = Challenger(lambda: first, seen)
        challenger.offer([answered({"large": "x" * 60}), answered({"large": "x" * 60}), answered({"small": 1})])
        assert ["large", "small"] == [next(iter(json.loads(each.received))) for each in challenger._taken()]

    def test_without_a_challenger(self, start: Start, first: dict[str, Any]) -> None:
        """What comes until one is there is dropped, and then assessed again."""
        tries: list[int] = []

        def prepare() -> dict[str, Any]:
            tries.append(1)
            if len(tries) < 3:
                raise ChallengerError("credit_risk_policy:9.9.9 is not there")
            return first

        challenger, seen = start(prepare)
        wait_for(lambda: seen.stops)
        challenger.offer([answered(DOCUMENTS[0])])
        wait_for(lambda: seen.identity)
        challenger.offer([answered(DOCUMENTS[1])])
        wait_for(lambda: seen.number_assessed == 1)
        assert ["credit_risk_policy:9.9.9 is not there"] * 2 == seen.stops
        assert 1 == seen.number_dropped


def with_amount(amount: int) -> dict[str, Any]:
    """An application of it."""
    return {**DOCUMENTS[0], "loan_amnt": amount, "loan_percent_income": None}


def children() -> list[psutil.Process]:
    """Challengers' processes of this one."""
    found = []
    for each in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # a zombie, too
            found += [each] if "records.shadow.child" in each.cmdline() else []
    return found


def _when(ready: threading.Event) -> dict[str, Any]:
    ready.wait()
    raise ChallengerError("not now")
