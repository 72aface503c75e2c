"""Training from end to end: read, evaluate, fit, describe, write, read back."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from decision import Policy
from scoring.artifact import CARD, DISTRIBUTION, GOLDEN, MANIFEST, MODEL, SCHEMA, TABLES, Artifact
from training.card import model_card
from training.data import TrainingData
from training.distribution import training_distribution
from training.evaluation import evaluate
from training.export import OWNED, golden_file, json_bytes, manifest, model_bytes, verified
from training.fairness import fairness
from training.golden import golden_applications
from training.plots import CALIBRATION_PLOT, IMPORTANCE_PLOT, calibration_plot, importance_plot
from training.recipe import Recipe
from training.reference import reference_tables
from training.staging import writing
from training.trained import Trained


def train(  # noqa: PLR0913  # everything that makes two trainings differ
    data: TrainingData,
    out: Path,
    *,
    policy: Policy,
    created: date,
    version: str,
    recipe: Recipe | None = None,
    replace: bool = False,
) -> Artifact:
    """Evaluate on grouped folds, fit on everything, and write the artifact folder as a whole or not at all.

    Args:
        data: what to train on.
        out: the folder to write.
        policy: whose marginally approved applicants attributions compare with.
        created: the date that the manifest and the card state.
        version: of the model, X.Y.Z.
        recipe: the project's own unless given.
        replace: whether an artifact that `out` holds may go.

    Raises:
        TrainingError: the folder can't be written.
        ArtifactError: what was written would be refused by serving.
    """
    recipe = recipe or Recipe()
    golden = golden_applications()
    with writing(out, OWNED, replace=replace) as folder:
        evaluation = evaluate(data, recipe)
        schema = recipe.schema(data.applications)
        model = recipe.fit(schema.matrix(data.applications), data.labels)
        fitted = model.predict_proba(schema.matrix(data.applications))[:, 1]
        tables, reference = reference_tables(model, schema, data.applications, policy)
        examined = fairness(model, schema, data.applications, evaluation.pd, policy)
        trained = Trained(version, created, data, schema, model, reference, tables, examined, evaluation)
        vouched_for = {
            MODEL: model_bytes(model),
            SCHEMA: json_bytes(schema),
            TABLES: tables.to_bytes(),
            DISTRIBUTION: json_bytes(training_distribution(schema, data.applications, fitted)),
            GOLDEN: json_bytes(golden_file(model, schema, golden)),
            CARD: model_card(trained).encode(),
        }
        contents = {
            **vouched_for,
            MANIFEST: json_bytes(manifest(trained, vouched_for)),
            CALIBRATION_PLOT: calibration_plot(data.labels, evaluation.pd),
            IMPORTANCE_PLOT: importance_plot(evaluation.importance()),
        }
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        return verified(folder)
