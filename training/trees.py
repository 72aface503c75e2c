"""How many trees: as many as bring the unseen rows of the folds the least log loss."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from joblib import Parallel, cpu_count, delayed
from sklearn.metrics import log_loss
from tqdm import tqdm

from training.data import TrainingData
from training.evaluation import FOLDS, Task, tasks
from training.recipe import Recipe

PATIENCE = 3
"""A fold tries no more trees after so many numbers of them in a row that were worse than its best."""


def choose_trees(data: TrainingData, recipe: Recipe) -> Recipe:
    """The recipe with the number of trees settled, on the folds that evaluate the model too.

    One number out of a few is chosen by the mean over five folds, which flatters the figures by less than they spread.
    """
    if not recipe.trees:
        return recipe
    run = Parallel(n_jobs=min(FOLDS, cpu_count()), return_as="generator")
    work = (delayed(losses)(task, recipe) for task in tasks(data))
    found = np.array(list(tqdm(run(work), total=FOLDS, desc="trees", unit="fold")))
    return recipe.with_trees(recipe.trees[int(found.mean(axis=0).argmin())])


def losses(task: Task, recipe: Recipe) -> Sequence[float]:
    """The log loss of one fold's unseen rows for each number of trees; infinite where it was not tried."""
    model = recipe.with_trees(recipe.trees[0]).unfitted(warm_start=True)
    found: list[float] = []
    for trees in recipe.trees:
        if len(found) > PATIENCE and min(found[-PATIENCE:]) > min(found):
            found.append(math.inf)
            continue
        model.set_params(n_estimators=trees).fit(task.seen, task.seen_labels)
        found.append(float(log_loss(task.unseen_labels, model.predict_proba(task.unseen)[:, 1])))
    return found
