"""Copies of the shipped artifacts, to be changed by tests: with the manifest's digests put right, or left wrong."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from scipy.special import expit
from sklearn.ensemble import GradientBoostingClassifier

from preprocessing.features import FeatureSchema
from scoring.artifact import CALIBRATION, ENSEMBLE, GOLDEN, MANIFEST, MODEL, SCHEMA, TABLES, ArtifactError, sha256
from scoring.attribution import LeafIndex
from scoring.calibration import Calibration
from scoring.estimator import trees_of
from tests.applications import CONTRACT, parse_application, portfolio
from training.boosting import grow, kept

ROOT = Path(__file__).parents[1]
MODEL_FOLDER = ROOT / "artifacts" / "model"
POLICY_FOLDER = ROOT / "artifacts" / "policy"

Edit = Callable[[dict[str, Any]], Any]


@cache
def _small() -> dict[str, bytes]:
    names = json.loads((MODEL_FOLDER / MANIFEST).read_bytes())["artifacts"]
    contents = {name: (MODEL_FOLDER / name).read_bytes() for name in (MANIFEST, *names)}
    schema = FeatureSchema(CONTRACT, json.loads(contents[SCHEMA])["cleaning"])
    matrix = schema.matrix([parse_application(document) for document in portfolio(400, seed=1)])
    chance = matrix[:, schema.features.index("loan_percent_income")]
    defaulted = (np.random.default_rng(1).random(len(chance)) < chance).astype(int)
    parameters = {"n_estimators": 8, "max_depth": 3}
    model = kept(grow(parameters, matrix, defaulted, schema.directions, seed=1), matrix, defaulted)
    calibration = Calibration.model_validate_json(contents[CALIBRATION])
    trees = trees_of(model)
    tables = LeafIndex(trees, schema).build_tables(matrix[:50])
    golden, manifest = json.loads(contents[GOLDEN]), json.loads(contents[MANIFEST])
    rows = schema.matrix([parse_application(entry["application"]) for entry in golden["applications"]])
    pds = expit(calibration.apply(model.decision_function(rows))).tolist()
    for entry, pd in zip(golden["applications"], pds, strict=True):
        entry["probability_of_default"] = pd
    contents |= {MODEL: dumped(model), ENSEMBLE: trees.to_bytes(), TABLES: tables.to_bytes()}
    contents[GOLDEN] = json.dumps(golden).encode()
    manifest["reference_population"]["base_value"] = tables.base_value
    manifest["artifacts"] = {name: sha256(contents[name]) for name in names}
    return contents | {MANIFEST: json.dumps(manifest).encode()}


def dumped(model: object) -> bytes:
    """As joblib writes it."""
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    return buffer.getvalue()


def small_model(target: Path) -> Path:
    """The shipped artifact, with a model of a few trees in place of its own, in a new folder `target`.

    Everything about it is true and signed; it is only quicker to open, and to copy.
    """
    target.mkdir(parents=True)
    for name, content in _small().items():
        (target / name).write_bytes(content)
    return target


def edit(file: Path, change: Edit) -> None:
    """Let `change` alter the JSON document in `file`."""
    document = json.loads(file.read_bytes())
    change(document)
    file.write_text(json.dumps(document, indent=2), encoding="utf-8")


def sign(folder: Path) -> None:
    """Make the manifest vouch for the files as they are now."""

    def put_right(manifest: dict[str, Any]) -> None:
        manifest["artifacts"] = {name: sha256((folder / name).read_bytes()) for name in manifest["artifacts"]}

    edit(folder / MANIFEST, put_right)


def edit_signed(folder: Path, name: str, change: Edit) -> None:
    """Alter a JSON file of the artifact and make the manifest vouch for the outcome."""
    edit(folder / name, change)
    if name != MANIFEST:
        sign(folder)


def replace_model(folder: Path, model: object) -> None:
    """Put `model` in the place of the artifact's pickle, and make the manifest vouch for it; the arrays stay."""
    (folder / MODEL).write_bytes(dumped(model))
    sign(folder)


def replace_both(folder: Path, model: GradientBoostingClassifier) -> None:
    """Put `model` in the place of the artifact's, pickle and arrays, and make the manifest vouch for both."""
    (folder / ENSEMBLE).write_bytes(trees_of(model).to_bytes())
    replace_model(folder, model)


def refusal(kind: type[ArtifactError], call: Callable[[], object]) -> str:
    """The message of the one kind of error that `call` must raise: one line that ends in a remedy."""
    with pytest.raises(ArtifactError) as info:
        call()
    message = str(info.value)
    assert kind is type(info.value)
    assert message.isprintable(), "not one line"
    assert any(verb in message.partition(";")[2] for verb in ("restore", "train again", "install", "rebuild")), (
        "no remedy"
    )
    return message
