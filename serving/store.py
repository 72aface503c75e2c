"""Where the served model and policy come from, and how they are verified on the way in.

Precedence, for each of the two: a path in the settings, the version that the Bento pins, the store's latest.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import bentoml

from decision import InvalidPolicyError, PolicyFiles, read_policy
from decision.files import POLICY_FILE
from engine import check_fit, open_model
from preprocessing.contract import Contract
from scoring.artifact import (
    MODEL_NAME,
    Artifact,
    DigestMismatchError,
    MissingFileError,
    read_artifact,
)
from scoring.attribution import Attributor
from scoring.distribution import TrainingDistribution
from scoring.scorer import Scorer
from serving.settings import Settings

MODEL_ENTRY = MODEL_NAME
POLICY_ENTRY = "credit_risk_policy"


@dataclass(frozen=True)
class Served:
    """A verified model and policy.

    Attributes:
        scorer: the model, its golden applications reproduced in this process.
        attributor: its attributions, which add up on them.
        policy: the policy with its reasons, its examples passed.
        distribution: the training data in bins.
        contents: the very bytes of all files, by name.
    """

    scorer: Scorer
    attributor: Attributor
    policy: PolicyFiles
    distribution: TrainingDistribution
    contents: dict[str, bytes]

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 by file name."""
        return {name: sha256(content).hexdigest() for name, content in self.contents.items()}


def load_served(settings: Settings, bento: bentoml.Bento | None) -> Served:
    """Find, verify and open what is to be served.

    Raises:
        ArtifactError: the model must not be served, or isn't there.
        InvalidPolicyError: the policy can't be used, or not with this model.
    """
    artifact = read_artifact(settings.model_path) if settings.model_path else stored_artifact(bento)
    scorer, attributor = open_model(artifact)
    contract = artifact.contract
    policy = read_policy(settings.policy_path, contract) if settings.policy_path else _stored_policy(bento, contract)
    check_fit(artifact, policy)
    return Served(scorer, attributor, policy, artifact.distribution, {**artifact.contents, **policy.contents})


def stored_artifact(bento: bentoml.Bento | None) -> Artifact:
    """The store's model, its pickle unopened.

    The manifest lies beside the files that it vouches for: who changes one can change the other. So the entry's
    metadata, written when everything was verified, must vouch for all of them.

    Raises:
        ArtifactError: the model is not there, is damaged, or is not what was imported.
    """
    entry = _stored(MODEL_ENTRY, bento)
    artifact = read_artifact(Path(entry.path))
    if artifact.digests != _imported_digests(entry):
        raise DigestMismatchError(_not_imported(entry))
    return artifact


def _stored_policy(bento: bentoml.Bento | None, contract: Contract) -> PolicyFiles:
    """The store's policy; a policy carries no digest of itself, so the entry's metadata vouches for it."""
    entry = _stored(POLICY_ENTRY, bento)
    policy = read_policy(Path(entry.path) / POLICY_FILE, contract)
    if policy.digests != _imported_digests(entry):
        raise InvalidPolicyError(_not_imported(entry))
    return policy


def _imported_digests(entry: bentoml.Model) -> Any:
    """SHA-256 by file name, as the import wrote them; None where nothing like it is there."""
    metadata = entry.info.metadata
    return metadata.get("sha256") if isinstance(metadata, dict) else None


def _not_imported(entry: bentoml.Model) -> str:
    return f"{entry.tag} in the store is not what was imported; delete the entry and import again"


def _stored(entry: str, bento: bentoml.Bento | None) -> bentoml.Model:
    pinned = [info.tag for info in bento.info.all_models if info.tag.name == entry] if bento is not None else []
    tag = str(pinned[0]) if pinned else f"{entry}:latest"
    missing = MissingFileError(f"the model store has no usable {tag}; run `python import_model.py`")
    try:
        stored = bentoml.models.get(tag)
    except Exception as exc:  # whatever half a file makes BentoML raise
        raise missing from exc
    if pinned and str(stored.tag) != tag:  # the store also finds a tag by its beginning
        raise missing
    return stored
