"""A served service with a challenger: what is answered is what is answered without, whatever the challenger does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from records.identifiers import from_text
from records.keyring import add_key, read_keyring
from records.shadow.verdict import opened
from records.stores.opening import open_store
from tests import expect
from tests.records.challengers import MODEL, POLICY, import_challengers
from tests.records.faulty_child import EAT, HANG, RAISE
from tests.servers import HANG_SECONDS, Server, copy_store, run_python, serving, wait_for

pytestmark = pytest.mark.slow

_DECISION_ID = re.compile(rb',"decision_id":"[0-9a-f-]{36}"')


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A store, and who challenges."""
    folder = tmp_path_factory.mktemp("kept")
    add_key(folder / "keys.json")
    return {
        "CREDIT_RISK_RECORDS": f"sqlite:{folder / 'records'}",
        "CREDIT_RISK_RECORDS_KEY_FILE": str(folder / "keys.json"),
        "CREDIT_RISK_CHALLENGER": f"{MODEL},{POLICY}",
    }


@pytest.fixture(scope="module")
def shadowed(store: Path, tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> Iterator[Server]:
    home = copy_store(store, tmp_path_factory.mktemp("shadowed"))
    import_challengers(home, tmp_path_factory.mktemp("challengers"))
    with serving(home, "tests.records.shadowed_service:CreditRisk", **settings) as running:
        yield running


@pytest.fixture(scope="module")
def asked(shadowed: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shadowed.url, timeout=HANG_SECONDS) as client:
        yield client


def counted(asked: httpx.Client, name: str) -> float:
    """All series of one of the challenger's counters."""
    lines = asked.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"credit_risk_challenger_{name}"))


def missed(asked: httpx.Client) -> float:
    """What it failed on, and what waited meanwhile."""
    return counted(asked, "failed_total") + counted(asked, "dropped_total")


def test_the_answers_are_the_same(
    asked: httpx.Client,
    client: httpx.Client,
    shadowed: Server,
    settings: dict[str, str],
    applications: list[dict[str, Any]],
) -> None:
    """Byte for byte but for the decision's id; beside each decision stands what the challenger said of it."""
    rows = applications[:40]
    requests = [("/predict", rows[0]), ("/predict/explain", rows[1]), ("/predict/batch", rows)]
    ids = []
    for path, body in requests:
        answer, plain = asked.post(path, json=body), client.post(path, json=body)
        assert plain.content == _DECISION_ID.sub(b"", answer.content)
        ids += re.findall(r'"decision_id":"([0-9a-f-]{36})"', answer.text)
    wait_for(lambda: counted(asked, "assessed_total") == len(ids))
    assert 0 == counted(asked, "failed_total") + counted(asked, "dropped_total")

    store, ring = (
        open_store(settings["CREDIT_RISK_RECORDS"]),
        read_keyring(Path(settings["CREDIT_RISK_RECORDS_KEY_FILE"])),
    )
    (basis,) = store.challengers()
    said = {each.decision: opened(each, basis.digest, ring) for each in store.verdicts(basis.digest)}
    assert {from_text(each) for each in ids} == said.keys()
    assert ("2.1.0", "1.2.0") == (basis.model_version, basis.policy_version)
    served = asked.get("/version").json()
    assert {"entries": [MODEL, POLICY], "running": True, "model_version": "2.1.0", "policy_version": "1.2.0"} == served[
        "challenger"
    ]
    assert ("2.0.0", "1.1.0") == (served["model_version"], served["policy_version"])
    assert client.get("/version").json()["challenger"] is None
    compared = run_python("-m", "records", "challenge", home=shadowed.home, **settings)
    assert f"{len(ids)} decisions" in compared


def test_whatever_it_does_wrong(
    asked: httpx.Client, client: httpx.Client, shadowed: Server, example: dict[str, Any]
) -> None:
    """It raises, hangs, eats memory: counted, said once, and decisions go on; then it does, too."""
    faults = {RAISE: "RuntimeError at faulty_child.py", HANG: "took longer than 5 s", EAT: "took more memory"}
    for number, (amount, why) in enumerate(faults.items(), start=1):
        body = {**example, "loan_amnt": amount, "loan_percent_income": None}
        for path in ("/predict", "/predict/explain"):
            answer, plain = asked.post(path, json=body), client.post(path, json=body)
            assert plain.content == _DECISION_ID.sub(b"", answer.content)
        wait_for(lambda number=number: missed(asked) >= 2 * number)  # type: ignore[misc]  # bound at once
        assert 200 == asked.get("/readyz").status_code
        before = counted(asked, "assessed_total")
        wait_for(lambda: asked.get("/version").json()["challenger"]["running"])
        expect.answer(asked.post("/predict", json=example))
        wait_for(lambda before=before: counted(asked, "assessed_total") > before)  # type: ignore[misc]  # the same
        (line,) = [line for line in shadowed.find(level="ERROR") if why in line["reason"]]
        assert line["message"].startswith("challenger: ")
    assert "RuntimeError" in shadowed.log.read_text()
    assert "can't score" not in shadowed.log.read_text()


def test_ends_with_its_worker(shadowed: Server, asked: httpx.Client) -> None:
    """However that ends."""
    wait_for(lambda: asked.get("/version").json()["challenger"]["running"])
    worker = shadowed.worker
    (child,) = [each for each in worker.children() if "tests.records.faulty_child" in each.cmdline()]
    worker.kill()
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    shadowed.wait_until("/readyz")
