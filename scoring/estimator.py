"""scikit-learn's classifier, and what becomes of it: for training and for importing. No serving process loads this.

A pickle is code, and only two open it: whoever trains, and whoever imports, once, to prove that the arrays which are
served give what the classifier gives. A faulty conversion would otherwise show in nothing but wrong decisions.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

import joblib
import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.exceptions import InconsistentVersionWarning

from scoring.artifact import (
    ENSEMBLE,
    MANIFEST,
    MODEL,
    PINNED_LIBRARIES,
    SCHEMA,
    Artifact,
    IncoherentArtifactError,
    IncompatibleVersionError,
    check_libraries,
)
from scoring.boosting import Ensemble
from scoring.exits import Exits
from scoring.trees import MAX_DEPTH, MIN_DEPTH, NO_SPLIT, Trees

PICKLE_LIBRARIES = ("scikit-learn", "scipy", "joblib")
"""Whose versions must equal the manifest's too where the pickle is opened, which promises nothing across them."""

TRAINING_LIBRARIES = (PICKLE_LIBRARIES[0], *PINNED_LIBRARIES, *PICKLE_LIBRARIES[1:])
"""All that the manifest states."""

ROUNDS = 4
"""How often each threshold is tried, every time beside other values of the other columns."""

LEAST_ROWS = 2000
ROWS_AT_ONCE = 2048
"""Each row needs a word for each tree."""


