"""The policy file and the pure function that applies it.

A policy is data: two thresholds on the probability of default (PD), the scale of the credit score, rules that can only
worsen an outcome, the version of the reason catalogue, and examples that are run whenever the file is loaded.
Conditions are declarative: a field, an operator, a value. There is no expression language, and nothing is evaluated.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Container
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple, Protocol, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from decision.reversals import escapes, reversals, told_apart
from decision.score import ScoreScale
from preprocessing.application import Application, InvalidApplicationError
from preprocessing.contract import Contract
from preprocessing.documents import Strict
from preprocessing.fields import MAX_NUMBER, Integer


class Outcome(StrEnum):
    """What the lender does, best first."""

    APPROVE = "APPROVE"
    CONDITIONAL_APPROVAL = "CONDITIONAL_APPROVAL"
    REJECT = "REJECT"


_SEVERITY = {outcome: severity for severity, outcome in enumerate(Outcome)}

Scalar = int | float | str


def contract_of(info: ValidationInfo) -> Contract:
    """The contract that a policy is validated against, from the validation context."""
    contract = (info.context or {}).get("contract")
    assert isinstance(contract, Contract), "a policy is validated with the context {'contract': …}"
    return contract


FIRST_PROTECTED_AGE = 62
"""From this age on, an applicant's age must never count against them."""


class Matches(Protocol):
    """A test of an application."""

    def __call__(self, fields: Application, outside: Container[str] = (), /) -> bool:
        """Whether it holds; `outside` as in `decide`."""


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda value, bound: not isinstance(value, str) and value < bound,
    "<=": lambda value, bound: not isinstance(value, str) and value <= bound,
    ">": lambda value, bound: not isinstance(value, str) and value > bound,
    ">=": lambda value, bound: not isinstance(value, str) and value >= bound,
    "==": operator.eq,
    "!=": lambda value, other: isinstance(value, str) is isinstance(other, str) and value != other,
    "in": lambda value, choices: value in choices,
}
"""A field with special codes holds a number or the name of a state, which no number is compared with."""


OUTSIDE = "outside_training_range"
"""Holds where a value lies so far out that the model has not learned from any like it, on the side of the higher risk.

Where a field has a direction, values beyond its better end are as unknown to the model; but a rule that held for them
would take from an applicant what an improvement had brought.
"""


class Condition(Strict):
    """One test of one field. Of a missing value (None) `is_null` holds, `outside_training_range` may, and no other.

    What a condition may name is the contract's, in the validation context; see `decision.files.read_policy`.
    """

    field: str
    op: Literal["<", "<=", ">", ">=", "==", "!=", "in", "is_null", "outside_training_range"]
    value: Scalar | list[Scalar] | None = None

    @field_validator("value")
    @classmethod
    def _within_bounds(cls, value: Scalar | list[Scalar] | None) -> Scalar | list[Scalar] | None:
        numbers = value if isinstance(value, list) else [value]
        if any(isinstance(number, int | float) and abs(number) > MAX_NUMBER for number in numbers):
            raise ValueError(f"numbers lie between -{MAX_NUMBER:g} and {MAX_NUMBER:g}")
        return value

    @model_validator(mode="after")
    def _fits_the_field(self, info: ValidationInfo) -> Self:
        known = {field.name: field for field in contract_of(info).fields if field.for_rules}
        field = known.get(self.field)
        if field is None:
            raise ValueError(f"unknown field {self.field!r}; use one of {', '.join(sorted(known))}")
        if self.op in ("is_null", OUTSIDE):
            if self.value is not None:
                raise ValueError(f"{self.op} takes no value; remove it")
            if self.op == OUTSIDE and not field.scored:
                raise ValueError(
                    f"{self.field} is not scored, so that no range of it is known; compare it with a value"
                )
            return self
        if isinstance(self.value, list) != (self.op == "in"):
            raise ValueError(f"{self.op!r} takes {'a list' if self.op == 'in' else 'one value'}")
        if self.value == []:
            raise ValueError("'in' takes at least one value")
        if field.choices:
            self._check_texts(field.choices)
        else:
            self._check_numbers(field.states)
        return self

    @property
    def values(self) -> list[Scalar | None]:
        """What the field is compared with."""
        return [*self.value] if isinstance(self.value, list) else [self.value]

    def _check_texts(self, choices: tuple[str, ...]) -> None:
        if self.op not in ("==", "!=", "in"):
            raise ValueError(f"{self.field} is a category; compare it by ==, != or in")
        if any(value not in choices for value in self.values):
            raise ValueError(f"{self.field} takes {', '.join(sorted(choices))}")

    def _check_numbers(self, states: tuple[str, ...]) -> None:
        others = [value for value in self.values if not isinstance(value, int | float)]
        if any(value not in states for value in others):
            by_name = f", or by ==, != or in with {', '.join(states)}" if states else ""
            raise ValueError(f"{self.field} is a number; compare it with numbers{by_name}")
        for state in others:
            if self.op not in ("==", "!=", "in"):
                raise ValueError(f"{state} is a state of {self.field}; compare it by ==, != or in")

    @cached_property
    def matches(self) -> Matches:
        """Whether an application satisfies this condition."""
        field, bound = self.field, self.value
        if self.op == OUTSIDE:
            return lambda _, outside=(): field in outside
        if self.op == "is_null":
            return lambda fields, _=(): fields[field] is None
        compare = _COMPARE[self.op]
        return lambda fields, _=(): (value := fields[field]) is not None and compare(value, bound)


