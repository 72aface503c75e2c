from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from preprocessing.application import Application
from preprocessing.features import FeatureSchema
from scoring.artifact import GOLDEN, MANIFEST, MODEL, SCHEMA, Artifact, GoldenApplications, read_artifact
from scoring.scorer import Scorer
from signing import SIGNATURE
from tests.applications import CATEGORIES, CONTRACT, parse_application
from tests.training.conftest import BOOK
from tests.training.loans import Row, WriteCsv
from training import export
from training.book import Book, read_book
from training.data import TrainingData, read_training_data
from training.errors import TrainingError
from training.export import OWNED
from training.pipeline import train
from training.plots import ALTERNATIVES_PLOT, CALIBRATION_PLOT, IMPORTANCE_PLOT
from training.recipe import Recipe

CREATED = date(2026, 1, 31)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def out(trained: Path) -> Path:
    return trained


@pytest.fixture
def artifact(trained: Path) -> Artifact:
    return read_artifact(trained)


class TestArtifact:
    def test_passes_its_readers_checks(self, artifact: Artifact, out: Path) -> None:
        """What is written is what the service accepts, and its golden PDs are reproduced bit for bit."""
        again = read_artifact(out)

        assert artifact.digests == again.digests
        assert Scorer(again).golden_deviation() == 0
        others = {ALTERNATIVES_PLOT, "calibration.png", "importance.png", SIGNATURE}
        assert OWNED - {path.name for path in out.iterdir()} == others

    def test_manifest(self, artifact: Artifact, out: Path, data: TrainingData, small: Recipe) -> None:
        """The manifest states version, date, parameters, data, metrics, and vouches for every other file."""
        manifest = artifact.manifest

        assert (manifest.version, manifest.created) == ("1.0.0", CREATED)
        assert {**small.parameters, "random_state": small.seed}.items() <= manifest.parameters.items()
        assert manifest.features == artifact.schema.features == [feature.name for feature in CONTRACT.features]
        assert data.summary.sha256 == manifest.training_data["sha256"]
        assert {"roc_auc", "pr_auc", "ks", "gini", "brier", "log_loss", "ece"} == manifest.evaluation["model"].keys()
        assert {path.name for path in out.iterdir()} - {MANIFEST} == manifest.artifacts.keys()

    def test_model_is_fitted_on_everything(
        self, artifact: Artifact, out: Path, data: TrainingData, small: Recipe
    ) -> None:
        """The final model has seen every row, and its constants are all rows' medians."""
        schema = FeatureSchema.learned(CONTRACT, data.applications)
        matrix = schema.matrix(data.applications)
        expected = small.fit(matrix, data.labels, schema.directions)

        written = joblib.load(out / MODEL)

        assert schema.file == artifact.schema.file
        assert np.array_equal(expected.predict_proba(matrix), written.predict_proba(matrix))

    @pytest.mark.slow
    def test_order_of_sets_and_memory(
        self, artifact: Artifact, rows: list[Row], write_csv: WriteCsv, small: Recipe, book: Book, tmp_path: Path
    ) -> None:
        """Trained twice, from data read anew to other addresses, every file that is vouched for has the same bytes."""
        ballast = [np.full(1000, 255, dtype=np.uint8) for _ in range(1000)]
        del ballast
        data = read_training_data(write_csv(rows), CONTRACT)

        assert (
            artifact.digests
            == train(book, data, tmp_path / "b", created=CREATED, version="1.0.0", recipe=small, quick=True).digests
        )

    def test_wrong_golden_pds_are_never_shipped(
        self,
        data: TrainingData,
        trained: Path,
        tmp_path: Path,
        small: Recipe,
        book: Book,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """If the model read back gave other PDs, training would fail and leave the old artifact alone."""
        out = shutil.copytree(trained, tmp_path / "model")
        before = {path.name: path.read_bytes() for path in out.iterdir()}
        truthful = export.golden_file

        def lie(*args: Any) -> GoldenApplications:
            golden = truthful(*args)
            first = golden.applications[0].model_copy(update={"probability_of_default": 0.123})
            return golden.model_copy(update={"applications": [first, *golden.applications[1:]]})

        monkeypatch.setattr("training.pipeline.golden_file", lie)
        with pytest.raises(TrainingError, match="off on the golden applications"):
            train(book, data, out, created=CREATED, version="1.0.1", recipe=small, replace=True, quick=True)

        assert before == {path.name: path.read_bytes() for path in out.iterdir()}


class TestCard:
    @pytest.fixture
    def card(self, artifact: Artifact, out: Path) -> str:
        assert artifact.digests
        return (out / "model_card.md").read_text()

    def test_metrics_table(self, artifact: Artifact, card: str) -> None:
        """Every metric stands beside the baseline's, mean and spread, as the manifest has them."""
        for measured in ("model", "logistic_regression"):
            auc = artifact.manifest.evaluation[measured]["roc_auc"]
            assert f"{auc['mean']:.4f} ± {auc['sd']:.4f}" in card
        for name in ("ROC AUC", "PR-AUC", "KS", "Gini", "Brier", "log loss", "ECE"):
            assert f"\n| {name} | " in card

    def test_says_what_it_must(self, card: str) -> None:
        """Use, limits, groups, the age note, the command and the versions are there."""
        for words in (
            "## Intended use",
            "## What is not known",
            "| under 25 |",
            "| MORTGAGE |",
            "`person_age` (rules)",
            "A file of which no notes are held",
            "python -m training --book FOLDER --data FILE --out FOLDER",
            "--date 2026-01-31 --version 1.0.0",
            "scikit-learn 1.",
            CALIBRATION_PLOT,
            IMPORTANCE_PLOT,
        ):
            assert words in " ".join(card.split())

    def test_names_no_folder_of_the_machine(self, card: str, out: Path) -> None:
        """The card is the same wherever it was made."""
        assert str(out.parent) not in card
        assert str(ROOT) not in card

    def test_plots(self, card: str, out: Path) -> None:
        """The plots that the card shows are SVG files."""
        for name in (CALIBRATION_PLOT, IMPORTANCE_PLOT):
            assert f"({name})" in card
            assert (out / name).read_bytes().startswith(b"<svg ")


class TestGoldenApplications:
    def test_variety(self) -> None:
        """Every category occurs, as do missing values, a minor and a prior default; names are unique."""
        golden = read_book(BOOK).golden
        applications = [entry.application for entry in golden]

        assert len(golden) == len({entry.name for entry in golden}) >= 16
        for field, categories in CATEGORIES.items():
            assert set(categories) == {a[field] for a in applications}
        for field in ("person_emp_length", "loan_int_rate"):
            assert any(a[field] is None for a in applications)
        assert any(a["person_age"] < 18 for a in applications)

    def test_none_is_a_row_of_the_data(self, real: TrainingData) -> None:
        """They are invented: no row of the data has the same income, amount and age."""

        def key(application: Application) -> tuple[Any, ...]:
            return tuple(application[field] for field in ("person_income", "loan_amnt", "person_age"))

        assert not {key(a) for a in real.applications} & {key(g.application) for g in read_book(BOOK).golden}


class TestCommittedArtifact:
    """The artifact that this repository ships, made by the recipe that it holds."""

    FOLDER = ROOT / "artifacts" / "model"

    def test_is_accepted(self) -> None:
        """It passes every check, the golden PDs to within what processors differ by."""
        assert Scorer(read_artifact(self.FOLDER)).golden_deviation() <= 1e-9

    def test_is_of_this_recipe(self) -> None:
        """Parameters, seed and features are those of the code: it was trained after the last change of them."""
        manifest = read_artifact(self.FOLDER).manifest
        recipe = Recipe()

        assert {**recipe.parameters, "random_state": recipe.seed}.items() <= manifest.parameters.items()
        assert manifest.features == [feature.name for feature in CONTRACT.features]
        assert manifest.training_data["sha256"] == read_book(BOOK).notes.sha256

    def test_golden_applications_are_the_source(self) -> None:
        """It holds the hand-written applications as they are now."""
        written = json.loads((self.FOLDER / GOLDEN).read_bytes())["applications"]

        assert [(g.name, g.document) for g in read_book(BOOK).golden] == [
            (w["name"], w["application"]) for w in written
        ]
        assert all(parse_application(w["application"]) for w in written)

    def test_schema_has_no_age(self) -> None:
        """No feature is made of age or of its proxy."""
        text = (self.FOLDER / SCHEMA).read_text()

        assert "age" not in text
        assert "cred_hist" not in text