def load_estimator(artifact: Artifact) -> GradientBoostingClassifier:
    """Open the pickle of a verified artifact.

    Raises:
        IncompatibleVersionError: a library is not as in training, or not what the model was written by.
        IncoherentArtifactError: the model is not what the manifest and the schema describe.
    """
    check_libraries(artifact.manifest, PICKLE_LIBRARIES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            model = joblib.load(io.BytesIO(artifact.contents[MODEL]))
    except InconsistentVersionWarning as exc:
        raise IncompatibleVersionError(
            f"{MODEL} was written by scikit-learn {exc.original_sklearn_version}, but {MANIFEST} says "
            f"{exc.current_sklearn_version}; train again"
        ) from exc
    except Exception as exc:  # whatever the bytes of a broken pickle happen to raise
        raise IncoherentArtifactError(
            f"{MODEL} is no readable joblib file ({type(exc).__name__}); train again"
        ) from exc
    if not isinstance(model, GradientBoostingClassifier):
        raise IncoherentArtifactError(
            f"{MODEL} holds a {type(model).__name__}, not a GradientBoostingClassifier; train again"
        )
    fitted_on = getattr(model, "n_features_in_", 0)
    if fitted_on != len(artifact.schema.features):
        raise IncoherentArtifactError(
            f"{MODEL} was fitted on {fitted_on} features but {SCHEMA} lists "
            f"{len(artifact.schema.features)}; train again"
        )
    if list(model.classes_) != [0, 1]:
        raise IncoherentArtifactError(
            f"{MODEL} was not fitted on the classes 0 (repaid) and 1 (defaulted); train again"
        )
    return model


def trees_of(model: GradientBoostingClassifier) -> Trees:
    """A fitted binary classifier as arrays.

    Raises:
        ValueError: there are no trees, or one is deeper than MAX_DEPTH.
    """
    grown = [tree.tree_ for (tree,) in model.estimators_]
    if not grown:
        raise ValueError("there are no trees")
    depth = max(MIN_DEPTH, *(tree.max_depth for tree in grown))
    if depth > MAX_DEPTH:
        raise ValueError(f"a tree of depth {depth}, more than {MAX_DEPTH}; grow shallower trees")
    slots = 1 << depth
    feature = np.full((len(grown), slots), NO_SPLIT, dtype=np.int32)
    threshold, value = np.zeros((2, len(grown), slots))
    for position, tree in enumerate(grown):
        for node, number, level in _walk(tree.children_left.tolist(), tree.children_right.tolist()):
            if tree.children_left[node] == tree.children_right[node]:
                slot = (number << depth - level) - slots
                value[position, slot] = model.learning_rate * tree.value[node].item()
            else:
                feature[position, number] = tree.feature[node]
                threshold[position, number] = tree.threshold[node]
    return Trees(model.n_features_in_, _prior(model), feature, threshold, value)


def prove_arrays(artifact: Artifact) -> None:
    """Open a verified artifact's pickle, and prove that its arrays are that very model.

    They are what the model becomes, byte for byte, and give its `decision_function` bit for bit: for the golden
    applications, for random rows, and at every threshold and one float32 step to either side of it.

    Raises:
        ArtifactError: they are not, or the pickle can't be opened.
    """
    model = load_estimator(artifact)
    golden = [artifact.contract.parse(each.application) for each in artifact.golden.applications]
    cases = {
        "the golden applications": artifact.schema.matrix(golden),
        "random rows at its thresholds": rows_at_thresholds(artifact.trees),
    }
    try:
        trees = trees_of(model)
        margins = {name: model.decision_function(rows) for name, rows in cases.items()}
    except Exception as exc:  # whatever a classifier that was put together otherwise happens to raise
        raise IncoherentArtifactError(f"{MODEL}: {type(exc).__name__}: {exc}; train again") from exc
    if trees.to_bytes() != artifact.trees.to_bytes():
        raise IncoherentArtifactError(f"{ENSEMBLE} is not what {MODEL} becomes as arrays; restore both, or train again")
    ensemble = Ensemble(artifact.trees)
    for name, rows in cases.items():
        given = _served_log_odds(ensemble, rows)
        if margins[name].tobytes() != given.tobytes():
            apart = float(np.abs(margins[name] - given).max())
            raise IncoherentArtifactError(
                f"{ENSEMBLE}: its log-odds are {apart:.3g} off those of {MODEL} on {name}; train again"
            )


def _served_log_odds(ensemble: Ensemble, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """As `Scorer.score_matrix` finds them."""
    parts = (rows[start : start + ROWS_AT_ONCE] for start in range(0, len(rows), ROWS_AT_ONCE))
    if (exits := Exits.of(ensemble)) is None:
        return np.concatenate([ensemble.log_odds(ensemble.turns(part)) for part in parts])
    return np.concatenate([exits.log_odds(exits.tables.rows(part)) for part in parts])


def rows_at_thresholds(trees: Trees) -> NDArray[np.float32]:
    """Rows with each threshold of each column, and the float32 to either side of it, in random company."""
    rng = np.random.default_rng(0)
    largest = np.finfo(np.float32).max
    tried = []
    for column in range(trees.columns):
        middle = np.unique(trees.threshold[trees.feature == column]).astype(np.float32)
        near = np.concatenate([np.nextafter(middle, -largest), middle, np.nextafter(middle, largest)])
        tried.append(np.append(near, np.float32(0)))
    n = max(LEAST_ROWS, *(ROUNDS * len(values) for values in tried))
    return np.column_stack([rng.permutation(np.resize(values, n)) for values in tried])


def _prior(model: GradientBoostingClassifier) -> float:
    """The log-odds that a model starts from: those of the share of defaults, unless it was told to start from 0."""
    if model.init_ == "zero":
        return 0.0
    anyone = np.zeros((1, model.n_features_in_), dtype=np.float32)
    epsilon = np.finfo(np.float64).eps
    ((_, defaults),) = model.init_.predict_proba(anyone)
    return float(logit(np.clip(defaults, epsilon, 1 - epsilon)))


def _walk(left: list[int], right: list[int]) -> Iterator[tuple[int, int, int]]:
    """The nodes of one of scikit-learn's trees: its index, its number in a complete tree, and its level."""
    stack = [(0, 1, 0)]
    while stack:
        index, number, level = stack.pop()
        yield index, number, level
        if left[index] != right[index]:
            stack += [(left[index], 2 * number, level + 1), (right[index], 2 * number + 1, level + 1)]
