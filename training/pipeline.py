"""Training from end to end: read, evaluate, fit, describe, write, read back."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from scipy.special import expit

from preprocessing.contract import CONTRACT_FILE
from preprocessing.features import FeatureSchema
from reporting.svg import as_file
from scoring.artifact import (
    CALIBRATION,
    CARD,
    DISTRIBUTION,
    ENSEMBLE,
    GOLDEN,
    MANIFEST,
    MODEL,
    SCHEMA,
    TABLES,
    Artifact,
)
from scoring.attribution import LeafIndex
from scoring.estimator import trees_of
from scoring.ranges import KnownRanges
from training.book import Book
from training.calibration import learned
from training.card import model_card, plots
from training.data import TrainingData
from training.distribution import training_distribution
from training.evaluation import evaluate
from training.export import OWNED, REPORT, golden_file, json_bytes, manifest, model_bytes, verified
from training.recipe import Recipe
from training.reference import reference_tables
from training.report.page import html_page
from training.report.validation import validated
from training.staging import writing
from training.trained import Trained
from training.trees import choose_trees


def train(  # noqa: PLR0913  # everything that makes two trainings differ
    book: Book,
    data: TrainingData,
    out: Path,
    *,
    created: date,
    version: str,
    recipe: Recipe | None = None,
    replace: bool = False,
    quick: bool = False,
) -> Artifact:
    """Evaluate on grouped folds, fit on everything, and write the artifact folder as a whole or not at all.

    Args:
        book: contract, the policy whose marginally approved applicants attributions compare with, and the rest.
        data: what to train on.
        out: the folder to write.
        created: the date that the manifest and the card state.
        version: of the model, X.Y.Z.
        recipe: the book's own unless given.
        replace: whether an artifact that `out` holds may go.
        quick: leave out of the report what takes many models more.

    Raises:
        TrainingError: the folder can't be written.
        ArtifactError: what was written would be refused by serving.
    """
    asked, policy = recipe or book.recipe, book.policy.policy
    with writing(out, OWNED, replace=replace) as folder:
        recipe = choose_trees(data, asked)
        evaluation = evaluate(data, recipe, data.groups)
        harsher = evaluate(data, recipe, data.disjoint) if data.disjoint is not None else None
        schema = FeatureSchema.learned(book.contract, data.applications)
        matrix = schema.matrix(data.applications)
        model = recipe.fit(matrix, data.labels, schema.directions)
        trees = trees_of(model)
        calibration = learned((harsher or evaluation).margin, data.labels)
        pds = expit(calibration.apply(model.decision_function(matrix)))
        tables, reference = reference_tables(LeafIndex(trees, schema), matrix, pds, data.applications, policy)
        distribution = training_distribution(book.contract, data.applications, pds)
        ranges = KnownRanges(book.contract, distribution)
        trained = Trained(
            version=version,
            created=created,
            book=book,
            data=data,
            recipe=recipe,
            among=asked.trees,
            schema=schema,
            model=model,
            reference=reference,
            tables=tables,
            evaluation=evaluation,
            harsher=harsher,
            validation=validated(
                data,
                recipe,
                policy,
                lambda applications: expit(calibration.apply(model.decision_function(schema.matrix(applications)))),
                lambda application: ranges.outside(application).worse,
                evaluation=evaluation,
                harsher=harsher,
                quick=quick,
            ),
        )
        card, drawn = model_card(trained), plots(trained)
        vouched_for = {
            MODEL: model_bytes(model),
            ENSEMBLE: trees.to_bytes(),
            CONTRACT_FILE: book.contract_bytes,
            SCHEMA: json_bytes(schema.file),
            TABLES: tables.to_bytes(),
            DISTRIBUTION: json_bytes(distribution),
            CALIBRATION: json_bytes(calibration),
            GOLDEN: json_bytes(golden_file(model, calibration, schema, book.golden)),
            CARD: card.encode(),
            REPORT: html_page(card, drawn).encode(),
            **{name: as_file(plot) for name, plot in drawn.items()},
        }
        contents = {**vouched_for, MANIFEST: json_bytes(manifest(trained, vouched_for))}
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        return verified(folder)
