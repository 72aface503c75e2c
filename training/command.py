"""`python -m training`: train, and tell what came of it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from decision import InvalidPolicyError, read_policy
from decision.files import beside_or_default
from scoring.artifact import ArtifactError
from training.data import KNOWN_SHA256, DataSummary, read_training_data
from training.errors import TrainingError
from training.metrics import NAMES
from training.pipeline import train


def run(options: argparse.Namespace) -> int:
    """Train as the options say.

    Returns:
        0 when the artifact is written, 1 when the data, the policy or the folder won't do.
    """
    try:
        policy = read_policy(options.policy, beside_or_default(options.policy)).policy
        data = read_training_data(options.data)
        _tell(options.data, data.summary)
        artifact = train(
            data, options.out, replace=options.replace, policy=policy, created=options.date, version=options.version
        )
    except (TrainingError, ArtifactError, InvalidPolicyError) as exc:
        print(f"error: {'; '.join(str(exc).splitlines())}", file=sys.stderr)
        return 1
    measured = artifact.manifest.evaluation["model"]
    for name, label in NAMES.items():
        print(f"{label:>8}  {measured[name]['mean']:.4f} ± {measured[name]['sd']:.4f}")
    for name, digest in artifact.digests.items():
        print(f"{digest}  {name}")
    print(f"wrote {artifact.manifest.name} {artifact.manifest.version} to {options.out}")
    return 0


def _tell(path: Path, summary: DataSummary) -> None:
    if not summary.is_known:
        print(
            f"warning: {path}: its sha256 is {summary.sha256}, not {KNOWN_SHA256} of the file that this project's "
            "figures were measured on; many copies under its name are altered; the manifest records the difference",
            file=sys.stderr,
        )
    if summary.ignored_columns:
        print(f"warning: {path}: ignored column {', '.join(summary.ignored_columns)}", file=sys.stderr)
    print(
        f"read {summary.rows_read} rows; dropped {summary.rows_outside_contract} outside the contract "
        f"and {summary.duplicates} duplicates; {summary.rows_used} left, {summary.defaults} of them defaults"
    )
    for reason, count in summary.reasons.items():
        print(f"  {count}: {reason}")
