"""How many trees: as many as bring the unseen rows of the folds the least log loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from joblib import Parallel, cpu_count, delayed
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
    run = Parallel(n_jobs=min(FOLDS, cpu_count()), return_as="generator")
    work = (delayed(losses)(task, recipe) for task in tasks(data, data.groups))
    found = np.array(list(tqdm(run(work), total=FOLDS, desc="trees", unit="fold")))
    return recipe.with_trees(recipe.trees[int(found.mean(axis=0).argmin())])


def losses(task: Task, recipe: Recipe) -> Sequence[float]:
    """The log loss of one fold's unseen rows for each number of trees."""
    longest = recipe.with_trees(max(recipe.trees))
    staged = longest.staged(task.seen, task.seen_labels, task.directions, task.unseen)
    asked = set(recipe.trees)
    return [log_loss(task.unseen_labels, pd) for trees, pd in enumerate(staged, 1) if trees in asked]
