from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.applications import CONTRACT
from tests.training.loans import COLUMNS, Row, WriteCsv, csv_text, past_loans
from training.book import Book, read_book
from training.data import TrainingData, read_training_data
from training.pipeline import train
from training.recipe import Recipe

BOOK = Path(__file__).parents[2] / "artifacts" / "policy"
REAL_DATA = Path(__file__).parents[3] / "shared" / "data" / "credit_risk_dataset.csv"


@pytest.fixture(autouse=True, scope="session")
def _one_process() -> Iterator[None]:
    # Starting worker processes takes longer than fitting models this small.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOKY_MAX_CPU_COUNT", "1")
        yield


@pytest.fixture
def rows() -> list[Row]:
    return past_loans()


@pytest.fixture
def write_csv(tmp_path: Path) -> WriteCsv:
    def write(rows: Iterable[Row], columns: Iterable[str] = COLUMNS) -> Path:
        path = tmp_path / "loans.csv"
        path.write_text(csv_text(rows, columns), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    path = tmp_path_factory.mktemp("data") / "loans.csv"
    path.write_text(csv_text(past_loans()), encoding="utf-8")
    return read_training_data(path, CONTRACT)


@pytest.fixture(scope="session")
def small() -> Recipe:
    # Enough trees for some PDs to lie just below the policy's threshold, where the reference population is.
    return Recipe(parameters={"n_estimators": 40, "learning_rate": 0.2, "max_depth": 2})


@pytest.fixture(scope="session")
def book() -> Book:
    return read_book(BOOK)


@pytest.fixture(scope="session")
def trained(data: TrainingData, small: Recipe, book: Book, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact, version 1.0.0; copied by those who change it."""
    out = tmp_path_factory.mktemp("trained") / "model"
    train(book, data, out, created=date(2026, 1, 31), version="1.0.0", recipe=small, quick=True)
    return out


@pytest.fixture(scope="session")
def real() -> TrainingData:
    if not REAL_DATA.exists():
        pytest.skip("the training data is not here: it is no part of this repository")
    return read_training_data(REAL_DATA, CONTRACT)
