"""`python -m training rebuild-tables`: another reference population for the same model, without refitting it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from decision import InvalidPolicyError, Policy, read_policy
from decision.files import beside_or_default
from scoring.artifact import MANIFEST, TABLES, Artifact, ArtifactError, load_estimator, read_artifact, sha256
from training.data import TrainingData, read_training_data
from training.errors import TrainingError
from training.export import OWNED, json_bytes, verified
from training.reference import reference_tables
from training.staging import replacing


def rebuild(folder: Path, data: TrainingData, policy: Policy, version: str) -> Artifact:
    """Rebuild the tables of the artifact in `folder` for the applicants that `policy` marginally approves.

    Everything but the tables and the manifest stays byte for byte as it was, the model card with its version included.

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
    model = load_estimator(artifact)
    tables, reference = reference_tables(model, artifact.schema, data.applications, policy)
    manifest = artifact.manifest.model_copy(
        update={
            "version": version,
            "reference_population": reference,
            "artifacts": artifact.manifest.artifacts | {TABLES: sha256(tables.to_bytes())},
        }
    )
    plots = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    contents = plots | dict(artifact.contents) | {TABLES: tables.to_bytes(), MANIFEST: json_bytes(manifest)}
    with replacing(folder, OWNED) as staged:
        for name, content in contents.items():
            (staged / name).write_bytes(content)
        return verified(staged)


def main(argv: Sequence[str]) -> int:
    """Run the command; 0 when rebuilt, 1 with one line on standard error."""
    parser = argparse.ArgumentParser(prog="python -m training rebuild-tables", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="PATH", help="the data the model was trained on")
    parser.add_argument("--policy", type=Path, required=True, metavar="FILE", help="whose approvals to compare with")
    parser.add_argument("--version", required=True, metavar="X.Y.Z", help="of the rebuilt artifact")
    parser.add_argument("--model", type=Path, default=Path("artifacts/model"), help="artifact (default: %(default)s)")
    arguments = parser.parse_args(argv)
    try:
        contract = read_artifact(arguments.model).contract
        policy = read_policy(arguments.policy, contract, beside_or_default(arguments.policy)).policy
        artifact = rebuild(arguments.model, read_training_data(arguments.data, contract), policy, arguments.version)
    except (InvalidPolicyError, ArtifactError, TrainingError) as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    reference = artifact.manifest.reference_population
    print(
        f"wrote {artifact.manifest.name} {artifact.manifest.version}: {reference.size} applicants with PDs from "
        f"{reference.pd_from:g} to below {reference.pd_below:g}, base value {reference.base_value:.6f}"
    )
    return 0
