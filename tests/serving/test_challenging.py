"""The challenger that a setting names: whatever is wrong with it, the service is ready, and says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from records.shadow.challenger import ChallengerError
from serving.challenging import Challenging
from serving.settings import Settings, SettingsError, load_settings
from serving.store import MODEL_ENTRY, POLICY_ENTRY
from serving.telemetry.telemetry import Telemetry
from tests.artifacts import MODEL_FOLDER, POLICY_FOLDER
from tests.records.challengers import MODEL, POLICY, import_challengers
from tests.records.samples import BASIS
from tests.stores import model_store

RECORDED = {"CREDIT_RISK_RECORDS": "sqlite:records", "CREDIT_RISK_RECORDS_KEY_FILE": "keys.json"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("home")
    import_challengers(folder, tmp_path_factory.mktemp("challengers"))
    with model_store(folder):
        yield folder


@pytest.fixture(scope="module")
def champion() -> dict[str, dict[str, str]]:
    """Digests of what is served."""
    model = json.loads((MODEL_FOLDER / "model_metadata.json").read_bytes())["artifacts"]
    return {MODEL_ENTRY: model, POLICY_ENTRY: {"decision_policy.json": "a" * 64, "reason_codes.json": "b" * 64}}


def challenging(tags: str, **settings: Any) -> Challenging:
    given = Settings(
        records="sqlite:records", records_key_file=Path("keys.json"), challenger=tuple(tags.split(",")), **settings
    )
    return Challenging(given, Telemetry(CollectorRegistry()))


class TestSettings:
    @pytest.mark.parametrize("value", [MODEL, POLICY, f"{MODEL}, {POLICY}"])
    def test_model_policy_or_both(self, value: str) -> None:
        settings = load_settings({**RECORDED, "CREDIT_RISK_CHALLENGER": value})
        assert tuple(value.split(", ")) == settings.challenger

    def test_needs_records(self) -> None:
        """What it says is kept nowhere else."""
        with pytest.raises(SettingsError, match=r"CREDIT_RISK_CHALLENGER: .*; set CREDIT_RISK_RECORDS$"):
            load_settings({"CREDIT_RISK_CHALLENGER": POLICY})

    @pytest.mark.parametrize(
        "value",
        ["credit_risk_policy", "credit_risk_policy:latest", "a/b:1.0.0", f"{POLICY},credit_risk_policy:1.3.0", "x:1.0"],
    )
    def test_refused(self, value: str) -> None:
        with pytest.raises(SettingsError, match="CREDIT_RISK_CHALLENGER: "):
            load_settings({**RECORDED, "CREDIT_RISK_CHALLENGER": value})


@pytest.mark.usefixtures("home")
class TestPreparing:
    def test_takes_the_champions_place(self, champion: dict[str, dict[str, str]]) -> None:
        """What is named comes from the store, the rest is what is served."""
        said = challenging(POLICY)._prepare(BASIS, champion)
        assert {"decision_policy.json", "reason_codes.json"} == {Path(path).name for path in said["files"]}
        assert champion[MODEL_ENTRY].items() <= said["digests"].items()
        assert champion[POLICY_ENTRY]["decision_policy.json"] != said["digests"]["decision_policy.json"]
        both = challenging(f"{MODEL},{POLICY}")._prepare(BASIS, champion)
        assert both["digests"].keys() == {Path(path).name for path in both["files"]}

    @pytest.mark.parametrize(
        ("tags", "said"),
        [
            ("credit_risk_policy:9.9.9", "no usable credit_risk_policy:9.9.9"),
            ("credit_risk_policy:1.2.00", "no usable credit_risk_policy:1.2.00"),
            ("something_else:1.0.0", "something_else:1.0.0: neither"),
        ],
    )
    def test_not_there(self, champion: dict[str, dict[str, str]], tags: str, said: str) -> None:
        with pytest.raises(ChallengerError, match=said):
            challenging(tags)._prepare(BASIS, champion)

    def test_of_another_contract(self, champion: dict[str, dict[str, str]]) -> None:
        """It would not even read the same applications."""
        other = champion | {MODEL_ENTRY: champion[MODEL_ENTRY] | {"contract.json": "0" * 64}}
        with pytest.raises(ChallengerError, match=f"^{MODEL} has another contract .*; train it for this one$"):
            challenging(MODEL)._prepare(BASIS, other)

    def test_nobody_vouched_for(self, champion: dict[str, dict[str, str]]) -> None:
        """Where keys are trusted, one must have signed it, as what is served."""
        key = POLICY_FOLDER / "no-key"
        with pytest.raises(ChallengerError, match="no-key"):
            challenging(POLICY, trusted_key=(key,))._prepare(BASIS, champion)


class TestTelling:
    def test_once(self, caplog: pytest.LogCaptureFixture) -> None:
        """The same reason again and again is one line, until it has worked in between."""
        watched = challenging(POLICY)
        for _ in range(3):
            watched.stopped("took more memory")
        watched.failed(2, "ValueError at a.py:1")
        watched.assessed([("APPROVE", "REJECT", 2)])
        watched.failed(1, "ValueError at a.py:1")
        reasons = [record.data["reason"] for record in caplog.records]  # type: ignore[attr-defined]  # by `extra`
        assert ["took more memory", "ValueError at a.py:1", "ValueError at a.py:1"] == reasons

    def test_version(self) -> None:
        """It is named, whether it runs or not."""
        watched = challenging(POLICY)
        stopped = {"entries": [POLICY], "running": False, "model_version": None, "policy_version": None}
        versions = {"model_version": "2.0.0", "policy_version": "1.2.0"}
        assert stopped == watched.document()
        watched.running(versions)
        assert stopped | versions | {"running": True} == watched.document()
        watched.stopped("took more memory")
        assert stopped == watched.document()
