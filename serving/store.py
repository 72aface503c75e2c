"""Where the served model and policy come from, and how they are verified on the way in.

Precedence, for each of the two: a path in the settings, the version that the Bento pins, the store's latest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bentoml
from bentoml.exceptions import BentoMLException

from decision import InvalidPolicyError, Policy, parse_policy
from scoring.artifact import ArtifactError, IncoherentArtifactError, MissingFileError, read_artifact, sha256
from scoring.scorer import Scorer
from serving.settings import Settings

MODEL_ENTRY = "credit_risk_gradient_boosting"
POLICY_ENTRY = "credit_risk_policy"
POLICY_FILE = "decision_policy.json"

GOLDEN_TOLERANCE = 1e-9
"""How far a golden application's PD may lie from the artifact's: processors differ in the last bits."""


@dataclass(frozen=True)
class Served:
    """A verified model and policy.

    Attributes:
        scorer: the model, its golden applications reproduced in this process.
        policy: the policy, its examples passed.
        digests: SHA-256 by file name.
    """

    scorer: Scorer
    policy: Policy
    digests: dict[str, str]


def load_served(settings: Settings, bento: bentoml.Bento | None) -> Served:
    """Find, verify and open what is to be served.

    Raises:
        ArtifactError: the model must not be served, or isn't there.
        InvalidPolicyError: the policy can't be used.
    """
    artifact = read_artifact(settings.model_path or _stored(MODEL_ENTRY, bento))
    scorer = Scorer(artifact)
    verify_golden(scorer)
    policy_path = settings.policy_path or _stored(POLICY_ENTRY, bento) / POLICY_FILE
    content, policy = read_policy(policy_path)
    return Served(scorer, policy, artifact.digests | {POLICY_FILE: sha256(content)})


def verify_golden(scorer: Scorer) -> None:
    """Check that the golden applications get their stored PDs here.

    Raises:
        IncoherentArtifactError: one of them is off by more than GOLDEN_TOLERANCE.
    """
    deviation = scorer.golden_deviation()
    if not deviation <= GOLDEN_TOLERANCE:  # so written that NaN fails too
        raise IncoherentArtifactError(
            f"a golden application's PD is off by {deviation:.3g} here, more than {GOLDEN_TOLERANCE}; train again"
        )


def read_policy(path: Path) -> tuple[bytes, Policy]:
    """The bytes of a policy file and what they say.

    Raises:
        InvalidPolicyError: it can't be read or used.
    """
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise InvalidPolicyError(f"can't be read ({exc.strerror}); name the policy's JSON file") from exc
    return content, parse_policy(content)


def _stored(entry: str, bento: bentoml.Bento | None) -> Path:
    pinned = [info.tag for info in bento.info.all_models if info.tag.name == entry] if bento is not None else []
    tag = pinned[0] if pinned else bentoml.Tag(entry, "latest")
    try:
        return Path(bentoml.models.get(tag).path)
    except BentoMLException as exc:
        raise MissingFileError(f"the model store has no {tag}; run `python import_model.py`") from exc


__all__ = ["ArtifactError", "InvalidPolicyError", "Served", "load_served", "read_policy"]
