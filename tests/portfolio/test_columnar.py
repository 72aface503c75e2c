"""A column at a time: the answers and the errors of the plain path, bit for bit, whatever the contract and the rows."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from decision import PolicyFiles
from portfolio.assessor import Assessor, Options
from preprocessing.contract import Contract
from tests.books import documents
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


@settings(max_examples=40)
@given(assessors(), SEEDS)
def test_typed_columns(assessor: Assessor, seed: int) -> None:
    """Valid rows and spoilt ones, of any contract and policy."""
    table = typed(assessor.contract, some_spoilt(assessor.contract, 60, seed))
    documents_ = stated(assessor.contract, table, text=False)

    assert_same(assessor.engine, documents_, assessor.score(table))
    halves = assessor.score(table.slice(0, 30)), assessor.score(table.slice(30), 30)
    assert_same(assessor.engine, documents_[:30], halves[0])
    assert_same(assessor.engine, documents_[30:], halves[1], 30)


@settings(max_examples=40)
@given(assessors(), SEEDS)
def test_columns_of_texts(assessor: Assessor, seed: int) -> None:
    """As CSV has them: what says a number is one, what says nothing is missing, the rest is quarantined."""
    table = texts(assessor.contract, some_spoilt(assessor.contract, 60, seed))

    assert_same(assessor.engine, stated(assessor.contract, table, text=True), assessor.score(table, 0, TEXT))
