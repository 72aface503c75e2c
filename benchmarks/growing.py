"""Artifacts with models of other sizes, complete and signed, made only to be timed."""

from __future__ import annotations

import io
import json
from copy import copy
from pathlib import Path

import joblib
import numpy as np
from sklearn.ensemble import GradientBoostingClassifier

from benchmarks.applications import engine, synthetic
from benchmarks.peers.assessing import CONTRACT
from benchmarks.peers.assessing import MODEL as SHIPPED
from scoring.artifact import ENSEMBLE, GOLDEN, MANIFEST, MODEL, TABLES, sha256
from scoring.attribution import LeafIndex
from scoring.estimator import trees_of
from scoring.logistic import logistic
from training.boosting import grow, kept
from training.recipe import PARAMETERS

TREES = (200, 700, 2000)
APPLICATIONS = 4000
REFERENCE = 50
SEED = 7


def grown_models(target: Path) -> dict[int, Path]:
    """A folder for each number of trees; each model is the beginning of the next one, as boosting goes."""
    schema = engine().scorer.schema
    features = schema.matrix(synthetic(APPLICATIONS, SEED))
    rng = np.random.default_rng(SEED)
    defaulted = (rng.random(len(features)) < features[:, schema.features.index("loan_percent_income")]).astype(int)
    parameters = {**PARAMETERS, "n_estimators": max(TREES)}
    largest = kept(grow(parameters, features, defaulted, schema.directions, SEED), features, defaulted)
    return {trees: _write(_first(largest, trees), features[:REFERENCE], target / str(trees)) for trees in TREES}


def _first(model: GradientBoostingClassifier, trees: int) -> GradientBoostingClassifier:
    smaller = copy(model)
    smaller.n_estimators = smaller.n_estimators_ = trees
    smaller.estimators_ = model.estimators_[:trees]
    return smaller


def _write(model: GradientBoostingClassifier, reference: np.ndarray, folder: Path) -> Path:
    schema, calibration = engine().scorer.schema, engine().scorer.calibration
    manifest = json.loads((SHIPPED / MANIFEST).read_bytes())
    contents = {name: (SHIPPED / name).read_bytes() for name in manifest["artifacts"]}
    trees = trees_of(model)
    tables = LeafIndex(trees, schema).build_tables(reference)
    golden = json.loads(contents[GOLDEN])
    rows = schema.matrix([CONTRACT.parse(entry["application"]) for entry in golden["applications"]])
    pds = logistic(calibration.apply(model.decision_function(rows)))
    for entry, pd in zip(golden["applications"], pds.tolist(), strict=True):
        entry["probability_of_default"] = pd
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    contents |= {MODEL: buffer.getvalue(), ENSEMBLE: trees.to_bytes(), TABLES: tables.to_bytes()}
    contents[GOLDEN] = json.dumps(golden).encode()
    manifest["reference_population"]["base_value"] = tables.base_value
    manifest["artifacts"] = {name: sha256(content) for name, content in contents.items()}
    folder.mkdir(parents=True)
    for name, content in (contents | {MANIFEST: json.dumps(manifest).encode()}).items():
        (folder / name).write_bytes(content)
    return folder
