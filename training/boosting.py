"""Monotone gradient boosting in scikit-learn's GradientBoostingClassifier.

That class knows no directions. scikit-learn's HistGradientBoostingClassifier does: it grows trees that keep to
`monotonic_cst`, clipping what a split would turn round where DecisionTreeRegressor refuses the split, which costs less.
So it grows the trees, by its public interface, and they are put into the class that everything here reads and that
is exact to the last bit in whatever loads it.

Two things are taken from inside of scikit-learn, here and nowhere else: the grown trees, and the state that a tree is
pickled by. Both are held against the grower's own public answers before the model is given away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.tree import DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from training.errors import TrainingError

TOLERANCE = 1e-9
"""How far the two classes' log-odds may lie apart: they add the same numbers in another order."""

Matrix = NDArray[np.float32]
Labels = NDArray[np.int64]


def grow(
    parameters: Mapping[str, int | float], matrix: Matrix, labels: Labels, directions: Sequence[int], seed: int
) -> HistGradientBoostingClassifier:
    """Grow trees.

    Args:
        parameters: of the recipe; `n_estimators` is the number of trees.
        matrix: features, shape (n, k), without NaN.
        labels: 1 where the loan defaulted, shape (n,).
        directions: of each column, 1 where the risk rises with it, -1 where it falls, 0 where it may do either.
        seed: of the draws of columns, where the recipe draws any.
    """
    parameters = dict(parameters)
    grower = HistGradientBoostingClassifier(
        max_iter=int(parameters.pop("n_estimators")),
        monotonic_cst=list(directions),
        early_stopping=False,
        random_state=seed,
        **parameters,
    )
    with one_thread():
        return grower.fit(matrix, labels)


def one_thread() -> AbstractContextManager[Any]:
    """Training runs as many fits at a time as there are processors; threads of each would wait for one another."""
    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def kept(grower: HistGradientBoostingClassifier, matrix: Matrix, labels: Labels) -> GradientBoostingClassifier:
    """The same trees in the other class.

    Args:
        grower: fitted.
        matrix: what it was fitted on.
        labels: the same.

    Raises:
        TrainingError: what comes out is not the same model, as by another scikit-learn.
    """
    model = GradientBoostingClassifier(
        init=DummyClassifier(strategy="prior"),
        n_estimators=1,
        max_depth=1,
        learning_rate=1.0,  # the leaves are shrunk already
        random_state=grower.random_state,
    ).fit(matrix, labels)
    (blank,) = model.estimators_[0]
    grown = [trees[0] for trees in grower._predictors]  # noqa: SLF001  # no public way to the trees; checked below
    model.set_params(n_estimators=len(grown), max_depth=grower.max_depth)
    model.estimators_ = np.array([[_tree(blank, each.nodes)] for each in grown], dtype=object)
    model.n_estimators_ = len(grown)
    model.train_score_ = np.full(len(grown), np.nan)  # of another fit
    with one_thread():
        apart = float(np.abs(model.decision_function(matrix) - grower.decision_function(matrix)).max())
    if not apart <= TOLERANCE:
        raise TrainingError(
            f"the trees put into a GradientBoostingClassifier are {apart:.3g} off in log-odds; use the scikit-learn of "
            "requirements-dev.txt"
        )
    return model


def _tree(blank: DecisionTreeRegressor, nodes: NDArray[Any]) -> DecisionTreeRegressor:
    """A regression tree with these nodes, made of any other that reads as many columns."""
    leaf = nodes["is_leaf"].astype(bool)
    kind, arguments, state = blank.tree_.__reduce__()
    state = dict(state)
    made = np.zeros(len(nodes), dtype=state["nodes"].dtype)
    for name, source, none in (
        ("left_child", "left", -1),
        ("right_child", "right", -1),
        ("feature", "feature_idx", -2),
        ("threshold", "num_threshold", -2.0),
    ):
        made[name] = np.where(leaf, none, nodes[source].astype(np.float64))
    made["n_node_samples"] = made["weighted_n_node_samples"] = nodes["count"]
    state |= {
        "max_depth": int(nodes["depth"].max()),
        "node_count": len(nodes),
        "nodes": made,
        "values": nodes["value"].reshape(-1, 1, 1).copy(),
    }
    tree = deepcopy(blank)
    tree.tree_ = kind(*arguments)
    tree.tree_.__setstate__(state)
    return tree
