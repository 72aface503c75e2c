"""What the model foresees of a search spares it questions, and never changes what it finds."""

from __future__ import annotations

from collections.abc import Sequence
from unittest import mock

import pytest

from decision import Outcome, PolicyFiles, read_policy
from decision.counterfactuals import find_counterfactuals
from engine import Engine, open_model
from preprocessing.application import Application
from preprocessing.contract import read_contract_file
from scoring.artifact import read_artifact
from tests.applications import parse_application, portfolio
from tests.artifacts import MODEL_FOLDER, POLICY_FOLDER
from tests.books import BOOKS, EVERY_TYPE, contract_of
from tests.contracts import Small, applications, policy_of
from tests.properties.test_decisions import catalogue_of, engine_of


def explained(engine: Engine, asked: Sequence[Application]) -> int:
    """Explain applications in chunks, holding each offer against a search that foresees nothing; how many there are."""
    offers = 0
    for start in range(0, len(asked), 40):
        for assessment in engine.explain(asked[start : start + 40]):
            outcome = assessment.decision.outcome
            expected = find_counterfactuals(engine.contract, assessment.fields, outcome, engine.outcomes)
            assert expected == assessment.counterfactuals
            offers += len(expected)
    return offers


@pytest.mark.parametrize("name", ["every type", *BOOKS])
def test_of_every_book(name: str) -> None:
    if name == "every type":
        contract = contract_of(EVERY_TYPE)
        files = PolicyFiles(policy_of(contract, []), catalogue_of(contract), {})
    else:
        contract = read_contract_file(BOOKS[name] / "contract.json")
        files = read_policy(BOOKS[name] / "decision_policy.json", contract)
    engine = engine_of(Small(contract, applications(contract, 300, 7), 4, 7), files)
    assert explained(engine, applications(contract, 160, 8)) > 5 or name == "heloc"  # nothing helps there


def test_the_default_model_spares_most_questions() -> None:
    artifact = read_artifact(MODEL_FOLDER)
    files = read_policy(POLICY_FOLDER / "decision_policy.json", artifact.contract)
    engine = Engine(*open_model(artifact), files)
    asked = [parse_application(document) for document in portfolio(200, seed=12)]
    assert explained(engine, asked) > 40

    def questions() -> int:
        with mock.patch.object(engine, "outcomes", side_effect=engine.outcomes) as outcomes:
            engine.explain(asked)
        return sum(len(call.args[0]) for call in outcomes.call_args_list)

    foreseen = questions()
    refused = sum(each.decision.outcome is not Outcome.APPROVE for each in engine.assess(asked))
    assert foreseen < 5 * refused
    with mock.patch.object(engine._foresight, "guesses", side_effect=lambda searches, *_: [[] for _ in searches]):
        assert questions() > 3 * foreseen
