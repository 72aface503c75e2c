"""Policies and counterfactuals over drawn contracts: conditions as their words say, offers as trying everything."""

from __future__ import annotations

import json
import operator
import random
from collections.abc import Container, Mapping, Sequence
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from decision import Outcome, PolicyFiles, decide
from decision.counterfactuals import LOWEST_FRACTION
from decision.policy import OUTSIDE, Condition, Example, better_outcomes, worst
from decision.reasons import ReasonCatalogue
from engine import Assessment, Engine
from preprocessing.application import Application
from preprocessing.contract import Contract, InvalidContractError
from preprocessing.fields import AnyField
from scoring.attribution import Attributor
from scoring.ranges import KnownRanges
from tests.books import Document, contract_of, documents
from tests.contracts import Small, applications, contracts, distribution_of, policy_of, refusal, rule_documents, spoilt

SEEDS = st.integers(0, 10**6)
MOST_TRIED = 1500
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def holds(condition: Condition, value: Any, outside: Container[str]) -> bool:
    """What a condition's words mean."""
    if condition.op == OUTSIDE:
        return condition.field in outside
    if condition.op == "is_null":
        return value is None
    if value is None:
        return False
    wanted = condition.value if isinstance(condition.value, list) else [condition.value]
    # A state is no number, and a number no state: nothing of one kind is equal to, or other than, one of the other.
    alike = [other for other in wanted if isinstance(other, str) == isinstance(value, str)]
    if condition.op in COMPARE:
        return bool(alike) and COMPARE[condition.op](value, alike[0])
    return bool(alike) and ((alike[0] != value) if condition.op == "!=" else value in alike)


def catalogue_of(contract: Contract) -> ReasonCatalogue:
    """A reason for each scored field, and the one that drawn rules give."""
    reasons = [
        {"code": f"S{i}", "field": name, "scores": [name], "text": name} for i, name in enumerate(contract.scored)
    ]
    rule = {"code": "R", "field": contract.scored[0], "scores": [], "text": "By a rule."}
    document = {"format": 1, "version": "1.0.0", "reasons": [*reasons, rule]}
    return ReasonCatalogue.model_validate_json(json.dumps(document))


class TestRules:
    @settings(max_examples=60)
    @given(st.data(), contracts(scored=20), SEEDS)
    def test_mean_what_they_say(self, data: st.DataObject, contract: Contract, seed: int) -> None:
        """On numbers, states, missing values and categories; and the outcome is the worst of band and rules."""
        policy = policy_of(contract, [data.draw(rule_documents(contract)) for _ in range(3)])
        known = KnownRanges(contract, distribution_of(contract))
        for application in applications(contract, 20, seed):
            outside = known.outside(application).worse
            matched = [
                rule for rule in policy.rules if all(holds(c, application[c.field], outside) for c in rule.conditions)
            ]
            for pd in (0.0, 0.34, 0.35, 0.59, 0.6, 1.0):
                decision = decide(policy, application, pd, outside)

                assert matched == list(decision.rules)
                expected = policy.band(pd)
                for rule in matched:
                    expected = worst(expected, rule.outcome)
                assert expected is decision.outcome
                assert list(Outcome).index(decision.outcome) >= list(Outcome).index(decision.band)
                assert decision.prediction == (decision.band is Outcome.REJECT)

    @settings(max_examples=40)
    @given(contracts(scored=20), SEEDS)
    def test_examples_are_within_the_contract(self, contract: Contract, seed: int) -> None:
        """An example that no applicant could send is refused, for the fields that an application would be."""
        rng = random.Random(seed)
        ruled = {field.name for field in contract.fields if field.for_rules}
        for sound in documents(contract, 10, seed):
            fields = {name: spoilt(sound, contract, rng).get(name) for name in ruled}
            if not all(value is None or type(value) in (int, float, str) for value in fields.values()):
                continue
            text = json.dumps({"name": "e", "fields": fields, "probability_of_default": 0, "expected": "APPROVE"})
            if errors := refusal(contract, {**contract.example, **fields}):
                with pytest.raises(ValidationError) as refused:
                    Example.model_validate_json(text, context={"contract": contract})
                assert all(f"{error.loc[0]}: {error.msg}" in str(refused.value) for error in errors)
            else:
                Example.model_validate_json(text, context={"contract": contract})


