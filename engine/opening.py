"""A verified artifact and policy, made ready to answer, and checked that they do here what they did in training."""

from __future__ import annotations

import numpy as np

from decision import InvalidPolicyError, PolicyFiles
from decision.files import CATALOGUE_FILE
from scoring.artifact import GOLDEN, REBUILD, Artifact, IncoherentArtifactError
from scoring.attribution import Attributor
from scoring.scorer import Scorer

GOLDEN_TOLERANCE = 1e-9
"""How far a golden application's PD may lie from the artifact's, and its attributions' sum from its log-odds, since
processors differ in the last bits."""


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
