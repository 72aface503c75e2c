"""`python -m training rebuild-tables`: another reference population for the same model, without refitting it."""

from __future__ import annotations

import argparse
from pathlib import Path

from decision import Policy, read_policy
from decision.files import beside_or_default
from scoring.artifact import MANIFEST, TABLES, Artifact, read_artifact, sha256
from scoring.scorer import Scorer
from training.data import TrainingData, read_training_data
from training.errors import TrainingError
from training.export import OWNED, json_bytes, verified
from training.reference import reference_tables
from training.staging import writing


def rebuild(  # noqa: PLR0913  # what it is made of, and where it goes
    folder: Path, data: TrainingData, policy: Policy, *, version: str, out: Path, replace: bool = False
) -> Artifact:
    """Write the artifact in `folder` to `out` with tables for the applicants that `policy` marginally approves.

    Everything but the tables and the manifest stays byte for byte as it was, the model card with its version included.
    The folder itself is not changed, unless it is to be replaced.

    Raises:
        TrainingError: the data are not those the model was trained on, or the version is not a new one.
        ArtifactError: the artifact can't be used.
    """
    artifact = read_artifact(folder)
    trained_on = artifact.manifest.training_data.get("sha256")
    if data.summary.sha256 != trained_on:
        raise TrainingError(f"the model was trained on data with sha256 {trained_on}; give --data that file")
    if version == artifact.manifest.version:
        raise TrainingError(f"version {version} is the artifact's present one; give the rebuilt one its own")
    with writing(out, OWNED, replace=replace) as staged:
        scorer = Scorer(artifact)
        scores = scorer.score(data.applications)
        tables, reference = reference_tables(scorer.leaves, scores.matrix, scores.pd, data.applications, policy)
        manifest = artifact.manifest.model_copy(
            update={
                "version": version,
                "reference_population": reference,
                "artifacts": artifact.manifest.artifacts | {TABLES: sha256(tables.to_bytes())},
            }
        )
        contents = dict(artifact.contents) | {TABLES: tables.to_bytes(), MANIFEST: json_bytes(manifest)}
        for name, content in contents.items():
            (staged / name).write_bytes(content)
        return verified(staged)


def run(options: argparse.Namespace) -> None:
    """Rebuild as the options say."""
    contract = read_artifact(options.model).contract
    policy = read_policy(options.policy, contract, beside_or_default(options.policy)).policy
    data = read_training_data(options.data, contract)
    artifact = rebuild(options.model, data, policy, version=options.version, out=options.out, replace=options.replace)
    reference = artifact.manifest.reference_population
    print(
        f"wrote {artifact.manifest.name} {artifact.manifest.version}: {reference.size} applicants with PDs from "
        f"{reference.pd_from:g} to below {reference.pd_below:g}, base value {reference.base_value:.6f}, "
        f"to {options.out}"
    )
