"""How many trees: as many as bring the unseen rows of the folds the least log loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from joblib import Parallel, cpu_count, delayed
from numpy.typing import NDArray
from sklearn.metrics import log_loss
from tqdm import tqdm

from training.data import TrainingData
from training.evaluation import FOLDS, Task, tasks
from training.recipe import Recipe


def choose_trees(data: TrainingData, recipe: Recipe) -> Recipe:
    """The recipe with the number of trees settled, on the folds that evaluate the model too.

    One number out of a few is chosen by the mean over five folds, which flatters the figures by less than they spread.
    """
    if not recipe.trees:
        return recipe
    longest = recipe.with_trees(max(recipe.trees))
    run = Parallel(n_jobs=min(FOLDS, cpu_count()), return_as="generator")
    work = (delayed(_losses)(task, longest, recipe.trees) for task in tasks(data))
    losses = np.array(list(tqdm(run(work), total=FOLDS, desc="trees", unit="fold")))
    return recipe.with_trees(recipe.trees[int(losses.mean(axis=0).argmin())])


def _losses(task: Task, recipe: Recipe, trees: Sequence[int]) -> list[float]:
    model = recipe.fit(task.seen, task.seen_labels)
    stages: dict[int, NDArray[np.float64]] = {
        number: pds[:, 1] for number, pds in enumerate(model.staged_predict_proba(task.unseen), 1) if number in trees
    }
    return [float(log_loss(task.unseen_labels, stages[number])) for number in trees]
