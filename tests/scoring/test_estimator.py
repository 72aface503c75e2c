"""Opening the pickle, and the proof that the arrays are the model that is in it."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression

from scoring import boosting, estimator
from scoring.artifact import (
    ENSEMBLE,
    MANIFEST,
    MODEL,
    SCHEMA,
    ArtifactError,
    IncoherentArtifactError,
    IncompatibleVersionError,
    read_artifact,
)
from scoring.estimator import PICKLE_LIBRARIES, load_estimator, prove_arrays, rows_at_thresholds, trees_of
from scoring.exits import Exits
from scoring.trees import Trees
from tests.applications import parse_application, portfolio
from tests.artifacts import MODEL_FOLDER, edit, refusal, replace_both, replace_model, sign, small_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_model(tmp_path / "model")


def open_refusal(kind: type[ArtifactError], folder: Path) -> str:
    """The refusal of a pickle whose digest is right: reading must pass, opening must not."""
    artifact = read_artifact(folder)
    return refusal(kind, lambda: load_estimator(artifact))


def proof_refusal(folder: Path) -> str:
    """The refusal of arrays that are sound by themselves."""
    artifact = read_artifact(folder)
    return refusal(IncoherentArtifactError, lambda: prove_arrays(artifact))


class TestOpening:
    @pytest.mark.parametrize("library", PICKLE_LIBRARIES)
    def test_other_version(self, folder: Path, library: str) -> None:
        """A library that a pickle depends on must be as in training where the pickle is opened."""
        edit(folder / MANIFEST, lambda manifest: manifest["libraries"].update({library: "0.0.1"}))
        assert (
            f"{MANIFEST}: trained with {library} 0.0.1, but {version(library)} is here; "
            f"install {library}==0.0.1, or train again"
        ) == open_refusal(IncompatibleVersionError, folder)

    def test_pickle_of_another_version(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A pickle that another scikit-learn wrote is refused, though the manifest says otherwise."""
        model = load_estimator(read_artifact(folder))
        with monkeypatch.context() as patch:
            patch.setattr("sklearn.base.__version__", "0.24.2")
            replace_model(folder, model)
        message = open_refusal(IncompatibleVersionError, folder)
        assert message.startswith(f"{MODEL} was written by scikit-learn 0.24.2, but {MANIFEST} says ")

    def test_fitted_on_another_number_of_features(self, folder: Path) -> None:
        """A model that was fitted on fewer features than the contract makes is refused."""
        n = len(read_artifact(folder).schema.features)
        replace_model(folder, GradientBoostingClassifier(n_estimators=1).fit(np.zeros((4, n - 1)), [0, 1, 0, 1]))
        message = open_refusal(IncoherentArtifactError, folder)
        assert f"{MODEL} was fitted on {n - 1} features but {SCHEMA} lists {n}; train again" == message

    def test_never_fitted(self, folder: Path) -> None:
        """A model that was never fitted is refused."""
        replace_model(folder, GradientBoostingClassifier())
        assert open_refusal(IncoherentArtifactError, folder).startswith(f"{MODEL} was fitted on 0 features")

    @pytest.mark.parametrize("model", [GradientBoostingRegressor(), DummyClassifier(), {"a": 1}, None, print])
    def test_wrong_type(self, folder: Path, model: object) -> None:
        """Whatever is no GradientBoostingClassifier is refused, and told by its type."""
        replace_model(folder, model)
        message = open_refusal(IncoherentArtifactError, folder)
        assert f"{MODEL} holds a {type(model).__name__}, not a GradientBoostingClassifier; train again" == message

    @pytest.mark.parametrize("classes", [(1, 2), ("N", "Y"), (0, 1, 2), (-1, 1)], ids=str)
    def test_wrong_classes(self, folder: Path, classes: tuple[Any, ...]) -> None:
        """A model of other classes than repaid and defaulted would have its PDs in the wrong place."""
        n = len(read_artifact(folder).schema.features)
        labels = np.array(classes * 4)
        replace_model(folder, GradientBoostingClassifier(n_estimators=1).fit(np.zeros((len(labels), n)), labels))
        assert "was not fitted on the classes 0 (repaid) and 1 (defaulted)" in open_refusal(
            IncoherentArtifactError, folder
        )

    @pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps(1)[:-1], b"\x80\x04cno_such_module\nX\n."])
    def test_no_pickle(self, folder: Path, content: bytes) -> None:
        """A file that can't be opened, though its digest is right, is refused like any other."""
        (folder / MODEL).write_bytes(content)
        sign(folder)
        assert open_refusal(IncoherentArtifactError, folder).startswith(f"{MODEL} is no readable joblib file (")

    def test_half_a_model(self, folder: Path) -> None:
        """A model cut in half and vouched for by mistake is refused."""
        content = (folder / MODEL).read_bytes()
        (folder / MODEL).write_bytes(content[: len(content) // 2])
        sign(folder)
        open_refusal(IncoherentArtifactError, folder)

    def test_warnings_stay_as_they_were(self, folder: Path) -> None:
        """Opening a model leaves the process's warning filters alone."""
        before = list(warnings.filters)
        load_estimator(read_artifact(folder))
        assert before == list(warnings.filters)


class TestProof:
    def test_shipped(self) -> None:
        """The arrays in the repository are the pickle beside them, and what the function makes of it bit for bit.

        Not byte for byte: how an archive is written around them differs between the patch versions of Python.
        """
        artifact = read_artifact(MODEL_FOLDER)
        prove_arrays(artifact)
        shipped = Trees.from_bytes(artifact.contents[ENSEMBLE])
        assert trees_of(load_estimator(artifact)).to_bytes() == shipped.to_bytes()

    def test_every_threshold_is_tried(self) -> None:
        """And the float32 to either side of it, several times, in a column each; and 0, where no tree may split."""
        trees = read_artifact(MODEL_FOLDER).trees
        rows = rows_at_thresholds(trees)
        assert rows.dtype == np.float32
        for column, tried in enumerate(rows.T):
            middle = np.unique(trees.threshold[trees.feature == column]).astype(np.float32)
            times = [int((tried == value).sum()) for value in middle]
            assert all(n >= estimator.ROUNDS for n in times)
            for side in (-np.inf, np.inf):
                assert np.isin(np.nextafter(middle, np.float32(side)), tried).all()
            assert 0 in tried

    @pytest.mark.parametrize("name", ["threshold", "value"])
    def test_one_bit(self, folder: Path, name: str) -> None:
        """Arrays that differ from the pickle in the last bit of one number are refused."""
        trees = read_artifact(folder).trees
        changed = getattr(trees, name).copy()
        place = tuple(np.argwhere(changed)[-1])
        changed[place] = np.nextafter(changed[place], np.inf)
        (folder / ENSEMBLE).write_bytes(replace(trees, **{name: changed}).to_bytes())
        sign(folder)
        assert f"{ENSEMBLE} is not what {MODEL} becomes as arrays; restore both, or train again" == proof_refusal(
            folder
        )

    @pytest.mark.parametrize("parameters", [{"init": LogisticRegression()}, {"loss": "exponential"}], ids=str)
    def test_a_model_that_is_more_than_its_trees(self, folder: Path, parameters: dict[str, Any]) -> None:
        """Where the conversion does not hold for a classifier, its margins tell."""
        schema = read_artifact(folder).schema
        matrix = schema.matrix([parse_application(document) for document in portfolio(200, seed=5)])
        labels = np.random.default_rng(5).integers(0, 2, len(matrix))
        replace_both(folder, GradientBoostingClassifier(n_estimators=3, **parameters).fit(matrix, labels))
        assert f"off those of {MODEL} on the golden applications; train again" in proof_refusal(folder)

    @pytest.mark.parametrize("way", ["_log_odds", "_log_odds_of_few"])
    def test_a_fault_of_what_serves(self, folder: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is proven are the log-odds that serving finds, in one bit too, of few rows and of many."""
        truthful = getattr(Exits, way)
        monkeypatch.setattr(Exits, way, lambda exits, rows: np.nextafter(truthful(exits, rows), np.inf))
        assert f"off those of {MODEL} on" in proof_refusal(folder)

    def test_too_many_features_for_tables(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """There serving walks, and so does the proof."""
        monkeypatch.setattr(boosting, "MOST_IN_TABLES", -1)
        prove_arrays(read_artifact(folder))

    def test_a_fault_of_the_conversion(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A conversion that is wrong in one threshold, though it agrees with itself, is found at that threshold."""
        trees, truthful = read_artifact(folder).trees, trees_of
        threshold = trees.threshold.copy()
        threshold[0, 1] = np.nextafter(np.float32(threshold[0, 1]), np.float32(np.inf))

        def faulty(model: GradientBoostingClassifier) -> Trees:
            return replace(truthful(model), threshold=threshold)

        monkeypatch.setattr(estimator, "trees_of", faulty)
        (folder / ENSEMBLE).write_bytes(replace(trees, threshold=threshold).to_bytes())
        sign(folder)
        assert f"off those of {MODEL} on random rows at its thresholds; train again" in proof_refusal(folder)

    def test_trees_too_deep(self, folder: Path) -> None:
        """A pickle of a model that can't be arrays is refused."""
        artifact = read_artifact(folder)
        matrix = artifact.schema.matrix([parse_application(document) for document in portfolio(400, seed=5)])
        labels = np.random.default_rng(5).integers(0, 2, len(matrix))
        replace_model(folder, GradientBoostingClassifier(n_estimators=2, max_depth=7).fit(matrix, labels))
        assert "a tree of depth 7, more than 6; grow shallower trees; train again" in proof_refusal(folder)
