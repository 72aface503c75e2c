"""A column at a time: the answers and the errors of the plain path, bit for bit, whatever the contract and the rows."""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import ModuleType
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decision import PolicyFiles, read_policy
from decision.policy import Telling
from decision.reasons import ReasonCatalogue
from engine import Engine
from engine.columnar import reasoning
from portfolio.assessor import Assessor, Options
from preprocessing.contract import Contract, read_contract_file
from scoring import attribution, boosting
from tests.applications import portfolio
from tests.artifacts import MODEL_FOLDER, POLICY_FOLDER
from tests.books import BOOKS, DATA, ROOT, documents
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


def test_reasons_that_say_the_same(assessor: Assessor) -> None:
    """Of two with one text the first is told, and a later one takes the other's place; some say it of some values."""
    *_, last = assessor.files.catalogue.scored
    entries = [
        entry.model_copy(update={"text": f"text {entry is last}", "text_by_value": {}, "text_if_missing": "nothing"})
        for entry in assessor.files.catalogue.reasons
    ]
    policy = assessor.files.policy.model_copy(update={"reasons": Telling(materiality=0.001)})
    # Anew: a copy would take along what was worked out of the old reasons.
    catalogue = ReasonCatalogue(format=1, version=assessor.files.catalogue.version, reasons=tuple(entries))
    files = PolicyFiles(policy, catalogue, {})
    same = Assessor(Engine(assessor.engine.scorer, assessor.engine.attributor, files), files)
    for rows in (portfolio(1200, seed=6), [row | {"person_emp_length": 3.0} for row in portfolio(300, seed=7)]):
        table = typed(same.contract, rows)
        assert_same(same.engine, stated(same.contract, table, text=False), same.score(table))


@pytest.mark.parametrize(
    ("module", "name", "limit"), [(boosting, "MOST_IN_TABLES", -1), (attribution, "DENSE_FIELDS", 0)]
)
def test_models_too_wide_for_tables(module: ModuleType, name: str, limit: int, assessor: Assessor) -> None:
    """Where features or fields are too many for quick sums: another way, the same answers."""
    with mock.patch.object(module, name, limit):
        wide = Assessor.open(MODEL_FOLDER, POLICY_FOLDER / "decision_policy.json")
        table = typed(assessor.contract, default_rows(assessor)[:300])
        assert assessor.score(table).answers.equals(wide.score(table).answers)


@pytest.mark.parametrize("book", BOOKS)
def test_every_book(book: str) -> None:
    """Its contract, policy and reasons, with a model of drawn rows: as numbers and as texts, sound and spoilt."""
    contract = read_contract_file(BOOKS[book] / "contract.json")
    files = read_policy(BOOKS[book] / "decision_policy.json", contract)
    small = Small(contract, applications(contract, 300, 7), 4, 7)
    assessor = Assessor(engine_of(small, files), files)
    rows = [*documents(contract, 300, 7), *some_spoilt(contract, 300, 8)]
    table = typed(contract, rows)
    assert_same(assessor.engine, stated(contract, table, text=False), assessor.score(table))
    table = texts(contract, rows)
    assert_same(assessor.engine, stated(contract, table, text=True), assessor.score(table, 0, TEXT))


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
