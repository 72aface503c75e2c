"""Loan books that the project holds, and one of every type: from the folder to answers, without a line of Python."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from decision import Outcome, PolicyFiles, read_policy
from decision.__main__ import main as decision
from engine import Engine, check_fit, open_model
from portfolio.__main__ import main as portfolio
from preprocessing.application import Application
from preprocessing.contract import read_contract
from preprocessing.fields import PD, Ratio
from scoring.artifact import Artifact, read_artifact
from scoring.estimator import load_estimator
from serving.http.answers import explanation, prediction
from tests.books import BOOKS, DATA, ROOT, contract_of, csv_bytes, documents, labelled, write_book
from training.__main__ import main
from training.book import Book, read_book
from training.data import read_training_data

SHARED = ROOT.parent / "shared" / "data"
SMALL = {"format": 1, "n_estimators": 40, "learning_rate": 0.2, "max_depth": 3}


@pytest.fixture(scope="module", params=sorted(BOOKS))
def book(request: pytest.FixtureRequest) -> Book:
    return read_book(BOOKS[request.param])


class TestFolders:
    def test_every_scored_field_has_a_reason(self, book: Book) -> None:
        """Nothing that raises a risk goes without words for the applicant."""
        assert set(book.contract.scored) == book.policy.catalogue.scored_fields

    def test_every_state_is_among_the_goldens(self, book: Book) -> None:
        """What a special code or a missing value does is proved in every process."""
        seen = {
            field.name: {golden.application[field.name] for golden in book.golden} for field in book.contract.fields
        }
        lacking = [f.name for f in book.contract.fields if f.scored and f.nullable and None not in seen[f.name]]
        states = {f.name: set(f.states) for f in book.contract.fields if f.scored}

        assert [] == lacking
        assert {} == {name: named - seen[name] for name, named in states.items() if not named & seen[name] and named}

    def test_policy_reads_as_a_table(self, capsys: pytest.CaptureFixture[str]) -> None:
        """`python -m decision check` finds the contract beside the policy."""
        for folder in BOOKS.values():
            assert decision(["check", str(folder / "decision_policy.json")]) == 0
            assert "decided as expected" in capsys.readouterr().out

    def test_drawn_applications_are_valid(self, book: Book) -> None:
        """What these tests draw from a contract is within it."""
        for document in documents(book.contract, 300, seed=3):
            book.contract.parse(document)


class Opened:
    """An artifact as a process serves it."""

    def __init__(self, artifact: Artifact, policy: PolicyFiles) -> None:
        check_fit(artifact, policy)
        scorer, attributor = open_model(artifact)
        self.artifact, self.policy, self.scorer = artifact, policy, scorer
        self.engine = Engine(scorer, attributor, policy)


def check_answers(opened: Opened, applications: Sequence[Application]) -> None:
    """Everything that is promised of answers, whatever the contract."""
    contract, engine = opened.artifact.contract, opened.engine
    together = engine.assess(applications)
    alone = [engine.assess([application])[0] for application in applications]
    explained = engine.explain(applications)
    assert [a.pd for a in together] == [a.pd for a in alone] == [a.pd for a in explained]
    assert list(map(prediction, together)) == list(map(prediction, alone))
    matrix = opened.scorer.schema.matrix(applications)
    margins = load_estimator(opened.artifact).decision_function(matrix)
    assert expit(opened.scorer.calibration.apply(margins)).tolist() == [a.pd for a in together]
    for assessment in explained:
        assert assessment.attributions is not None
        total = assessment.attributions.base_value + sum(assessment.attributions.by_field.values())
        assert total == pytest.approx(np.log(assessment.pd / (1 - assessment.pd)), abs=1e-9)
        assert bool(assessment.reasons) == (assessment.decision.outcome is not Outcome.APPROVE)
        assert len({reason.text for reason in assessment.reasons}) == len(assessment.reasons) <= 4
        assert assessment.reference == (assessment.fields[contract.reference] if contract.reference else None)
        json.dumps(explanation(assessment))
        for found in assessment.counterfactuals:
            (again,) = engine.assess([contract.with_values(assessment.fields, found.changes)])
            assert (found.outcome, found.pd) == (again.decision.outcome, again.pd)
    assert bool(contract.actionable) == any(a.counterfactuals for a in explained)
    for bins in opened.artifact.distribution.bins:
        values = [a.pd if bins.field == PD else a.fields[bins.field] for a in together]
        assert all(0 <= bins.place(value) <= len(bins.labels) for value in values)
        assert {bins.place(value) for value in values if value is not None} <= set(range(len(bins.labels)))
        assert len(set(bins.labels)) == len(bins.labels) == len(bins.expected)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The invented book, its file, and the model trained on it."""
    root = tmp_path_factory.mktemp("book")
    contract = write_book(root / "book")
    (root / "loans.csv").write_bytes(csv_bytes(contract, labelled(contract, 900, seed=9)))
    arguments = ["--book", str(root / "book"), "--data", str(root / "loans.csv"), "--out", str(root / "model")]
    assert main([*arguments, "--quick"]) == 0
    return root / "book", root / "loans.csv", root / "model"


