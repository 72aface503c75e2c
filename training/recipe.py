"""The recipe: which parameters, which seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 2026
"""Set before any result was seen. Seeds move the AUC by .001, so none is chosen by its score."""

PARAMETERS: Mapping[str, int | float] = MappingProxyType(
    {
        "learning_rate": 0.05,
        "max_depth": 4,
        "n_estimators": 1000,
        "subsample": 0.8,
        "max_features": 0.7,
        "min_samples_leaf": 10,
    }
)


@dataclass(frozen=True)
class Recipe:
    """How to make a model from features.

    Attributes:
        parameters: of the GradientBoostingClassifier, the seed apart.
        seed: of the classifier's sampling of rows and features.
    """

    parameters: Mapping[str, int | float] = field(default_factory=lambda: PARAMETERS)
    seed: int = SEED

    def fit(self, matrix: NDArray[np.float32], labels: NDArray[np.int64]) -> GradientBoostingClassifier:
        """Fit the model.

        Args:
            matrix: features, shape (n, k).
            labels: 1 where the loan defaulted, shape (n,).
        """
        return GradientBoostingClassifier(**self.parameters, random_state=self.seed).fit(matrix, labels)


def _logistic(matrix: NDArray[np.float64], labels: NDArray[np.int64]) -> Pipeline:
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return pipeline.fit(matrix, labels)


def _histogram(matrix: NDArray[np.float64], labels: NDArray[np.int64]) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(random_state=SEED).fit(matrix, labels)


CHALLENGERS: Mapping[str, Callable[[NDArray[np.float64], NDArray[np.int64]], Any]] = MappingProxyType(
    {"logistic regression": _logistic, "HistGradientBoosting": _histogram}
)
"""What the model has to beat, on the same features, which reach the logistic regression standardised."""