class TestCounterfactuals:
    @settings(max_examples=60)
    @given(st.data(), contracts(amount=True), st.integers(1, 4), SEEDS)
    def test_are_what_trying_everything_finds(
        self, data: st.DataObject, contract: Contract, depth: int, seed: int
    ) -> None:
        """What is offered is kept when it is taken, a step less is not enough, and what isn't offered doesn't help."""
        small = Small(contract, applications(contract, 120, seed), depth, seed)
        about = [[field.name for field in contract.actionable], []]
        rules = [data.draw(rule_documents(contract, names)) for names in about if data.draw(st.booleans())]
        engine = engine_of(small, PolicyFiles(policy_of(contract, rules), catalogue_of(contract), {}))
        for document in documents(contract, 8, seed + 1):
            (assessment,) = engine.explain([contract.parse(document)])
            for offer in assessment.counterfactuals:
                (again,) = engine.assess([contract.parse(document | dict(offer.changes))])
                assert (offer.outcome, offer.pd) == (again.decision.outcome, again.pd)
            check_complete(engine, assessment)

    @settings(max_examples=30)
    @given(st.data(), contracts(amount=True), st.integers(1, 4), SEEDS)
    def test_no_larger_amount_gets_a_better_decision(
        self, data: st.DataObject, contract: Contract, depth: int, seed: int
    ) -> None:
        """Whatever rules a policy may have."""
        small = Small(contract, applications(contract, 120, seed), depth, seed)
        rules = [data.draw(rule_documents(contract)) for _ in range(3)]
        engine = engine_of(small, PolicyFiles(policy_of(contract, rules), catalogue_of(contract), {}))
        assert contract.amount is not None
        most = contract.number(contract.amount).greatest
        for application in applications(contract, 8, seed + 1):
            amounts = sorted({application[contract.amount], most, *(most * i / 40 for i in range(40))})
            rising = [a for a in amounts if a >= application[contract.amount]]
            got = gets(engine, application, [{contract.amount: amount} for amount in rising])
            assert got == sorted(got, key=list(Outcome).index)


def engine_of(small: Small, files: PolicyFiles) -> Engine:
    """As a process has it."""
    tables = small.scorer.leaves.build_tables(small.matrix[:4])
    return Engine(small.scorer, Attributor(small.scorer.leaves, tables), files)


