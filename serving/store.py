"""Where the served model and policy come from, and how they are verified on the way in.

Precedence, for each of the two: a path in the settings, the version that the Bento pins, the store's latest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bentoml
import numpy as np

from decision import InvalidPolicyError, PolicyFiles, read_policy
from decision.files import CATALOGUE_FILE, POLICY_FILE
from preprocessing.contract import Contract
from scoring.artifact import (
    GOLDEN,
    MODEL_NAME,
    REBUILD,
    Artifact,
    DigestMismatchError,
    IncoherentArtifactError,
    MissingFileError,
    read_artifact,
)
from scoring.attribution import Attributor
from scoring.distribution import TrainingDistribution
from scoring.scorer import Scorer
from serving.settings import Settings

MODEL_ENTRY = MODEL_NAME
POLICY_ENTRY = "credit_risk_policy"

GOLDEN_TOLERANCE = 1e-9
"""How far a golden application's PD may lie from the artifact's, and its attributions' sum from its log-odds, since
processors differ in the last bits."""


@dataclass(frozen=True)
class Served:
    """A verified model and policy.

    Attributes:
        scorer: the model, its golden applications reproduced in this process.
        attributor: its attributions, which add up on them.
        policy: the policy with its reasons, its examples passed.
        distribution: the training data in bins.
        digests: SHA-256 by file name.
    """

    scorer: Scorer
    attributor: Attributor
    policy: PolicyFiles
    distribution: TrainingDistribution
    digests: dict[str, str]


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
    return Served(scorer, attributor, policy, artifact.distribution, artifact.digests | policy.digests)


def open_model(artifact: Artifact) -> tuple[Scorer, Attributor]:
    """Make a verified artifact's model ready, and check that it does here what it did in training.

    Raises:
        IncoherentArtifactError: a golden application gets another PD, or its attributions don't add up to it.
    """
    scorer = Scorer(artifact)
    deviation = scorer.golden_deviation()
    if not deviation <= GOLDEN_TOLERANCE:  # so written that NaN fails too
        raise IncoherentArtifactError(
            f"{GOLDEN}: an application's PD is off by {deviation:.3g} here, more than {GOLDEN_TOLERANCE}; train again"
        )
    try:
        attributor = Attributor(scorer.leaves, artifact.tables, artifact.calibration)
    except ValueError as exc:
        raise IncoherentArtifactError(f"{exc}; {REBUILD}") from exc
    scores = scorer.score(scorer.golden)
    gap = np.abs(attributor.base_value + attributor.attribute(scores.matrix).sum(axis=1) - scores.log_odds).max()
    if not gap <= GOLDEN_TOLERANCE:
        raise IncoherentArtifactError(f"attributions of a golden application miss its log-odds by {gap:.3g}; {REBUILD}")
    return scorer, attributor


def check_fit(artifact: Artifact, files: PolicyFiles) -> None:
    """Check that reasons can be given for whatever this policy doesn't approve.

    Reasons are what raises an applicant's risk over the reference population's. Where the policy turned down applicants
    with a lower PD than that population's, there might be nothing to tell them; nor where a field is scored that no
    reason takes up.

    Raises:
        InvalidPolicyError: the approval threshold lies under the reference population's upper edge, or the catalogue
            lacks a reason for a scored field.
    """
    if missing := set(artifact.schema.fields) - files.catalogue.scored_fields:
        raise InvalidPolicyError(
            f"{CATALOGUE_FILE}: no reason takes up {', '.join(sorted(missing))}; add each to the `scores` of a reason"
        )
    policy = files.policy
    edge = artifact.manifest.reference_population.pd_below
    if policy.thresholds.approve_below < edge:
        raise InvalidPolicyError(
            f"thresholds.approve_below: {policy.thresholds.approve_below} lies under {edge}, the upper edge of the "
            f"model's reference population, so that some refusals would have no reasons; {REBUILD}, for this policy"
        )


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
