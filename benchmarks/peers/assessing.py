"""The project's scorer, policy and reasons, for the peers that use the same."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from decision import read_policy
from engine import Engine
from preprocessing.application import Application
from preprocessing.contract import CONTRACT_FILE, read_contract
from scoring.artifact import read_artifact
from scoring.attribution import Attributor
from scoring.scorer import Scorer

ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"
MODEL = ARTIFACTS / "model"
POLICY = ARTIFACTS / "policy" / "decision_policy.json"
CONTRACT = read_contract((MODEL / CONTRACT_FILE).read_bytes())


def load_engine() -> Engine:
    """What the bundle answers with, without BentoML and its store."""
    artifact = read_artifact(MODEL)
    scorer = Scorer(artifact)
    return Engine(
        scorer, Attributor(scorer.leaves, artifact.tables, artifact.calibration), read_policy(POLICY, artifact.contract)
    )


def application_of(validated: BaseModel) -> Application:
    """What the contract reads, of what `CONTRACT.model` has validated already: no peer pays for that twice."""
    values = dict(validated)
    return values | {ratio.name: ratio.exact(values) for ratio in CONTRACT.ratios}
