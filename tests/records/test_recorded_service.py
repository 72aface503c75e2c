"""A served service with a store: what it answers is on record."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from records.identifiers import from_text
from records.keyring import add_key, read_keyring
from records.reading import Archive
from records.stores.opening import open_store
from records.verifying.chains import verify
from tests import expect
from tests.disks import fill, small_disk
from tests.servers import HANG_SECONDS, ROOT, Server, copy_store, environment, run_python, serving, wait_for

pytestmark = pytest.mark.slow


class Kept:
    """Where a server keeps its records, and how they are read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "records"
        self.key_file = folder / "keys.json"
        add_key(self.key_file)
        self.where = f"sqlite:{self.folder}"
        self.settings = {"CREDIT_RISK_RECORDS": self.where, "CREDIT_RISK_RECORDS_KEY_FILE": str(self.key_file)}

    def document(self, decision_id: str) -> dict[str, Any]:
        """A decision, as `python -m records show` prints it."""
        kept = Archive(open_store(self.where), read_keyring(self.key_file)).get(from_text(decision_id))
        assert kept is not None
        return kept.document()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="module")
def recorded(store: Path, tmp_path_factory: pytest.TempPathFactory, kept: Kept) -> Iterator[Server]:
    with serving(copy_store(store, tmp_path_factory.mktemp("recorded")), **kept.settings) as running:
        yield running


@pytest.fixture(scope="module")
def asked(recorded: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=recorded.url, timeout=HANG_SECONDS) as client:
        yield client


def test_a_decision_is_on_record_as_it_was_answered(
    asked: httpx.Client, client: httpx.Client, kept: Kept, example: dict[str, Any]
) -> None:
    """All that was said, and the body byte for byte; the answer is the one that is given without a store."""
    body = json.dumps(example, indent=3)
    for route in ("/predict", "/predict/explain"):
        headers = {"Content-Type": "application/json", "X-Request-ID": f"ours{route.replace('/', '-')}"}
        answer = expect.answer(asked.post(route, content=body, headers=headers))
        record = kept.document(answer.pop("decision_id"))
        assert expect.answer(client.post(route, content=body, headers=headers)) == answer
        assert body == record["received"]
        assert headers["X-Request-ID"] == record["request_id"]
        for name in ("decision", "probability_of_default", "credit_score", "outside_training_range"):
            assert answer[name] == record[name]
        assert [(each["code"], each["field"]) for each in answer["reasons"]] == [
            (each["code"], each["field"]) for each in record["reasons"]
        ]
        if "counterfactuals" in answer:
            assert answer["counterfactuals"] == record["counterfactuals"]
            told = answer["explanations"]["risk_drivers"] + answer["explanations"]["protective_factors"]
            assert {each["feature"]: each["impact"] for each in told} == {
                field: impact for field, impact in record["attributions"].items() if impact
            }


def test_each_row_of_a_batch(
    asked: httpx.Client, kept: Kept, applications: list[dict[str, Any]], example: dict[str, Any]
) -> None:
    """Bad rows have no decision and no record; the others have each their own, with their place."""
    rows: list[Any] = [applications[0], {"person_age": 3}, *applications[1:40], {**example, "loan_amnt": "much"}]
    answer = expect.answer(asked.post("/predict/batch?partial=true", json=rows))
    for place, (row, result) in enumerate(zip(rows, answer["results"], strict=True)):
        if "errors" in result:
            assert "decision_id" not in result
            continue
        record = kept.document(result["decision_id"])
        assert (place, "batch") == (record["row"], record["route"])
        assert row == json.loads(record["received"])
        assert result["probability_of_default"] == record["probability_of_default"]
    assert 40 == len({result["decision_id"] for result in answer["results"] if "decision_id" in result})


def test_what_is_refused_is_not_on_record(asked: httpx.Client, kept: Kept, example: dict[str, Any]) -> None:
    """There is no decision to keep."""
    before = sum(each.head.sequence for each in verify(open_store(kept.where)))
    assert 422 == asked.post("/predict", json={**example, "person_income": -1}).status_code
    assert 400 == asked.post("/predict", content=b"{", headers={"Content-Type": "application/json"}).status_code
    assert 422 == asked.post("/predict/batch", json=[example, {}]).status_code
    assert before == sum(each.head.sequence for each in verify(open_store(kept.where)))


