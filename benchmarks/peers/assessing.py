"""The project's scorer, policy and reasons, for the peers that use the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from decision import read_policy
from engine import Engine
from preprocessing.application import Application, InvalidApplicationError
from preprocessing.contract import CONTRACT_FILE, read_contract
from scoring.artifact import read_artifact
from scoring.attribution import Attributor
from scoring.scorer import Scorer
from serving.http.answers import prediction

ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"
MODEL = ARTIFACTS / "model"
POLICY = ARTIFACTS / "policy" / "decision_policy.json"
CONTRACT = read_contract((MODEL / CONTRACT_FILE).read_bytes())


def load_engine(model: Path = MODEL, policy: Path = POLICY) -> Engine:
    """What the bundle answers with, without BentoML and its store."""
    artifact = read_artifact(model)
    scorer = Scorer(artifact)
    return Engine(
        scorer, Attributor(scorer.leaves, artifact.tables, artifact.calibration), read_policy(policy, artifact.contract)
    )


Read = Application | InvalidApplicationError
"""An application, or what is wrong with it."""


def validated(document: Any) -> Read:
    """What the contract reads, for peers that merge requests: an invalid one must not refuse its neighbours."""
    try:
        return CONTRACT.parse(document)
    except InvalidApplicationError as exc:
        return exc


def answers(engine: Engine, merged: Sequence[Read]) -> list[Any]:
    """A decision for each application, in order, and for the others what is wrong with them."""
    good = [each for each in merged if not isinstance(each, InvalidApplicationError)]
    decided = iter(engine.assess(good))
    return [
        {"errors": [error.msg for error in each.errors]}
        if isinstance(each, InvalidApplicationError)
        else prediction(next(decided))
        for each in merged
    ]


def application_of(validated: BaseModel) -> Application:
    """What the contract reads, of what `CONTRACT.model` has validated already: no peer pays for that twice."""
    values = dict(validated)
    return values | {ratio.name: ratio.exact(values) for ratio in CONTRACT.ratios}
