"""The model, made again on the folds by a recipe that differs in one thing: without a field, without a direction.

The PDs are calibrated, so that all of them meet the same thresholds: by one curve for all folds, where the figures of
the model's own split have one for each fold. That is five times as quick, and a dozen numbers learned from all rows
flatter no model beside another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from joblib import Parallel, cpu_count, delayed
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from training.boosting import grow
from training.calibration import learned
from training.evaluation import Rows, Task
from training.metrics import Labels, Probabilities
from training.recipe import Recipe
from training.report.scorecard import ScorecardFit


@dataclass(frozen=True, slots=True)
class Variant:
    """What a model differs in from the one that is shipped.

    Attributes:
        without: fields that it does not see.
        free: fields whose directions it need not keep to.
        seed: of its own; None for the recipe's.
    """

    without: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    seed: int | None = None


Folds = Sequence[Task]
Margins = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Refit:
    """What a variant says of rows that it did not see.

    Attributes:
        margin: log-odds before calibration, shape (n,).
        pd: calibrated, shape (n,).
        folds: positions of each fold's rows.
    """

    margin: Margins
    pd: Probabilities
    folds: Sequence[Rows]

    @classmethod
    def of(cls, margin: Margins, labels: Labels, folds: Sequence[Rows]) -> Self:
        """With the calibration of least log loss."""
        return cls(margin, np.asarray(expit(learned(margin, labels).apply(margin))), folds)

    def roc_auc(self, labels: Labels) -> float:
        """The mean over folds."""
        return float(np.mean([roc_auc_score(labels[rows], self.margin[rows]) for rows in self.folds]))

    def brier(self, labels: Labels) -> float:
        """The same."""
        return float(np.mean([np.mean((self.pd[rows] - labels[rows]) ** 2) for rows in self.folds]))


def refitted(work: Sequence[tuple[Folds, Variant]], recipe: Recipe, told: str) -> list[Refit]:
    """Every variant on its folds, with a progress bar on stderr.

    As many at a time as there are processors; the result does not depend on how many.

    Args:
        work: folds, and what is to be made on them.
        recipe: of the model.
        told: what the progress bar says.
    """
    if not work:
        return []
    run = Parallel(n_jobs=min(len(work), cpu_count()), return_as="generator")
    calls = (delayed(refit)(folds, variant, recipe) for folds, variant in work)
    return list(tqdm(run(calls), total=len(work), desc=told, unit="model"))


def refit(folds: Folds, variant: Variant, recipe: Recipe) -> Refit:
    """One variant on its folds."""
    recipe = recipe if variant.seed is None else recipe.with_seed(variant.seed)
    rows = sum(len(task.rows) for task in folds)
    margins, labels = np.empty(rows), np.empty(rows, dtype=np.int64)
    for task in folds:
        columns, directions = seen_columns(task, variant.without), held(task, variant.free)
        # As grown: the model that is kept has the same trees, and takes twice as long to make.
        model = grow(
            recipe.parameters,
            task.seen[:, columns],
            task.seen_labels,
            [directions[column] for column in columns],
            recipe.seed,
        )
        margins[task.rows] = model.decision_function(task.unseen[:, columns])
        labels[task.rows] = task.unseen_labels
    return Refit.of(margins, labels, [task.rows for task in folds])


def scorecards(folds: Folds) -> Probabilities:
    """The out-of-fold PDs of a points scorecard, shape (n,)."""
    pd = np.empty(sum(len(task.rows) for task in folds))
    for task in folds:
        card = ScorecardFit(task.columns)(task.seen.astype(np.float64), task.seen_labels)
        pd[task.rows] = card.predict_proba(task.unseen.astype(np.float64))[:, 1]
    return pd


def seen_columns(task: Task, without: Iterable[str]) -> list[int]:
    """The positions of the features that are made of other fields."""
    gone = {column for field in without for column in task.columns[field]}
    return [column for column in range(task.seen.shape[1]) if column not in gone]


def held(task: Task, free: Iterable[str]) -> list[int]:
    """The directions of all columns, without those of the fields that are free of theirs."""
    freed = {column for field in free for column in task.columns[field]}
    return [0 if column in freed else direction for column, direction in enumerate(task.directions)]
