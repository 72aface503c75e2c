"""A store with challengers in it, and what watches one."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from decision import read_policy
from decision.files import CATALOGUE_FILE, POLICY_FILE
from import_model import model_entry, policy_entry, save
from scoring.artifact import MANIFEST, read_artifact, sha256
from tests.artifacts import POLICY_FOLDER, edit, small_model
from tests.records.samples import BASIS
from tests.stores import model_store

MODEL, POLICY = "credit_risk_gradient_boosting:2.1.0", "credit_risk_policy:1.2.0"


def import_challengers(home: Path, work: Path) -> Path:
    """Put a model of a few trees and a stricter policy beside what `home` serves."""
    model = small_model(work / "model")
    edit(model / MANIFEST, lambda manifest: manifest.update(version="2.1.0"))
    policy = work / "policy"
    shutil.copytree(POLICY_FOLDER, policy)

    def stricter(document: dict[str, Any]) -> None:
        document["version"] = "1.2.0"
        document["thresholds"]["reject_from"] = 0.19
        document["examples"] = document["examples"][:1]

    edit(policy / POLICY_FILE, stricter)
    artifact = read_artifact(model)
    with model_store(home):
        # As the command does with --challenger, without the seconds in which it proves what the pickle gives.
        save([model_entry(artifact), policy_entry(read_policy(policy / POLICY_FILE, artifact.contract))], latest=False)
    return home


class Seen:
    """What a challenger's watch was told."""

    def __init__(self) -> None:
        self.identity: Mapping[str, str] | None = None
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.number_dropped = 0
        self.number_failed = 0
        self.reasons: list[str] = []
        self.stops: list[str] = []

    @property
    def number_assessed(self) -> int:
        """Decisions."""
        return self.pairs.total()

    def running(self, identity: Mapping[str, str]) -> None:
        self.identity = identity

    def assessed(self, pairs: Sequence[tuple[str, str, int]]) -> None:
        for one, two, number in pairs:
            self.pairs[one, two] += number

    def dropped(self, number: int) -> None:
        self.number_dropped += number

    def failed(self, number: int, why: str) -> None:
        self.number_failed += number
        self.reasons.append(why)

    def stopped(self, why: str) -> None:
        self.identity = None
        self.stops.append(why)


def a_start(folder: Path, key_file: Path, work: Path) -> dict[str, Any]:
    """What a challenger's process is told first: a model of a few trees, the project's policy, and an SQLite store."""
    small_model(work / "small")
    paths = [work / "small" / name for name in read_artifact(work / "small").contents]
    paths += [POLICY_FOLDER / name for name in (POLICY_FILE, CATALOGUE_FILE)]
    return {
        "records": f"sqlite:{folder}",
        "records_seconds": 5.0,
        "key_file": str(key_file),
        "basis": BASIS.document.decode(),
        "digests": {path.name: sha256(path.read_bytes()) for path in paths},
        "files": [str(path) for path in paths],
    }
