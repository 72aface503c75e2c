"""Grouped cross-validation: everything that is learned from data is learned inside each fold, from its training rows.

The one split keeps near-duplicates on one side (see `training.data.near_duplicates`), the other whatever values the
contract calls `disjoint`. The calibration of each fold's PDs is learned from the other folds'.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, cpu_count, delayed
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from tqdm import tqdm

from preprocessing.features import FeatureSchema
from training.calibration import cross_fitted
from training.data import TrainingData
from training.errors import DataError
from training.metrics import Labels, Metrics, Probabilities, measure
from training.recipe import CHALLENGERS, SEED, Recipe

WITHOUT_DIRECTIONS = "without directions"
"""What the same recipe makes where every field's risk may go either way: the price of the directions."""

FOLDS = 5
SPLIT_SEED = 11

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Fold:
    """What one fold's models say of the rows they did not see.

    Attributes:
        rows: positions of the test rows, shape (m,).
        margin: the model's log-odds before calibration, shape (m,).
        undirected: the same of the same recipe without directions.
        challengers: name to the PDs of what else the model has to beat, shape (m,) each.
        importance: field to the loss of AUC when the field is shuffled among the test rows.
    """

    rows: Rows
    margin: NDArray[np.float64]
    undirected: NDArray[np.float64]
    challengers: Mapping[str, Probabilities]
    importance: dict[str, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """A mean over folds and the sample standard deviation (over n - 1) around it."""

    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All folds, and each row's PD from the fold that did not train on it.

    Attributes:
        labels: of all rows, shape (n,).
        folds: in the split's order.
        margin: out-of-fold log-odds before calibration, shape (n,).
        undirected: the same of models without directions.
        pd: out-of-fold PDs, shape (n,).
        others: challenger to its out-of-fold PDs, shape (n,); without directions calibrated as the model is.
    """

    labels: Labels
    folds: Sequence[Fold]
    margin: NDArray[np.float64]
    undirected: NDArray[np.float64]
    pd: Probabilities
    others: Mapping[str, Probabilities]

    def model(self) -> dict[str, Spread]:
        """Metric to its spread over folds, for the model."""
        return self._spreads(self.pd)

    def challengers(self) -> dict[str, dict[str, Spread]]:
        """Challenger to metric to its spread over folds."""
        return {name: self._spreads(pd) for name, pd in self.others.items()}

    def _spreads(self, pd: Probabilities) -> dict[str, Spread]:
        metrics = [measure(self.labels[fold.rows], pd[fold.rows]) for fold in self.folds]
        return {name: _spread([getattr(each, name) for each in metrics]) for name in Metrics._fields}

    def importance(self) -> dict[str, Spread]:
        """Field to the spread over folds of its importance, most important first."""
        spreads = {name: _spread([fold.importance[name] for fold in self.folds]) for name in self.folds[0].importance}
        return dict(sorted(spreads.items(), key=lambda item: -item[1].mean))


def split(data: TrainingData, groups: NDArray[np.int64], seed: int = SPLIT_SEED) -> list[tuple[Rows, Rows]]:
    """Training and test rows of each fold; no group is on both sides.

    Raises:
        DataError: the groups are too few, or too large, for both labels in each.
    """
    folds = []
    if (count := len(np.unique(groups))) >= FOLDS:
        splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
        folds = list(splitter.split(np.zeros(len(data.labels)), data.labels, groups))
    if not folds or any(len(np.unique(data.labels[rows])) < 2 for fold in folds for rows in fold):
        raise DataError(
            f"rows that must stay on one side of a split make {count} group(s), too few for {FOLDS} folds with both "
            "labels in each; have the contract's `applicant` and `disjoint` name fields with more values"
        )
    return folds


def evaluate(data: TrainingData, recipe: Recipe, groups: NDArray[np.int64]) -> Evaluation:
    """Fit and test the model and its challengers on every fold, with a progress bar on stderr.

    As many folds at a time as there are processors; the result does not depend on how many.

    Args:
        data: n applications.
        recipe: of the model.
        groups: which rows must stay on one side, shape (n,).
    """
    run = Parallel(n_jobs=min(FOLDS, cpu_count()), return_as="generator")
    work = (delayed(_fold)(task, recipe) for task in tasks(data, groups))
    folds: list[Fold] = list(tqdm(run(work), total=FOLDS, desc="folds", unit="fold"))
    rows = [fold.rows for fold in folds]
    margin = _gathered(rows, [fold.margin for fold in folds])
    undirected = _gathered(rows, [fold.undirected for fold in folds])
    pd, free_pd = (expit(cross_fitted(each, data.labels, rows)) for each in (margin, undirected))
    others = {name: _gathered(rows, [fold.challengers[name] for fold in folds]) for name in CHALLENGERS}
    return Evaluation(data.labels, folds, margin, undirected, pd, {WITHOUT_DIRECTIONS: free_pd, **others})


def permutation_importance(
    model: GradientBoostingClassifier,
    columns: Mapping[str, Sequence[int]],
    matrix: NDArray[np.float32],
    labels: Labels,
    seed: int,
) -> dict[str, float]:
    """How much AUC is lost when one field's values are shuffled among the rows, for every field.

    Breiman, "Random Forests", 2001, section 10, but by field: all features made of a field move together.

    Args:
        model: fitted on the schema's features.
        columns: field to the positions of its features.
        matrix: rows that the model did not see, shape (m, k).
        labels: shape (m,).
        seed: of the shuffles.
    """
    intact = float(roc_auc_score(labels, model.predict_proba(matrix)[:, 1]))
    order = np.random.default_rng(seed).permutation(len(matrix))
    losses = {}
    for field, made in columns.items():
        shuffled = matrix.copy()
        shuffled[:, made] = matrix[order][:, made]
        losses[field] = intact - float(roc_auc_score(labels, model.predict_proba(shuffled)[:, 1]))
    return losses


@dataclass(frozen=True, slots=True)
class Task:
    """One fold, as arrays: features of the rows to learn from and of those to test on, and where fields have theirs."""

    rows: Rows
    seen: NDArray[np.float32]
    seen_labels: Labels
    unseen: NDArray[np.float32]
    unseen_labels: Labels
    columns: Mapping[str, Sequence[int]]
    directions: Sequence[int]
    seed: int


def tasks(data: TrainingData, groups: NDArray[np.int64], seed: int = SPLIT_SEED) -> Iterator[Task]:
    """The folds as arrays, one by one."""
    for number, (train, test) in enumerate(split(data, groups, seed)):
        learned_from = [data.applications[row] for row in train]
        schema = FeatureSchema.learned(data.contract, learned_from)
        yield Task(
            rows=test,
            seen=schema.matrix(learned_from),
            seen_labels=data.labels[train],
            unseen=schema.matrix([data.applications[row] for row in test]),
            unseen_labels=data.labels[test],
            columns={field: schema.columns(field) for field in schema.fields},
            directions=schema.directions,
            seed=SEED + number,
        )


def _fold(task: Task, recipe: Recipe) -> Fold:
    model = recipe.fit(task.seen, task.seen_labels, task.directions)
    free = recipe.fit(task.seen, task.seen_labels, [0] * len(task.directions)) if any(task.directions) else model
    seen, unseen = task.seen.astype(np.float64), task.unseen.astype(np.float64)
    fitted = {name: fit(seen, task.seen_labels).predict_proba(unseen)[:, 1] for name, fit in CHALLENGERS.items()}
    return Fold(
        rows=task.rows,
        margin=model.decision_function(task.unseen),
        undirected=free.decision_function(task.unseen),
        challengers=fitted,
        importance=permutation_importance(model, task.columns, task.unseen, task.unseen_labels, task.seed),
    )


def _gathered(rows: Sequence[Rows], parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """What the folds say of their rows, in the order of all rows."""
    whole = np.empty(sum(map(len, rows)))
    for of_fold, part in zip(rows, parts, strict=True):
        whole[of_fold] = part
    return whole


def _spread(values: Sequence[float]) -> Spread:
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)))