class Rule(Strict):
    """A conjunction of conditions that, when all hold, makes the outcome at least as bad as `outcome`, for `reason`."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    description: str
    conditions: Annotated[tuple[Condition, ...], Field(min_length=1)]
    outcome: Outcome
    reason: str

    @model_validator(mode="after")
    def _may_be(self, info: ValidationInfo) -> Self:
        contract = contract_of(info)
        problems = [f"rule {self.id} {problem}" for problem in reversals(self.conditions, contract)]
        if self.outcome is Outcome.APPROVE:
            problems.append("a rule can only worsen an outcome; use CONDITIONAL_APPROVAL or REJECT")
        if self._counts_old_age(contract):
            problems.append(
                f"counts the age of applicants of {FIRST_PROTECTED_AGE} and over against them (Reg B, 12 CFR "
                f"1002.6(b)(2)); add a condition on {contract.age} that ends below {FIRST_PROTECTED_AGE}"
            )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _counts_old_age(self, contract: Contract) -> bool:
        ages = [condition for condition in self.conditions if condition.field == contract.age]
        if not ages or contract.age is None:
            return False
        field = contract.number(contract.age)
        bounds = [value for condition in ages for value in condition.values]
        protected = told_apart(bounds, FIRST_PROTECTED_AGE, field.maximum, whole=isinstance(field, Integer))
        return any(all(c.matches({contract.age: age}) for c in ages) for age in protected)

    @cached_property
    def matches(self) -> Matches:
        """Whether every condition holds of an application."""
        first, *others = (condition.matches for condition in self.conditions)
        if not others:
            return first
        return lambda fields, outside=(): first(fields, outside) and all(holds(fields, outside) for holds in others)


class Thresholds(Strict):
    """Bands of the PD: approve below `approve_below`, reject from `reject_from` on, conditional between."""

    approve_below: Annotated[float, Field(gt=0, lt=1)]
    reject_from: Annotated[float, Field(gt=0, lt=1)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.approve_below > self.reject_from:
            raise ValueError("approve_below lies above reject_from; swap or correct them")
        return self

    @cached_property
    def log_odds(self) -> float:
        """Those of `approve_below`."""
        return _log_odds(self.approve_below)


class Telling(Strict):
    """Which of the score's factors are principal reasons.

    Attributes:
        materiality: share that a factor makes up at least of the log-odds between the applicant's PD and the approval
            threshold.
    """

    materiality: Annotated[float, Field(ge=0, le=1)] = 0.2


class Example(Strict):
    """A case that the policy's author decided by hand; the loader checks that the policy agrees.

    Attributes:
        name: what the case shows.
        fields: every field that rules may name.
        probability_of_default: as if the model had said so.
        expected: the outcome.
        rules: ids of the rules that match, in the policy's order.
        credit_score: where the author worked it out.
        outside_training_range: the scored fields of which `outside_training_range` holds, as if the model had said so.
    """

    name: str
    fields: dict[str, Scalar | None]
    probability_of_default: Annotated[float, Field(ge=0, le=1)]
    expected: Outcome
    rules: tuple[str, ...] = ()
    credit_score: int | None = None
    outside_training_range: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _within_the_contract(self, info: ValidationInfo) -> Self:
        contract = contract_of(info)
        known = {field.name for field in contract.fields if field.for_rules}
        problems = []
        if wrong := ", ".join(sorted(known ^ self.fields.keys())):
            problems.append(f"an example states every field that rules may name once; missing or unknown: {wrong}")
        if unscored := ", ".join(sorted({*self.outside_training_range} - {*contract.scored})):
            problems.append(f"outside_training_range: names scored fields, and not {unscored}; remove what is none")
        try:
            self.application(contract)
        except InvalidApplicationError as exc:
            stated = [error for error in exc.errors if {*error.loc} & self.fields.keys() & known]
            problems += [f"{'.'.join(map(str, error.loc))}: {error.msg}" for error in stated]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def application(self, contract: Contract) -> Application:
        """The case as the contract reads it; what rules can't name is taken from the contract's own example."""
        return contract.parse({**contract.example, **self.fields})


class Policy(Strict):
    """A decision policy, complete and checked.

    Attributes:
        format: of the file.
        version: of the policy; a changed policy has a new one.
        effective_date: information, never compared with the clock.
        reason_catalogue: version of the catalogue that the rules' reasons are from.
        thresholds: bands of the PD.
        score: scale of the credit score.
        rules: all are evaluated, and the worst outcome wins.
        examples: run when the policy is loaded.
        reasons: which of the score's factors are told.
    """

    format: Literal[1]
    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    effective_date: date
    reason_catalogue: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    thresholds: Thresholds
    score: ScoreScale
    rules: tuple[Rule, ...]
    examples: Annotated[tuple[Example, ...], Field(min_length=1)]
    reasons: Telling = Telling()

    @model_validator(mode="after")
    def _holds(self, info: ValidationInfo) -> Self:
        if problems := self.problems(contract_of(info)):
            raise ValueError("\n".join(problems))
        return self

    def problems(self, contract: Contract) -> list[str]:
        """What the parts contradict each other in, a line each: rules with one id, ways around a rule, and examples.

        An example that is decided otherwise than it says contradicts the rules.
        """
        ids = [rule.id for rule in self.rules]
        twice = sorted({id_ for id_ in ids if ids.count(id_) > 1})
        problems = [f"rule id used twice: {', '.join(twice)}; give each rule its own"] if twice else []
        for rule in self.rules:
            as_bad = [other.conditions for other in self.rules if worst(other.outcome, rule.outcome) is other.outcome]
            problems += [f"rule {rule.id} {problem}" for problem in escapes(rule.conditions, as_bad, contract)]
        for example in self.examples:
            decision = decide(
                self, example.application(contract), example.probability_of_default, example.outside_training_range
            )
            problems += [
                f"example {example.name!r} expects {what} {expected} but the policy gives {decided}; "
                "correct the example or the policy"
                for what, expected, decided in (
                    ("outcome", example.expected, decision.outcome),
                    ("rules", list(example.rules), [rule.id for rule in decision.rules]),
                    ("credit_score", example.credit_score, decision.credit_score),
                )
                if expected != decided and expected is not None
            ]
        return problems

    def least_impact(self, pd: float) -> float:
        """The log-odds that a factor has to add to be one of the principal reasons for not approving at this PD."""
        return self.reasons.materiality * (_log_odds(pd) - self.thresholds.log_odds)

    def band(self, pd: float) -> Outcome:
        """The outcome that the PD alone would bring."""
        if pd >= self.thresholds.reject_from:
            return Outcome.REJECT
        return Outcome.CONDITIONAL_APPROVAL if pd >= self.thresholds.approve_below else Outcome.APPROVE


class Decision(NamedTuple):
    """What the policy decided, and why.

    Attributes:
        outcome: the worst of `band` and of every rule that matched.
        band: the outcome that the PD alone would have brought.
        prediction: 1 where the PD reaches the reject threshold, else 0.
        credit_score: the PD on the policy's scale.
        rules: the rules that matched, in the policy's order.
    """

    outcome: Outcome
    band: Outcome
    prediction: int
    credit_score: int
    rules: tuple[Rule, ...]


def decide(policy: Policy, fields: Application, pd: float, outside: Container[str] = ()) -> Decision:
    """Apply the policy to one application.

    Args:
        policy: thresholds, scale and rules.
        fields: the application as the contract reads it.
        pd: probability of default, 0 to 1.
        outside: the fields that lie outside the training data's range, those with a direction beyond its worse end.
    """
    outcome = band = policy.band(pd)
    matched = tuple([rule for rule in policy.rules if rule.matches(fields, outside)])
    for rule in matched:
        outcome = worst(outcome, rule.outcome)
    return Decision(outcome, band, int(band is Outcome.REJECT), policy.score.score(pd), matched)


def _log_odds(pd: float) -> float:
    least = math.ulp(0.5)  # a PD of 0 or 1 is a rounded one, and its log-odds are finite
    pd = min(max(pd, least), 1 - least)
    return math.log(pd / (1 - pd))


def worst(a: Outcome, b: Outcome) -> Outcome:
    """The worse of two outcomes."""
    return a if _SEVERITY[a] >= _SEVERITY[b] else b


def better_outcomes(outcome: Outcome) -> tuple[Outcome, ...]:
    """The outcomes better than `outcome`, best first."""
    return tuple(o for o in Outcome if _SEVERITY[o] < _SEVERITY[outcome])
