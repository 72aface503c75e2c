"""A column at a time: the answers and the errors of the plain path, bit for bit, whatever the contract and the rows."""

from __future__ import annotations

import json
import random
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decision import PolicyFiles
from portfolio.assessor import Assessor, Options
from portfolio.columnar import reasoning
from preprocessing.contract import Contract
from tests.applications import portfolio
from tests.artifacts import MODEL_FOLDER, POLICY_FOLDER
from tests.books import BOOKS, DATA, EVERY_TYPE, ROOT, documents, train_book
from tests.contracts import Small, applications, contracts, policy_of, rule_documents, spoilt
from tests.portfolio.tables import assert_same, stated, texts, typed
from tests.properties.test_decisions import catalogue_of, engine_of

SEEDS = st.integers(0, 10**6)
TEXT = Options(text=True)


@st.composite
def assessors(draw: st.DrawFn) -> Assessor:
    contract = draw(contracts(scored=20))
    seed = draw(SEEDS)
    small = Small(contract, applications(contract, 120, seed), draw(st.integers(1, 6)), seed)
    policy = policy_of(contract, [draw(rule_documents(contract)) for _ in range(draw(st.integers(0, 3)))])
    files = PolicyFiles(policy, catalogue_of(contract), {})
    return Assessor(engine_of(small, files), files)


def some_spoilt(contract: Contract, n: int, seed: int) -> list[dict]:
    rng = random.Random(seed)
    return [spoilt(d, contract, rng) if rng.random() < 0.6 else d for d in documents(contract, n, seed)]


@settings(max_examples=20)
@given(assessors(), SEEDS)
def test_typed_columns(assessor: Assessor, seed: int) -> None:
    """Valid rows and spoilt ones, of any contract and policy."""
    table = typed(assessor.contract, some_spoilt(assessor.contract, 60, seed))
    documents_ = stated(assessor.contract, table, text=False)

    assert_same(assessor.engine, documents_, assessor.score(table))
    halves = assessor.score(table.slice(0, 30)), assessor.score(table.slice(30), 30)
    assert_same(assessor.engine, documents_[:30], halves[0])
    assert_same(assessor.engine, documents_[30:], halves[1], 30)


@settings(max_examples=20)
@given(assessors(), SEEDS)
def test_columns_of_texts(assessor: Assessor, seed: int) -> None:
    """As CSV has them: what says a number is one, what says nothing is missing, the rest is quarantined."""
    table = texts(assessor.contract, some_spoilt(assessor.contract, 60, seed))

    assert_same(assessor.engine, stated(assessor.contract, table, text=True), assessor.score(table, 0, TEXT))


@pytest.fixture(scope="module")
def assessor() -> Assessor:
    return Assessor.open(MODEL_FOLDER, POLICY_FOLDER / "decision_policy.json")


def default_rows(assessor: Assessor) -> list[dict]:
    golden = json.loads((MODEL_FOLDER / "golden_applications.json").read_bytes())["applications"]
    invented = documents(assessor.contract, 300, 5)
    return [*portfolio(1500, seed=4), *(each["application"] for each in golden), *invented]


def test_the_default_book(assessor: Assessor) -> None:
    """Its mix, its golden applications, and values from all over the contract."""
    table = typed(assessor.contract, default_rows(assessor))
    scored = assessor.score(table)

    assert_same(assessor.engine, stated(assessor.contract, table, text=False), scored)
    # What an answer says of a row depends on that row alone.
    order = random.Random(1).sample(range(table.num_rows), table.num_rows)
    again = assessor.score(table.take(order)).answers.drop_columns(["row"])
    assert scored.answers.drop_columns(["row"]).take(order).to_pylist() == again.to_pylist()


def test_what_is_too_close_to_tell_is_the_engine_s(assessor: Assessor) -> None:
    """With a wide margin every refused row is assessed by the engine: the same answers."""
    table = typed(assessor.contract, default_rows(assessor)[:400])
    expected = assessor.score(table).answers
    with (
        mock.patch.object(reasoning, "UNSURE", 1e9),
        mock.patch.object(assessor.engine, "assess", side_effect=assessor.engine.assess) as asked,
    ):
        assert expected.equals(assessor.score(table).answers)
    ((applications_,),) = [call.args for call in asked.call_args_list]
    assert len(applications_) > 100


def test_nothing_is_asked_of_the_engine_without_need(assessor: Assessor) -> None:
    """Of the default book's mix, no row is too close to tell."""
    with mock.patch.object(assessor.engine, "assess", side_effect=AssertionError("asked")):
        assert assessor.score(typed(assessor.contract, portfolio(1500, seed=4))).answers.num_rows == 1500


@pytest.fixture(scope="module", params=[*(name for name in BOOKS if name != "default"), "every type"])
def other_book(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Assessor:
    book, model = train_book(tmp_path_factory.mktemp("book"), BOOKS.get(request.param, EVERY_TYPE))
    return Assessor.open(model, book / "decision_policy.json")


@pytest.mark.slow
def test_other_books(other_book: Assessor) -> None:
    """Each of the books here, and one with a field of every type: as numbers and as texts, sound and spoilt."""
    contract = other_book.contract
    rows = [*documents(contract, 2000, 7), *some_spoilt(contract, 2000, 8)]
    table = typed(contract, rows)
    assert_same(other_book.engine, stated(contract, table, text=False), other_book.score(table))
    table = texts(contract, rows)
    assert_same(other_book.engine, stated(contract, table, text=True), other_book.score(table, 0, TEXT))


@pytest.mark.slow
def test_the_data_that_the_model_is_made_of(assessor: Assessor) -> None:
    """All of its rows, where the file is there."""
    path = Path(ROOT) / ".." / "shared" / "data" / DATA["default"]
    if not path.is_file():
        pytest.skip(f"{path} isn't here: the data set is no part of the project")
    lines = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    columns = dict(zip(lines[0], zip(*lines[1:], strict=True), strict=True))
    table = pa.table({field: pa.array(columns[field]) for field in assessor.contract.by_name if field in columns})
    assert table.num_rows > 30_000
    assert_same(assessor.engine, stated(assessor.contract, table, text=True), assessor.score(table, 0, TEXT))
