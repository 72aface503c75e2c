"""Everything that one training run made, for those who describe it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sklearn.ensemble import GradientBoostingClassifier

from preprocessing.features import FeatureSchema
from scoring.artifact import ReferencePopulation
from scoring.attribution import Tables
from training.book import Book
from training.data import TrainingData
from training.evaluation import Evaluation
from training.recipe import Recipe
from training.report.validation import Validation


@dataclass(frozen=True, slots=True)
class Trained:
    """A model, what it was made of, and how good others made by the same recipe are.

    Attributes:
        version: of the model, X.Y.Z.
        created: the date to state.
        book: what people wrote for it.
        data: what the model was fitted on.
        recipe: with the number of trees settled.
        among: the numbers of trees that it was chosen among; none where the recipe states it.
        schema: its features and cleaning constants.
        model: fitted on everything.
        reference: whom attributions compare an applicant with.
        tables: the attributions, by leaf and pattern.
        evaluation: of models made by the same recipe on folds of the same data.
        harsher: the same on folds that keep disjoint what the contract says; None where it says nothing.
        validation: everything else that was measured for the report.
    """

    version: str
    created: date
    book: Book
    data: TrainingData
    recipe: Recipe
    among: tuple[int, ...]
    schema: FeatureSchema
    model: GradientBoostingClassifier
    reference: ReferencePopulation
    tables: Tables
    evaluation: Evaluation
    harsher: Evaluation | None
    validation: Validation

    @property
    def trees(self) -> int:
        """Trees in the model: what an answer costs."""
        return len(self.model.estimators_)

    @property
    def leaves(self) -> int:
        """Leaves of all trees together: what explaining an answer costs."""
        return sum(int(tree.tree_.n_leaves) for tree in self.model.estimators_.ravel())
