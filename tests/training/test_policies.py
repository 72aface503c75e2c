"""What training does with policies: the reference population, rebuilding its tables."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from decision import InvalidPolicyError, Outcome, Policy, decide, read_policy
from engine import check_fit, open_model
from preprocessing.application import Application
from preprocessing.features import FeatureSchema
from scoring.artifact import CARD, MANIFEST, MODEL, TABLES, read_artifact
from scoring.attribution import LeafIndex
from scoring.estimator import trees_of
from scoring.scorer import Scorer
from tests.applications import CONTRACT, POLICY_FILE
from tests.training.loans import csv_text, past_loans
from training.__main__ import main
from training.book import Book
from training.data import TrainingData
from training.errors import TrainingError
from training.recipe import Recipe
from training.reference import reference_tables


def with_thresholds(policy: Policy, approve_below: float, version: str = "2.0.0") -> Policy:
    """The same policy with another approval threshold and examples that hold for it."""
    document = policy.model_dump(mode="json")
    document["version"] = version
    document["thresholds"]["approve_below"] = approve_below
    document["examples"] = [e for e in document["examples"] if e["expected"] == "REJECT"]
    return Policy.model_validate_json(json.dumps(document), context={"contract": CONTRACT})


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "loans.csv"
    path.write_text(csv_text(past_loans()), encoding="utf-8")
    return path


@pytest.fixture
def out(tmp_path: Path, trained: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "model")


@pytest.fixture
def policy_file(tmp_path: Path, policy: Policy) -> Path:
    path = tmp_path / "stricter.json"
    path.write_text(with_thresholds(policy, 0.05).model_dump_json(), encoding="utf-8")
    return path


class TestReferencePopulation:
    def test_it_is_those_whom_the_policy_marginally_approves(
        self, data: TrainingData, small: Recipe, policy: Policy
    ) -> None:
        schema = FeatureSchema.learned(CONTRACT, data.applications)
        matrix = schema.matrix(data.applications)
        model = small.fit(matrix, data.labels, schema.directions)
        pds = model.predict_proba(matrix)[:, 1]
        tables, population = reference_tables(
            LeafIndex(trees_of(model), schema), matrix, pds, data.applications, policy
        )
        members = [
            i
            for i, application in enumerate(data.applications)
            if 0.8 * 0.1 <= pds[i] < 0.1 and decide(policy, application, pds[i]).outcome is Outcome.APPROVE
        ]
        assert len(members) == population.size
        assert model.decision_function(matrix[members]).mean() == pytest.approx(population.base_value, abs=1e-9)
        assert tables.base_value == population.base_value

    def test_a_threshold_that_nobody_is_near_is_refused(
        self, data: TrainingData, small: Recipe, policy: Policy
    ) -> None:
        schema = FeatureSchema.learned(CONTRACT, data.applications)
        matrix = schema.matrix(data.applications)
        model = small.fit(matrix, data.labels, schema.directions)
        pds = model.predict_proba(matrix)[:, 1]
        with pytest.raises(TrainingError, match="no application has a PD just under"):
            reference_tables(
                LeafIndex(trees_of(model), schema), matrix, pds, data.applications, with_thresholds(policy, 1e-9)
            )


class TestRebuild:
    @pytest.fixture
    def rebuilt(self, tmp_path: Path) -> Path:
        return tmp_path / "rebuilt"

    def run(self, out: Path, csv_file: Path, policy_file: Path, *more: str | Path, version: str = "1.0.1") -> int:
        files = ["--data", str(csv_file), "--policy", str(policy_file), "--model", str(out)]
        return main(["rebuild-tables", *files, "--version", version, *map(str, more)])

    def test_only_the_tables_and_the_manifest_change(
        self, out: Path, csv_file: Path, policy_file: Path, rebuilt: Path
    ) -> None:
        before = read_artifact(out)
        assert self.run(out, csv_file, policy_file, "--out", rebuilt) == 0
        after = read_artifact(rebuilt)
        changed = {name for name in before.digests if before.digests[name] != after.digests[name]}
        assert {MANIFEST, TABLES} == changed
        assert before.contents[MODEL] == after.contents[MODEL]
        assert before.contents[CARD] == after.contents[CARD]
        assert ("1.0.1", 0.05, "2.0.0") == (
            after.manifest.version,
            after.manifest.reference_population.pd_below,
            after.manifest.reference_population.policy_version,
        )
        assert before.digests == read_artifact(out).digests

    def test_a_stricter_policy_fits_only_afterwards(
        self, out: Path, csv_file: Path, policy_file: Path, policy: Policy
    ) -> None:
        """The artifact itself is replaced where that is asked for."""
        stricter = replace(read_policy(POLICY_FILE, CONTRACT), policy=with_thresholds(policy, 0.05))
        with pytest.raises(InvalidPolicyError, match="rebuild-tables"):
            check_fit(read_artifact(out), stricter)
        assert self.run(out, csv_file, policy_file, "--out", out, "--replace") == 0
        check_fit(read_artifact(out), stricter)
        open_model(read_artifact(out))

    def test_nothing_is_replaced_unasked(
        self, out: Path, csv_file: Path, policy_file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = read_artifact(out)
        assert self.run(out, csv_file, policy_file, "--out", out) == 1
        assert "exists, and is kept; give --out a new folder, or --replace" in capsys.readouterr().err
        assert before.digests == read_artifact(out).digests

    def test_other_data_are_refused(
        self, out: Path, csv_file: Path, policy_file: Path, rebuilt: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        csv_file.write_text(csv_text(past_loans(seed=8)), encoding="utf-8")
        assert self.run(out, csv_file, policy_file, "--out", rebuilt) == 1
        assert "give --data that file" in capsys.readouterr().err

    def test_the_old_version_is_refused(
        self, out: Path, csv_file: Path, policy_file: Path, rebuilt: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.run(out, csv_file, policy_file, "--out", rebuilt, version="1.0.0") == 1
        assert "give the rebuilt one its own" in capsys.readouterr().err


@pytest.fixture(scope="module")
def policy(book: Book) -> Policy:
    return book.policy.policy


@pytest.fixture(scope="module")
def scorer(trained: Path) -> Scorer:
    return Scorer(read_artifact(trained))


@pytest.fixture(scope="module")
def artifact_pds(scorer: Scorer, data: TrainingData) -> list[float]:
    pds: list[Any] = scorer.score(data.applications).pd.tolist()
    return pds


def clean(application: Application) -> bool:
    """Whether no rule of the shipped policy matches that compares a value."""
    fields: Sequence[bool] = (
        application["person_age"] >= 18,
        application["loan_amnt"] <= application["person_income"],
        application["cb_person_default_on_file"] == "N",
    )
    return all(fields)


def within(application: Application, scorer: Scorer) -> bool:
    """Whether no other rule of it matches."""
    ruled = {"person_income", "loan_amnt", "loan_int_rate", "loan_percent_income"}
    return not ruled & {*scorer.ranges.outside(application).worse}
