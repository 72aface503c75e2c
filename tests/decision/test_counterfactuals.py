"""The smallest changes that get a better decision: against trying every value, and every pair of values."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decision import Outcome, Policy, decide
from decision.counterfactuals import LOWEST_FRACTION, Counterfactual, Finder, find_counterfactuals
from decision.policy import better_outcomes, worst
from engine.steps import together
from preprocessing.application import Application
from tests.books import Document, contract_of
from tests.contracts import policy_of, rule_documents

SMALL: Document = {
    "format": 1, "name": "small", "version": "1.0.0", "amount": "amount",
    "label": {"column": "bad", "defaulted": [1], "repaid": [0]},
    "fields": [
        {"name": "income", "type": "number", "minimum": 1, "maximum": 1000, "direction": "falls", "example": 100},
        {"name": "amount", "type": "number", "minimum": 2, "maximum": 60, "direction": "rises", "actionable": "change",
         "example": 9},
        {"name": "ratio", "type": "ratio", "numerator": "amount", "denominator": "income", "maximum": 60,
         "direction": "rises"},
        {"name": "cover", "type": "ratio", "numerator": "income", "denominator": "amount", "maximum": 500,
         "direction": "falls", "use": "rules"},
        {"name": "years", "type": "number", "minimum": 0, "maximum": 12, "nullable": True, "direction": "falls",
         "actionable": "state"},
        {"name": "share", "type": "number", "minimum": 0.1, "maximum": 0.2, "direction": "falls", "use": "rules",
         "actionable": "change", "codes": {"unknown": -1}, "example": 0.1},
        {"name": "state", "type": "ordered", "categories": ["good", "fair", "poor"], "direction": "rises",
         "actionable": "change", "example": "good"},
        {"name": "backed", "type": "flag", "yes": "Y", "no": "N", "nullable": True, "direction": "falls",
         "missing": "own", "actionable": "state"},
    ],
}  # fmt: skip
CONTRACT = contract_of(SMALL | {"fields": [{"description": "d"} | field for field in SMALL["fields"]]})
ASKED = {"income": 100, "amount": 50, "years": 5, "share": 0.1, "state": "good", "backed": "Y"}
NO_RULES = policy_of(CONTRACT, [])
CHANGEABLE = [field.name for field in CONTRACT.actionable]

PD = Callable[[Application], float]


def found(pd: PD, policy: Policy = NO_RULES, **values: Any) -> tuple[Counterfactual, ...]:
    """What is offered to an application with these values."""
    fields = CONTRACT.parse(ASKED | values)

    def told(others: Sequence[Application]) -> list[tuple[Outcome, float]]:
        return [(decide(policy, other, pd(other)).outcome, pd(other)) for other in others]

    return find_counterfactuals(CONTRACT, fields, decide(policy, fields, pd(fields)).outcome, told)


def offers(pd: PD, policy: Policy = NO_RULES, **values: Any) -> list[tuple[str, dict[str, Any]]]:
    """Only what the applicant would do, by decision."""
    return [
        (offer.outcome.value, {name: value for name, value in offer.changes.items() if name in CHANGEABLE})
        for offer in found(pd, policy, **values)
    ]


class TestOffers:
    """A PD of .35 and over is conditional, of .6 and over a rejection."""

    def test_the_largest_amount_of_each_better_decision(self) -> None:
        """Best first, with the ratio that goes along."""
        assert found(lambda a: a["amount"] / 50) == (
            Counterfactual({"amount": 17, "ratio": 0.17, "cover": 100 / 17}, Outcome.APPROVE, 0.34),
            Counterfactual({"amount": 29, "ratio": 0.29, "cover": 100 / 29}, Outcome.CONDITIONAL_APPROVAL, 0.58),
        )

    def test_an_approval_has_none(self) -> None:
        """It has nothing to gain."""
        assert found(lambda _: 0.1) == ()

    def test_what_never_helps_is_not_offered(self) -> None:
        """Nor what a rule leaves no way round."""
        by_income = [{"id": "r", "description": "d", "outcome": "REJECT", "reason": "R",
                      "conditions": [{"field": "income", "op": "<=", "value": 100}]}]  # fmt: skip
        assert found(lambda _: 0.9) == ()
        assert found(lambda a: a["amount"] / 50, policy_of(CONTRACT, by_income)) == ()

    def test_amounts_under_the_fraction_are_no_offer(self) -> None:
        """Nor below the least that an application may state."""
        assert offers(lambda a: 0.1 if a["amount"] <= 5 else 0.9) == [("APPROVE", {"amount": 5})]
        assert offers(lambda a: 0.1 if a["amount"] < 5 else 0.9) == []
        assert offers(lambda a: 0.1 if a["amount"] < 2 else 0.9, amount=4) == []

    def test_what_was_left_out_is_stated_at_its_least(self) -> None:
        """And only that: nobody is told to have been employed for longer."""
        pd = lambda a: 0.9 if (a["years"] or 0) < 3 else 0.1  # noqa: E731  # used twice
        assert offers(pd, years=None) == [("APPROVE", {"years": 3})]
        assert offers(pd, years=1) == []
        assert offers(lambda a: 0.1 if a["backed"] else 0.9, backed=None) == [("APPROVE", {"backed": "N"})]

    def test_narrow_ranges_go_in_decimal_steps(self) -> None:
        """A state is no number to change."""
        assert offers(lambda a: 0.9 if a["share"] < 0.1625 else 0.1) == [("APPROVE", {"share": 0.163})]
        assert offers(lambda a: 0.9 if a["share"] == "unknown" else 0.1, share=-1) == []

    def test_integers_go_in_whole_units(self) -> None:
        """However narrow their range: an offer that the contract would refuse is none."""
        narrow = {"name": "level", "type": "integer", "minimum": 0, "maximum": 3, "direction": "falls",
                  "actionable": "change", "example": 0}  # fmt: skip
        described = [{"description": "d"} | field for field in (*SMALL["fields"], narrow)]
        contract = contract_of(SMALL | {"fields": described})
        fields = contract.parse(ASKED | {"level": 0})

        def told(others: Sequence[Application]) -> list[tuple[Outcome, float]]:
            return [(Outcome.APPROVE if a["level"] > 0.5 else Outcome.REJECT, 0.0) for a in others]

        (offer,) = find_counterfactuals(contract, fields, Outcome.REJECT, told)
        assert offer.changes == {"level": 1}
        assert contract.parse(ASKED | offer.changes)["level"] == 1

    def test_categories_in_their_order(self) -> None:
        """The next better one that is enough."""
        pds = {"good": 0.1, "fair": 0.4, "poor": 0.9}
        assert offers(lambda a: pds[a["state"]], state="poor") == [
            ("APPROVE", {"state": "good"}), ("CONDITIONAL_APPROVAL", {"state": "fair"}),
        ]  # fmt: skip

    def test_a_pair_where_neither_alone_is_enough(self) -> None:
        """After the single fields, and neither of the two is asked for more than it takes."""
        ranks = {"good": 0, "fair": 1, "poor": 2}
        assert offers(lambda a: 0.1 if a["amount"] + 10 * ranks[a["state"]] <= 14 else 0.9, state="poor") == [
            ("APPROVE", {"amount": 14, "state": "good"})
        ]

    @pytest.mark.parametrize("threshold", [999_999_999, 123_456_789, 100_000_000])
    def test_few_questions(self, threshold: int) -> None:
        """A threshold among a billion amounts is found by a few applications at a time: a quarter is left."""
        wide = [{"description": "d"} | field | {"maximum": 1e9} for field in SMALL["fields"][:3]]
        contract = contract_of(SMALL | {"fields": wide})
        fields = contract.parse({"income": 1, "amount": 1e9})
        asked: list[int] = []

        def told(others: Sequence[Application]) -> list[tuple[Outcome, float]]:
            asked.append(len(others))
            return [(Outcome.APPROVE if a["amount"] <= threshold else Outcome.REJECT, 0.0) for a in others]

        (offer,) = find_counterfactuals(contract, fields, Outcome.REJECT, told)
        assert offer.changes["amount"] == threshold
        assert len(asked) <= 1 + math.log(1e9, 4)
        assert max(asked) <= 4


def badness(application: Application) -> list[float]:
    """From 0 to 1 in each respect, missing values as bad as anything."""
    years, backed, share = application["years"], application["backed"], application["share"]
    return [
        min(1.0, application["amount"] / 60),
        min(1.0, application["ratio"]),
        1.0 if years is None else 1 - years / 12,
        {"good": 0.0, "fair": 0.4, "poor": 1.0}[application["state"]],
        {"Y": 0.0, "N": 0.7, None: 0.2}[backed],
        1 - 5 * (share if isinstance(share, float) else 0.0),
    ]


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_they_are_what_trying_everything_finds(data: st.DataObject) -> None:
    """Under any model that keeps to the directions, and any policy that does."""
    weights = data.draw(st.lists(st.floats(0, 4), min_size=6, max_size=6))
    steps, together, base = data.draw(st.integers(1, 9)), data.draw(st.floats(0, 4)), data.draw(st.floats(-6, 0))

    def pd(application: Application) -> float:
        bad = [math.floor(b * steps) / steps for b in badness(application)]
        log_odds = base + sum(weight * b for weight, b in zip(weights, bad, strict=True)) + together * bad[0] * bad[3]
        return 1 / (1 + math.exp(-log_odds))

    policy = policy_of(CONTRACT, [data.draw(rule_documents(CONTRACT)) for _ in range(data.draw(st.integers(0, 2)))])
    fields = CONTRACT.parse({
        "income": data.draw(st.integers(1, 200)),
        "amount": data.draw(st.integers(2, 60)),
        "years": data.draw(st.sampled_from([None, None, 0, 12])),
        "share": data.draw(st.sampled_from([-1, 0.185, 0.1955, 0.2])),
        "state": data.draw(st.sampled_from(["good", "fair", "poor"])),
        "backed": data.draw(st.sampled_from(["Y", "N", None])),
    })  # fmt: skip
    stated = {field.name: fields[field.name] for field in CONTRACT.fields}
    offered = {
        (offer.outcome, tuple(name for name in CHANGEABLE if name in offer.changes)): offer.changes
        for offer in found(pd, policy, **stated | {"share": -1 if stated["share"] == "unknown" else stated["share"]})
    }
    ways = {name: values for name in CHANGEABLE if (values := better_values(fields, name))}
    targets = better_outcomes(decide(policy, fields, pd(fields)).outcome)
    alone = set()
    for names in (*combinations(ways, 1), *combinations(ways, 2)):
        got = {}
        for places in product(*(range(len(ways[name])) for name in names)):
            other = CONTRACT.with_values(fields, {n: ways[n][i] for n, i in zip(names, places, strict=True)})
            got[places] = decide(policy, other, pd(other)).outcome
        for target in targets:
            offer = offered.pop((target, names), None)
            enough = {places for places, outcome in got.items() if worst(outcome, target) is target}
            if len(names) == 1:
                alone |= {(target, *names)} if enough else set()
            elif any((target, name) in alone for name in names):
                enough = set()
            least = [p for p in enough if not any(q != p and all(map(operator.le, q, p)) for q in enough)]
            if offer is not None:
                taken = tuple(ways[name].index(offer[name]) for name in names)
                assert taken in least
                assert got[taken] is target
            elif least:
                # The least that is enough gets a better decision still, under which it is offered.
                assert any(got[places] is not target for places in least)
                assert len(names) == 2 or got[least[0]] is not target
    assert offered == {}


@settings(max_examples=60)
@given(st.lists(st.none() | st.integers(1, 70), min_size=10, max_size=10), st.data())
def test_a_guess_settles_nothing(guesses: list[int | None], data: st.DataObject) -> None:
    """Good or bad, what is found is the same."""
    fields = CONTRACT.parse({
        **ASKED,
        "amount": data.draw(st.integers(2, 60)),
        "years": data.draw(st.sampled_from([None, 5])),
        "state": data.draw(st.sampled_from(["good", "fair", "poor"])),
        "backed": data.draw(st.sampled_from(["Y", None])),
    })  # fmt: skip
    weights = data.draw(st.lists(st.floats(0, 3), min_size=6, max_size=6))

    def told(others: Sequence[Application]) -> list[tuple[Outcome, float]]:
        pds = [1 / (1 + math.exp(3 - sum(map(operator.mul, weights, badness(other))))) for other in others]
        return [(decide(NO_RULES, other, pd).outcome, pd) for other, pd in zip(others, pds, strict=True)]

    ((outcome, _),) = told([fields])
    search = Finder(CONTRACT).search(fields, outcome)
    steps = {0: search.steps(guesses[: len(search.single)])}
    offers = together(steps, lambda asked: [told(others) for _, others in asked])[0]
    assert offers == find_counterfactuals(CONTRACT, fields, outcome, told)


def better_values(fields: Application, name: str) -> list[Any]:
    """What the applicant could have instead, from the least change on."""
    value = fields[name]
    if name == "amount":
        return [amount for amount in range(60, 1, -1) if value * LOWEST_FRACTION <= amount < value]
    if name == "share":
        return [] if value == "unknown" else [i / 1000 for i in range(100, 201) if i / 1000 > value]
    if name == "state":
        return ["fair", "good"][{"poor": 0, "fair": 1, "good": 2}[value] :]
    return ({"years": [*range(13)], "backed": ["N", "Y"]}[name]) if value is None else []