class TestEveryType:
    """A contract with a field of every type, from an invented file to answers."""

    def test_answers(self, made: tuple[Path, Path, Path]) -> None:
        """Trained, read back, opened: PDs, decisions, reasons, attributions, counterfactuals and bins hold together."""
        folder, _, model = made
        artifact = read_artifact(model)
        opened = Opened(artifact, read_policy(folder / "decision_policy.json", artifact.contract))
        check_answers(opened, [artifact.contract.parse(d) for d in documents(artifact.contract, 200, seed=77)])

    def test_the_model_learned(self, made: tuple[Path, Path, Path]) -> None:
        """It ranks better than chance, or the test's file holds nothing to learn."""
        assert read_artifact(made[2]).manifest.evaluation["model"]["roc_auc"]["mean"] > 0.65

    def test_nothing_unscored_moves_the_pd(self, made: tuple[Path, Path, Path]) -> None:
        """Fields for rules or reports only never reach the model."""
        artifact = read_artifact(made[2])
        contract = artifact.contract
        applications = [contract.parse(document) for document in documents(contract, 50, seed=4)]
        others = documents(contract, 50, seed=5)
        unscored = [f.name for f in contract.fields if not f.scored]
        mixed = [
            contract.parse({**a, **{name: o.get(name) for name in unscored}})
            for a, o in zip(documents(contract, 50, seed=4), others, strict=True)
        ]
        schema = artifact.schema
        assert schema.matrix(applications).tolist() == schema.matrix(mixed).tolist()
        assert unscored

    def test_comparing_policies(self, made: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
        """The contract in the artifact reads the training file as a portfolio, its outcomes among it."""
        folder, data, model = made
        policy = str(folder / "decision_policy.json")

        assert portfolio(["compare", policy, policy, str(data), "--model", str(model)]) == 0

        printed = capsys.readouterr().out
        assert "hull: steel" in printed
        assert ", 0 of them with an outcome" not in printed

    def test_card(self, made: tuple[Path, Path, Path]) -> None:
        """It names the book, its groups and what the model never reads, and nobody else's figures."""
        card = (made[2] / "model_card.md").read_text(encoding="utf-8")
        assert "loan book boat_loans, contract 2.1.0" in card
        assert "`language` (reports)" in card
        assert "credit_risk_dataset" not in card

    def test_parquet_is_the_same(self, made: tuple[Path, Path, Path], tmp_path: Path) -> None:
        """The same rows from Parquet are the same applications, missing values and codes among them."""
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        contract = contract_of(json.loads((made[0] / "contract.json").read_bytes()))
        rows = labelled(contract, 900, seed=9)
        columns = {field.source: [d.get(field.name) for d, _ in rows] for field in contract.fields}
        numbers = {f.source for f in contract.fields if hasattr(f, "minimum") or isinstance(f, Ratio)}
        arrays = {
            name: pa.array([None if v is None else float(v) for v in values] if name in numbers else values)
            for name, values in columns.items()
        }
        pq.write_table(
            pa.table({**arrays, contract.label.column: [label for _, label in rows]}), tmp_path / "l.parquet"
        )

        mine, theirs = (read_training_data(path, contract) for path in (made[1], tmp_path / "l.parquet"))

        assert [dict(a) for a in mine.applications] == [dict(a) for a in theirs.applications]
        assert mine.labels.tolist() == theirs.labels.tolist()


class TestTreesAreChosen:
    def test_by_the_folds(self, tmp_path: Path) -> None:
        """Without a stated number, a small file gets few trees, and the card says how they were chosen."""
        contract = write_book(tmp_path / "book", recipe={"format": 1, "learning_rate": 0.3, "max_depth": 2})
        (tmp_path / "loans.csv").write_bytes(csv_bytes(contract, labelled(contract, 300, seed=2)))

        folders = {"--book": "book", "--data": "loans.csv", "--out": "m"}
        arguments = [word for option, name in folders.items() for word in (option, str(tmp_path / name))]
        code = main([*arguments, "--quick"])

        manifest = read_artifact(tmp_path / "m").manifest
        assert code == 0
        assert manifest.parameters["n_estimators"] < 300
        assert manifest.evaluation["size"]["trees"] == manifest.parameters["n_estimators"]
        assert "The number of trees is that of the least log loss" in (tmp_path / "m" / "model_card.md").read_text()

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ('{"format": 1, "trees": 10}', "recipe.json: trees: Extra inputs are not permitted; remove it"),
            ('{"format": 1, "max_depth": 9}', "recipe.json: max_depth: Input should be less than or equal to 6"),
            ("{", "recipe.json: not valid JSON"),
        ],
    )
    def test_refused(self, tmp_path: Path, content: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
        """A recipe that can't be used is named before the data is read."""
        write_book(tmp_path / "book")
        (tmp_path / "book" / "recipe.json").write_text(content)

        assert main(["--book", str(tmp_path / "book"), "--data", "nowhere.csv", "--out", str(tmp_path / "m")]) == 1

        assert message in capsys.readouterr().err
        assert not (tmp_path / "m").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(BOOKS) - {"default"}))
