"""The project's scorer, policy and reasons, for the peers that use the same."""

from __future__ import annotations

from pathlib import Path

from decision import read_policy
from scoring.artifact import read_artifact
from scoring.attribution import Attributor
from scoring.scorer import Scorer
from serving.engine import Engine

ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"
MODEL = ARTIFACTS / "model"
POLICY = ARTIFACTS / "policy" / "decision_policy.json"


def load_engine() -> Engine:
    """What the bundle answers with, without BentoML and its store."""
    artifact = read_artifact(MODEL)
    scorer = Scorer(artifact)
    return Engine(scorer, Attributor(scorer.leaves, artifact.tables), read_policy(POLICY))