def gets(engine: Engine, fields: Application, others: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """The decisions on an application with other values."""
    changed = [engine.contract.with_values(fields, values) for values in others]
    pds = engine.scorer.score(changed).pd.tolist() if changed else []
    outside = [engine.scorer.ranges.outside(other).worse for other in changed]
    return [decide(engine.policy, *case).outcome for case in zip(changed, pds, outside, strict=True)]


def better_values(contract: Contract, fields: Application, field: AnyField) -> list[Any]:
    """What an applicant could have instead, from the least change on."""
    value, values = fields[field.name], field.worst_first
    if field.actionable == "state":
        return list(values) if value is None else []
    if value is None or (isinstance(value, str) and not field.choices):
        return []
    if field.choices:
        return list(values[values.index(value) + 1 :])
    better = [other for other in values if (other < value if field.direction == "rises" else other > value)]
    return [v for v in better if field.name != contract.amount or v >= value * LOWEST_FRACTION]


def check_complete(engine: Engine, assessment: Assessment) -> None:
    """Offers against all values of each field, and of each pair, of which there are not too many to try."""
    contract, fields = engine.contract, assessment.fields
    few = [field for field in contract.actionable if len(field.worst_first) <= MOST_TRIED]
    values = {f.name: tried for f in few if (tried := better_values(contract, fields, f))}
    outcomes = {name: gets(engine, fields, [{name: v} for v in tried]) for name, tried in values.items()}
    offered: dict[tuple[Outcome, frozenset[str]], Mapping[str, Any]] = {}
    for offer in assessment.counterfactuals:
        own = {field.name: offer.changes[field.name] for field in contract.actionable if field.name in offer.changes}
        offered[offer.outcome, frozenset(own)] = own
    assert len(assessment.counterfactuals) == len(offered)
    for target in better_outcomes(assessment.decision.outcome):

        def enough(outcome: Outcome, target: Outcome = target) -> bool:
            return worst(outcome, target) is target

        for name, tried in values.items():
            first = next((i for i, outcome in enumerate(outcomes[name]) if enough(outcome)), None)
            exact = first is not None and outcomes[name][first] is target
            expected = {name: tried[first]} if exact and first is not None else None
            assert expected == offered.get((target, frozenset([name])))
        for a, b in combinations(values, 2):
            pair = offered.get((target, frozenset([a, b])))
            if any(map(enough, outcomes[a])) or any(map(enough, outcomes[b])):
                assert pair is None
            elif len(values[a]) * len(values[b]) <= MOST_TRIED:
                both = [{a: x, b: y} for x in values[a] for y in values[b]]
                got = dict(zip(((v[a], v[b]) for v in both), gets(engine, fields, both), strict=True))
                if pair is None:
                    # One that gets the decision would be offered, unless the least that gets it gets a better one.
                    better = [offered.get((better, frozenset([a, b]))) for better in better_outcomes(target)]
                    assert any(better) or not any(map(enough, got.values()))
                    continue
                i, j = values[a].index(pair[a]), values[b].index(pair[b])
                less = [(values[a][k], pair[b]) for k in range(i)] + [(pair[a], values[b][k]) for k in range(j)]
                assert got[pair[a], pair[b]] is target
                assert not any(enough(got[x, y]) for x, y in less)


AGED: Document = {
    "format": 1, "name": "aged", "version": "1.0.0", "age": "age",
    "label": {"column": "bad", "defaulted": [1], "repaid": [0]},
    "fields": [
        {"name": "sum", "type": "number", "description": "d", "minimum": 0, "maximum": 1e6, "example": 1},
        {"name": "age", "type": "number", "description": "d", "minimum": 1, "maximum": 1e12, "use": "rules",
         "example": 1},
    ],
}  # fmt: skip


class TestOldAge:
    @pytest.mark.parametrize(
        ("conditions", "taken"),
        [
            ([("<", 18)], True),
            ([("<", 62)], True),
            ([("<=", 62)], False),
            ([("<", 62.0001)], False),
            ([(">", 62.1), ("<", 62.9)], False),
            ([(">", 70), ("<", 71), ("!=", 70.5)], False),
            ([("==", 80.25)], False),
            ([("in", [17, 99.5])], False),
            ([(">", 61), ("<", 61.5)], True),
            ([("!=", 40)], False),
            ([(">=", 1e12)], False),
            ([(">", 1e12)], True),
        ],
    )
    def test_no_protected_age_is_counted(self, conditions: list[tuple[str, Any]], taken: bool) -> None:
        """Not between two whole years either; and a contract of wide ages is not tried year by year."""
        rule = {"id": "r", "description": "d", "outcome": "REJECT", "reason": "R",
                "conditions": [{"field": "age", "op": op, "value": value} for op, value in conditions]}  # fmt: skip

        if taken:
            policy_of(contract_of(AGED), [rule])
        else:
            with pytest.raises(ValidationError, match="counts the age"):
                policy_of(contract_of(AGED), [rule])

    def test_no_ratio_of_the_age_is_ruled_by(self) -> None:
        """It would be the age under another name."""
        ratio = {"name": "r", "type": "ratio", "description": "d", "numerator": "sum", "denominator": "age",
                 "maximum": 1e6, "use": "rules"}  # fmt: skip

        with pytest.raises(InvalidContractError, match="age: r is made of it"):
            contract_of(AGED | {"fields": [*AGED["fields"], ratio]})

        contract_of(AGED | {"fields": [*AGED["fields"], ratio | {"use": "reports"}]})


@pytest.mark.parametrize(("least", "maximum", "taken"), [(1, 1e6, True), (1, 1e6 - 1, False), (1e-300, 1e12, False)])
def test_a_ratio_may_be_stated_as_it_may_be_computed(least: float, maximum: float, taken: bool) -> None:
    """Or an offer would ask for a ratio that is refused; and the model would be asked about infinity."""
    numbers = [{"name": name, "type": "number", "description": "d", "minimum": low, "maximum": 1e6, "example": 1}
               for name, low in (("above", 0), ("below", least))]  # fmt: skip
    ratio = {"name": "r", "type": "ratio", "description": "d", "numerator": "above", "denominator": "below",
             "maximum": maximum}  # fmt: skip
    document = {**AGED, "age": None, "fields": [*numbers, ratio]}

    if taken:
        assert contract_of(document).parse({"above": 1e6, "below": least, "r": maximum})["r"] == maximum
    else:
        with pytest.raises(InvalidContractError, match="the two fields' ranges allow"):
            contract_of(document)
