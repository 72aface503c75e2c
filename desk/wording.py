"""A policy as a person reads it: rules in words, and what a draft changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from decision import Outcome, Policy
from decision.policy import OUTSIDE, Condition, Rule
from desk.fields import labels
from desk.rendering import percentage, plain
from preprocessing.contract import Contract
from preprocessing.fields import Integer, Number

_VERBS = {
    "<": "is below",
    "<=": "is at most",
    ">": "is above",
    ">=": "is at least",
    "==": "is",
    "!=": "is other than",
    "in": "is one of",
}


@dataclass(frozen=True, slots=True)
class Worded:
    """A rule.

    Attributes:
        id: of the rule.
        description: its author's.
        conditions: in words; all have to hold.
        outcome: that it brings at best.
        code: of the reason that it gives.
    """

    id: str
    description: str
    conditions: tuple[str, ...]
    outcome: str
    code: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What a draft changes.

    Attributes:
        what: is another.
        before: in the policy in force; empty where it has none such.
        after: in the draft; empty where it has none such.
    """

    what: str
    before: str
    after: str


def worded(rule: Rule, contract: Contract) -> Worded:
    """A rule in words."""
    called = labels(contract)
    conditions = tuple(_condition(each, contract, called[each.field]) for each in rule.conditions)
    return Worded(rule.id, rule.description, conditions, rule.outcome.value, rule.reason)


def differences(policy: Policy, draft: Policy, contract: Contract) -> list[Difference]:
    """All that decides otherwise, or is said otherwise; nothing of how the files are written."""
    pairs = [(name, say(policy), say(draft)) for name, say in _PLAIN.items()]
    found = [Difference(name, before, after) for name, before, after in pairs if before != after]
    return [*found, *_of_rules(policy, draft, contract), *_of_examples(policy, draft)]


def scale(policy: Policy) -> str:
    """How a score is made."""
    score = policy.score
    return (
        f"{score.minimum} to {score.maximum}; {plain(score.base_score)} at odds of {plain(score.base_odds)} to 1, "
        f"{plain(score.points_to_double_odds)} points for twice as good odds"
    )


_PLAIN: Mapping[str, Callable[[Policy], str]] = {
    "Version": lambda policy: policy.version,
    "Effective date": lambda policy: policy.effective_date.isoformat(),
    "Version of the reasons": lambda policy: policy.reason_catalogue,
    "Approved below a probability of default of": lambda policy: percentage(policy.thresholds.approve_below, 2),
    "Rejected from a probability of default of": lambda policy: percentage(policy.thresholds.reject_from, 2),
    "Scale of the score": scale,
    "A factor is told that makes up at least": lambda policy: percentage(policy.reasons.materiality),
}


def _of_rules(policy: Policy, draft: Policy, contract: Contract) -> Iterator[Difference]:
    before, after = ({rule.id: rule for rule in each.rules} for each in (policy, draft))
    for name in dict.fromkeys([*before, *after]):
        texts = [_sentence(rules[name], contract) if name in rules else "" for rules in (before, after)]
        if texts[0] != texts[1]:
            yield Difference(f"Rule {name}", *texts)
    kept = [[name for name in rules if name in before and name in after] for rules in (before, after)]
    if kept[0] != kept[1]:
        yield Difference("Order of the rules", ", ".join(before), ", ".join(after))


def _of_examples(policy: Policy, draft: Policy) -> Iterator[Difference]:
    before, after = ({each.name: each for each in one.examples} for one in (policy, draft))
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            texts = [f"expects {_outcome(each[name].expected)}" if name in each else "" for each in (before, after)]
            yield Difference(f"Example “{name}”", *texts)


def _sentence(rule: Rule, contract: Contract) -> str:
    said = worded(rule, contract)
    conditions = " and ".join(said.conditions)
    return f"Where {conditions}: {_outcome(rule.outcome)} at best, for {said.code}. {rule.description}"


def _outcome(outcome: Outcome) -> str:
    return outcome.value.replace("_", " ").lower()


def _condition(condition: Condition, contract: Contract, called: str) -> str:
    name = f"“{called}”"
    if condition.op == "is_null":
        return f"{name} is not stated"
    if condition.op == OUTSIDE:
        return f"{name} lies beyond what the model has learned from, on the side of the higher risk"
    field = contract.by_name[condition.field]
    unit = f" {field.unit}" if isinstance(field, Number | Integer) and field.unit else ""
    values = [_value(each) for each in condition.values]
    return f"{name} {_VERBS[condition.op]} {', '.join(values)}{unit if not isinstance(condition.value, str) else ''}"


def _value(value: Any) -> str:
    return plain(value) if isinstance(value, int | float) else str(value)