def test_many_at_once_lose_nothing(recorded: Server, kept: Kept, applications: list[dict[str, Any]]) -> None:
    """Every answer has a record of its own, and the chain is whole while it is written."""
    ids: list[str] = []

    def ask(part: list[dict[str, Any]]) -> None:
        with httpx.Client(base_url=recorded.url, timeout=HANG_SECONDS) as client:
            ids.extend(expect.answer(client.post("/predict", json=each))["decision_id"] for each in part)

    threads = [threading.Thread(target=ask, args=(applications[start::16],)) for start in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(applications) == len(set(ids)) == len(ids)
    assert [] == [fault for each in verify(open_store(kept.where)) for fault in each.faults]
    assert all(kept.document(each)["decision_id"] == each for each in ids[::25])


def test_the_command_shows_it(asked: httpx.Client, kept: Kept, recorded: Server, example: dict[str, Any]) -> None:
    """While the service writes; as JSON."""
    decision_id = expect.answer(asked.post("/predict", json=example))["decision_id"]
    shown = json.loads(run_python("-m", "records", "show", decision_id, "--json", home=recorded.home, **kept.settings))
    assert shown | kept.document(decision_id) == shown
    found = run_python("-m", "records", "find", "--most", "1", home=recorded.home, **kept.settings)
    assert decision_id == found.split()[0]
    assert run_python("-m", "records", "verify", home=recorded.home, **kept.settings).endswith("0 erased, 0 purged\n")
    fares = run_python("-m", "records", "performance", home=recorded.home, **kept.settings)
    assert "outcomes" in fares
    assert "not in the archive" not in fares  # what the model's training data was like


def test_a_reader_that_has_enough(recorded: Server, kept: Kept) -> None:
    """As `head` has: no traceback."""
    command = [sys.executable, "-m", "records", "find"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(recorded.home, **kept.settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"" == process.stderr.read()
    assert 0 == process.returncode


def test_metrics_and_version(asked: httpx.Client, example: dict[str, Any]) -> None:
    """Commits are counted; a decision without a record is told at start only where there is no store."""
    asked.post("/predict", json=example)
    metrics = asked.get("/metrics").text
    assert "credit_risk_records_commit_seconds_count" in metrics
    assert "credit_risk_records_failures_total 0.0" in metrics


def test_without_a_store(server: Server, client: httpx.Client, example: dict[str, Any]) -> None:
    """No id is given, and a warning says what is missing."""
    assert "decision_id" not in expect.answer(client.post("/predict", json=example))
    assert server.find(level="WARNING", message="decisions are not recorded; set CREDIT_RISK_RECORDS to keep them")


def test_a_store_that_can_not_be_used(store: Path, tmp_path: Path, example: dict[str, Any]) -> None:
    """Alive and not ready, and the log says why; nothing is decided until it can be."""
    kept = Kept(tmp_path)
    kept.folder.write_text("no folder")
    home = copy_store(store, tmp_path / "home")
    with serving(home, until="/livez", **kept.settings) as running:
        (line,) = wait_for(lambda: running.find(message="records: not written"))
        assert str(kept.folder) in line["reason"]
        assert 503 == httpx.get(f"{running.url}/readyz", timeout=HANG_SECONDS).status_code
        kept.folder.unlink()
        running.wait_until("/readyz")
        assert "decision_id" in expect.answer(httpx.post(f"{running.url}/predict", json=example, timeout=HANG_SECONDS))


def test_a_disk_that_is_full(store: Path, tmp_path: Path, applications: list[dict[str, Any]]) -> None:
    """Nothing is answered that isn't kept; said once; and when there is room again, all goes on by itself."""
    bodies = iter(applications)
    answered: list[str] = []
    statuses: Counter[int] = Counter()

    def ask() -> int:
        response = httpx.post(f"{running.url}/predict", json=next(bodies), timeout=HANG_SECONDS)
        statuses[response.status_code] += 1
        if response.status_code == 200:
            answered.append(expect.answer(response)["decision_id"])
        else:
            assert response.headers["Retry-After"]
            expect.problem(response, 503, "not-recorded")
        return response.status_code

    with small_disk(tmp_path / "disk", "8m") as disk:
        kept = Kept(disk)
        with serving(copy_store(store, tmp_path / "home"), **kept.settings) as running:
            for _ in range(20):
                assert 200 == ask()
            filler = fill(disk)
            wait_for(lambda: ask() == 503)
            assert 503 == httpx.get(f"{running.url}/readyz", timeout=HANG_SECONDS).status_code
            for _ in range(20):
                ask()
            filler.unlink()
            running.wait_until("/readyz")
            for _ in range(20):
                assert 200 == ask()
            assert 1 == len(running.find(message="records: not written"))
            assert 1 == len(running.find(message="records: written again"))
        with closing(open_store(kept.where)) as reader:
            found = list(verify(reader))
        assert [] == [fault for each in found for fault in each.faults]
        assert sum(each.head.sequence for each in found) == len(answered)
        assert all(kept.document(each)["decision_id"] == each for each in answered)
    print(f"full disk: {dict(statuses)}, {len(answered)} answered and kept")
