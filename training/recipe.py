"""The recipe: which parameters, how many trees, which seed.

What suits 30,000 loans makes a model of 1,000 recite them. So the number of trees is chosen by the folds, unless the
loan book's folder states it in `recipe.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from preprocessing.documents import Strict
from training.boosting import Labels, Matrix, grow, kept, one_thread

SEED = 2026
"""Set before any result was seen. It draws features where `max_features` is below 1, and bins from 200,000 rows on."""

PARAMETERS: Mapping[str, int | float] = MappingProxyType(
    {
        "learning_rate": 0.1,
        "max_depth": 6,
        "max_leaf_nodes": 31,
        "min_samples_leaf": 20,
        "l2_regularization": 2.0,
        "n_estimators": 100,
    }
)

TREES = (10, 20, 30, 40, 50, 75, 100, 150, 200, 300)
"""Numbers of trees to choose from. The first trees of a longer ensemble are those of a shorter one."""


class RecipeFile(Strict):
    """`recipe.json` in a loan book's folder; what it leaves out is as in PARAMETERS.

    Attributes:
        format: of the file.
        n_estimators: the number of trees; chosen by the folds where it is left out.
    """

    format: Literal[1]
    n_estimators: Annotated[int, Field(ge=1, le=5000)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    max_depth: Annotated[int, Field(ge=1, le=6)] | None = None
    max_leaf_nodes: Annotated[int, Field(ge=2, le=64)] | None = None
    max_features: Annotated[float, Field(gt=0, le=1)] | None = None
    min_samples_leaf: Annotated[int, Field(ge=1)] | None = None
    l2_regularization: Annotated[float, Field(ge=0)] | None = None


@dataclass(frozen=True)
class Recipe:
    """How to make a model from features.

    Attributes:
        parameters: of the model, the seed apart; see `training.boosting.grow`.
        seed: of whatever the parameters have drawn.
        trees: numbers of trees to choose from; empty where `parameters` state it.
    """

    parameters: Mapping[str, int | float] = field(default_factory=lambda: PARAMETERS)
    seed: int = SEED
    trees: tuple[int, ...] = ()

    @classmethod
    def of(cls, file: RecipeFile) -> Self:
        """As a loan book's folder states it."""
        stated = file.model_dump(exclude={"format"}, exclude_none=True)
        return cls(MappingProxyType({**PARAMETERS, **stated}), trees=() if "n_estimators" in stated else TREES)

    def with_trees(self, trees: int) -> Self:
        """The same for a number of trees."""
        return replace(self, parameters=MappingProxyType({**self.parameters, "n_estimators": trees}), trees=())

    def with_seed(self, seed: int) -> Self:
        """The same for another seed."""
        return replace(self, seed=seed)

    def fit(self, matrix: Matrix, labels: Labels, directions: Sequence[int]) -> GradientBoostingClassifier:
        """Fit the model.

        Args:
            matrix: features, shape (n, k).
            labels: 1 where the loan defaulted, shape (n,).
            directions: of each column, 1 where the risk rises with it, -1 where it falls, 0 where it may do either.
        """
        return kept(grow(self.parameters, matrix, labels, directions, self.seed), matrix, labels)

    def staged(
        self, matrix: Matrix, labels: Labels, directions: Sequence[int], unseen: Matrix
    ) -> list[NDArray[np.float64]]:
        """The PDs of unseen rows after one tree, two trees and so on, each of shape (m,)."""
        grower = grow(self.parameters, matrix, labels, directions, self.seed)
        with one_thread():
            return [pds[:, 1] for pds in grower.staged_predict_proba(unseen)]


def _logistic(matrix: NDArray[np.float64], labels: NDArray[np.int64]) -> Pipeline:
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return pipeline.fit(matrix, labels)


CHALLENGERS: Mapping[str, Callable[[NDArray[np.float64], NDArray[np.int64]], Any]] = MappingProxyType(
    {"logistic regression": _logistic}
)
"""What the model has to beat, on the same features, which reach the logistic regression standardised."""
