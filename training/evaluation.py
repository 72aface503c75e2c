"""Grouped cross-validation: everything that is learned from data is learned inside each fold, from its training rows.

The split keeps near-duplicates on one side (see `training.data.near_duplicates`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, cpu_count, delayed
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from tqdm import tqdm

from preprocessing.features import FeatureSchema
from training.data import TrainingData
from training.groups import Groups
from training.metrics import Labels, Metrics, Probabilities, measure
from training.recipe import CHALLENGERS, SEED, Recipe

FOLDS = 5
SPLIT_SEED = 11

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Fold:
    """What one fold's models say of the rows they did not see.

    Attributes:
        rows: positions of the test rows, shape (m,).
        pd: the model's, shape (m,).
        metrics: of `pd`.
        challengers: name to the metrics of what the model has to beat.
        importance: field to the loss of AUC when the field is shuffled among the test rows.
    """

    rows: Rows
    pd: Probabilities
    metrics: Metrics
    challengers: Mapping[str, Metrics]
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
        folds: in the split's order.
        pd: out-of-fold PDs, shape (n,).
    """

    folds: Sequence[Fold]
    pd: Probabilities

    def model(self) -> dict[str, Spread]:
        """Metric to its spread over folds, for the model."""
        return _spreads([fold.metrics for fold in self.folds])

    def challengers(self) -> dict[str, dict[str, Spread]]:
        """Challenger to metric to its spread over folds."""
        return {name: _spreads([fold.challengers[name] for fold in self.folds]) for name in self.folds[0].challengers}

    def importance(self) -> dict[str, Spread]:
        """Field to the spread over folds of its importance, most important first."""
        spreads = {name: _spread([fold.importance[name] for fold in self.folds]) for name in self.folds[0].importance}
        return dict(sorted(spreads.items(), key=lambda item: -item[1].mean))


@dataclass(frozen=True, slots=True)
class GroupMetrics:
    """How the out-of-fold PDs do within one group of applicants.

    Attributes:
        name: of the group.
        rows: how many applicants.
        default_rate: share of them that defaulted, 0 to 1.
        mean_pd: mean probability of default.
        roc_auc: within the group; None where only one label occurs.
        brier: mean squared error of the PD.
    """

    name: str
    rows: int
    default_rate: float
    mean_pd: float
    roc_auc: float | None
    brier: float


def split(data: TrainingData) -> list[tuple[Rows, Rows]]:
    """Training and test rows of each fold; no group is on both sides."""
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SPLIT_SEED)
    return list(folds.split(np.zeros(len(data.labels)), data.labels, data.groups))


def evaluate(data: TrainingData, recipe: Recipe) -> Evaluation:
    """Fit and test the model and its challengers on every fold, with a progress bar on stderr.

    As many folds at a time as there are processors; the result does not depend on how many.
    """
    run = Parallel(n_jobs=min(FOLDS, cpu_count()), return_as="generator")
    work = (delayed(_fold)(task, recipe) for task in tasks(data))
    folds: list[Fold] = list(tqdm(run(work), total=FOLDS, desc="folds", unit="fold"))
    pd = np.empty(len(data.labels))
    for fold in folds:
        pd[fold.rows] = fold.pd
    return Evaluation(folds, pd)


def by_group(data: TrainingData, pd: Probabilities, groups: Groups) -> list[GroupMetrics]:
    """Metrics of each group that has rows.

    Args:
        data: n applications.
        pd: out-of-fold PDs, shape (n,).
        groups: to report.
    """
    names = np.array([groups.of(application) for application in data.applications])
    return [_group(name, data.labels[names == name], pd[names == name]) for name in groups.names if name in names]


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
    seed: int


def tasks(data: TrainingData) -> Iterator[Task]:
    """The folds as arrays, one by one."""
    for number, (train, test) in enumerate(split(data)):
        learned_from = [data.applications[row] for row in train]
        schema = FeatureSchema.learned(data.contract, learned_from)
        yield Task(
            rows=test,
            seen=schema.matrix(learned_from),
            seen_labels=data.labels[train],
            unseen=schema.matrix([data.applications[row] for row in test]),
            unseen_labels=data.labels[test],
            columns={field: schema.columns(field) for field in schema.fields},
            seed=SEED + number,
        )


def _fold(task: Task, recipe: Recipe) -> Fold:
    labels = task.unseen_labels
    model = recipe.fit(task.seen, task.seen_labels)
    pd = model.predict_proba(task.unseen)[:, 1]
    unseen = task.unseen.astype(np.float64)
    challengers = {
        name: measure(labels, fit(task.seen.astype(np.float64), task.seen_labels).predict_proba(unseen)[:, 1])
        for name, fit in CHALLENGERS.items()
    }
    return Fold(
        rows=task.rows,
        pd=pd,
        metrics=measure(labels, pd),
        challengers=challengers,
        importance=permutation_importance(model, task.columns, task.unseen, labels, task.seed),
    )


def _spreads(folds: Sequence[Metrics]) -> dict[str, Spread]:
    return {name: _spread([getattr(metrics, name) for metrics in folds]) for name in Metrics._fields}


def _spread(values: Sequence[float]) -> Spread:
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)))


def _group(name: str, labels: Labels, pd: Probabilities) -> GroupMetrics:
    return GroupMetrics(
        name=name,
        rows=len(labels),
        default_rate=float(labels.mean()),
        mean_pd=float(pd.mean()),
        roc_auc=float(roc_auc_score(labels, pd)) if 0 < labels.sum() < len(labels) else None,
        brier=float(np.mean((pd - labels) ** 2)),
    )
