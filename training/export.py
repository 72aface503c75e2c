"""The artifact's files, byte for byte the same for the same data, versions and date on one machine."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import joblib
from pydantic import BaseModel
from scipy.special import expit
from sklearn.ensemble import GradientBoostingClassifier

from preprocessing.contract import CONTRACT_FILE
from preprocessing.features import FeatureSchema
from scoring import MODEL_NAME
from scoring.artifact import (
    CALIBRATION,
    CARD,
    DISTRIBUTION,
    ENSEMBLE,
    GOLDEN,
    MANIFEST,
    MODEL,
    SCHEMA,
    TABLES,
    Artifact,
    GoldenApplication,
    GoldenApplications,
    Manifest,
    read_artifact,
    sha256,
)
from scoring.calibration import Calibration
from scoring.estimator import TRAINING_LIBRARIES, prove_arrays
from scoring.scorer import Scorer
from signing import SIGNATURE
from training.book import Golden
from training.errors import TrainingError
from training.evaluation import FOLDS, SPLIT_SEED, Evaluation, Spread
from training.plots import PLOTS
from training.report.validation import MODEL as MEASURED
from training.report.validation import Validation
from training.trained import Trained

REPORT = "validation_report.html"
"""The card as a page."""

OWNED = frozenset(
    {MANIFEST, MODEL, ENSEMBLE, CONTRACT_FILE, SCHEMA, CALIBRATION, TABLES, DISTRIBUTION, GOLDEN, CARD, REPORT}
    | {*PLOTS, "calibration.png", "importance.png"}  # the latter two as models before 2.0.0 had them
    | {SIGNATURE}  # of what is replaced
)
"""Every file that an artifact folder may hold."""

_DECIMALS = 6


def model_bytes(model: GradientBoostingClassifier) -> bytes:
    """The model as joblib writes it, compressed by zlib, which, unlike gzip, puts no time into its header."""
    buffer = io.BytesIO()
    joblib.dump(model, buffer, compress=("zlib", 3))
    return buffer.getvalue()


def golden_file(
    model: GradientBoostingClassifier, calibration: Calibration, schema: FeatureSchema, golden: Sequence[Golden]
) -> GoldenApplications:
    """The golden applications with the PDs that the model gives them, by scikit-learn's public method."""
    margins = model.decision_function(schema.matrix([entry.application for entry in golden]))
    pds = expit(calibration.apply(margins))
    return GoldenApplications(
        format=1,
        applications=[
            GoldenApplication(name=entry.name, application=entry.document, probability_of_default=float(pd))
            for entry, pd in zip(golden, pds, strict=True)
        ],
    )


def manifest(trained: Trained, contents: Mapping[str, bytes]) -> Manifest:
    """Everything there is to know of the model but the model, and the digest of every other file.

    Args:
        trained: what to describe.
        contents: file name to bytes, of every file vouched for.
    """
    data = trained.data.summary
    return Manifest(
        format=3,
        name=MODEL_NAME,
        version=trained.version,
        created=trained.created,
        estimator=f"sklearn.ensemble.{type(trained.model).__name__}",
        parameters={**dict(sorted(trained.recipe.parameters.items())), "random_state": trained.recipe.seed},
        features=trained.schema.features,
        directions=trained.data.contract.directions,
        missing_is_worst=list(trained.data.contract.missing_is_worst),
        libraries=library_versions(),
        training_data={
            "sha256": data.sha256,
            "rows_read": data.rows_read,
            "rows_outside_contract": data.rows_outside_contract,
            "refusals": data.refusals,
            "duplicates": data.duplicates,
            "rows_used": data.rows_used,
            "defaults": data.defaults,
            "missing": data.missing,
        },
        evaluation={
            "split": f"StratifiedGroupKFold({FOLDS}, shuffle=True, random_state={SPLIT_SEED})",
            "applicant": list(trained.data.contract.applicant),
            "size": {"trees": trained.trees, "leaves": trained.leaves},
            **_figures(trained.evaluation),
            **({"disjoint": _figures(trained.harsher)} if trained.harsher else {}),
            "headline": _headline(trained.validation),
        },
        reference_population=trained.reference,
        artifacts={name: sha256(content) for name, content in sorted(contents.items())},
    )


def library_versions() -> dict[str, str]:
    """Distribution name to installed version."""
    return {name: installed_version(name) for name in TRAINING_LIBRARIES}


def json_bytes(document: BaseModel) -> bytes:
    """A model as indented JSON in its own order of keys, with a line end."""
    return (json.dumps(document.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n").encode()


def verified(folder: Path) -> Artifact:
    """Read the artifact back as importing and serving will.

    Raises:
        ArtifactError: one of them would refuse it.
        TrainingError: the model that was read does not give the golden applications' PDs bit for bit.
    """
    artifact = read_artifact(folder)
    deviation = Scorer(artifact).golden_deviation()
    if deviation != 0:
        raise TrainingError(f"{ENSEMBLE}: read back, it is {deviation:.3g} off on the golden applications; report this")
    prove_arrays(artifact)
    return artifact


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    challengers = {name.replace(" ", "_"): _rounded(spreads) for name, spreads in evaluation.challengers().items()}
    return {"model": _rounded(evaluation.model()), **challengers}


def _headline(found: Validation) -> dict[str, Any]:
    """What the report begins with: the figures of the harsher split, with their intervals."""
    return {
        "split": found.headline.name,
        "figures": {
            name: {part: round(value, _DECIMALS) for part, value in estimate._asdict().items()}
            for name, estimate in found.headline.figures[MEASURED].items()
        },
        "lowest_approval_ratios": {by.title: round(by.lowest.ratio.value, _DECIMALS) for by in found.approvals},
    }


def _rounded(spreads: Mapping[str, Spread]) -> dict[str, Any]:
    # Six decimals: the last bits of a sum may depend on how many threads shared it.
    return {
        name: {"mean": round(spread.mean, _DECIMALS), "sd": round(spread.sd, _DECIMALS)}
        for name, spread in spreads.items()
    }
