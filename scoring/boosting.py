"""scikit-learn's own tree loop, without the per-call validation around it.

`GradientBoostingClassifier.decision_function` spends most of a small call on checking its input, which the feature
schema has already settled. The loop beneath it is private to scikit-learn, so it is reached from this one module only,
its result is compared with the public method's bit for bit before it is used, and where it is not there or disagrees
the public method serves instead.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier

logger = logging.getLogger(__name__)

LogOdds = Callable[[NDArray[np.float32]], NDArray[np.float64]]
"""Features, shape (n, k), to log-odds of default, shape (n,)."""


def log_odds_function(model: GradientBoostingClassifier, probe: NDArray[np.float32]) -> LogOdds:
    """The fastest function that gives `model.decision_function` bit for bit, as checked on `probe`.

    Args:
        model: a fitted binary classifier.
        probe: features to compare the two ways on, shape (n, k), n ≥ 1.
    """
    try:
        fast = _tree_loop(model)
        same = np.array_equal(fast(probe), model.decision_function(probe))
    except (ImportError, AttributeError, TypeError, ValueError):
        same = False
    if same:
        return fast
    logger.warning("scikit-learn's tree loop is not as expected; scoring through decision_function, which is slower")
    return lambda matrix: np.asarray(model.decision_function(matrix), dtype=np.float64)


def prior_log_odds(model: GradientBoostingClassifier) -> float:
    """The log-odds that a model starts from, before any tree."""
    anyone = np.zeros((1, model.n_features_in_), dtype=np.float32)
    try:
        return float(model._raw_predict_init(anyone)[0, 0])  # noqa: SLF001  # see the module
    except (AttributeError, TypeError):
        trees = sum(float(tree.predict(anyone)[0]) for tree in model.estimators_[:, 0])
        return float(model.decision_function(anyone)[0]) - float(model.learning_rate) * trees


def _tree_loop(model: GradientBoostingClassifier) -> LogOdds:
    from sklearn.ensemble._gradient_boosting import predict_stages  # noqa: PLC0415  # private: may be gone one day

    prior = prior_log_odds(model)
    trees, learning_rate = model.estimators_, model.learning_rate

    def log_odds(matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        raw = np.full((len(matrix), 1), prior)
        predict_stages(trees, matrix, learning_rate, raw)
        return raw[:, 0]

    return log_odds