class TestRealFiles:
    """The files that the books were written for, where they are."""

    def test_trains_and_answers(self, name: str, tmp_path: Path) -> None:
        """A small model of the real file, opened as serving does, on drawn applications."""
        data = SHARED / DATA[name]
        if not data.exists():
            pytest.skip("the book's file is not here: it is no part of this repository")
        folder = BOOKS[name]
        read = read_training_data(data, read_contract((folder / "contract.json").read_bytes()))
        assert read.summary.rows_outside_contract == 0
        quick = tmp_path / "book"
        quick.mkdir()
        for file in folder.iterdir():
            (quick / file.name).write_bytes(file.read_bytes())
        (quick / "recipe.json").write_text(json.dumps(SMALL))

        arguments = ["--book", str(quick), "--data", str(data), "--out", str(tmp_path / "m")]
        assert main([*arguments, "--date", date(2026, 1, 1).isoformat(), "--quick"]) == 0

        artifact = read_artifact(tmp_path / "m")
        opened = Opened(artifact, read_policy(folder / "decision_policy.json", artifact.contract))
        check_answers(opened, [artifact.contract.parse(d) for d in documents(artifact.contract, 150, seed=1)])
        assert "A file of which no notes are held" not in (tmp_path / "m" / "model_card.md").read_text(encoding="utf-8")

    def test_draft_trains_once_decided(self, name: str, tmp_path: Path) -> None:
        """A draft of the file is refused, and trains when its questions are removed."""
        data = SHARED / DATA[name]
        if not data.exists():
            pytest.skip("the book's file is not here: it is no part of this repository")
        contract = read_contract((BOOKS[name] / "contract.json").read_bytes())
        written = [] if contract.file.header else ["--no-header", "--delimiter", "tab"]
        arguments = ["--data", str(data), "--label", contract.label.column, "--out", str(tmp_path / "draft"), *written]
        assert main(["draft", *arguments, "--defaulted", str(contract.label.defaulted[0])]) == 0
        training = ["--book", str(tmp_path / "draft"), "--data", str(data), "--out", str(tmp_path / "m")]
        assert main(training) == 1
        document = json.loads((tmp_path / "draft" / "contract.json").read_text())
        document.pop("decide")
        for field in document["fields"]:
            field.pop("decide", None)
        (tmp_path / "draft" / "contract.json").write_text(json.dumps(document))
        (tmp_path / "draft" / "recipe.json").write_text(json.dumps(SMALL))
        assert main([*training, "--quick"]) == 0
