"""The policy file and the pure function that applies it.

A policy is data: two thresholds on the probability of default (PD), the scale of the credit score, rules that can only
worsen an outcome, the version of the reason catalogue, and examples that are run whenever the file is loaded.
Conditions are declarative: a field, an operator, a value. There is no expression language, and nothing is evaluated.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from decision.score import ScoreScale


class Outcome(StrEnum):
    """What the lender does, best first."""

    APPROVE = "APPROVE"
    CONDITIONAL_APPROVAL = "CONDITIONAL_APPROVAL"
    REJECT = "REJECT"


_SEVERITY = {outcome: severity for severity, outcome in enumerate(Outcome)}

Scalar = int | float | str
Fields = Mapping[str, Any]

NUMBER_FIELDS = frozenset(
    {
        "person_age",
        "person_income",
        "person_emp_length",
        "loan_amnt",
        "loan_int_rate",
        "loan_percent_income",
        "cb_person_cred_hist_length",
    }
)
CATEGORY_FIELDS: dict[str, frozenset[str]] = {
    "person_home_ownership": frozenset({"RENT", "OWN", "MORTGAGE", "OTHER"}),
    "loan_intent": frozenset({"PERSONAL", "EDUCATION", "MEDICAL", "VENTURE", "HOMEIMPROVEMENT", "DEBTCONSOLIDATION"}),
    "loan_grade": frozenset("ABCDEFG"),
    "cb_person_default_on_file": frozenset("YN"),
}
"""What a condition may name. `loan_percent_income` is the exact loan_amnt / person_income."""


MAX_NUMBER = 1e12
"""Beyond any field's bound; larger ones would overflow where they are compared with amounts."""

ELDERLY_AGES = range(62, 121)
"""Ages that must never count against an applicant, up to the contract's bound."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "in": lambda value, choices: value in choices,
}


class Condition(_Strict):
    """One test of one field. A missing value (None) satisfies `is_null` and nothing else."""

    field: str
    op: Literal["<", "<=", ">", ">=", "==", "!=", "in", "is_null"]
    value: Scalar | list[Scalar] | None = None

    @field_validator("value")
    @classmethod
    def _within_bounds(cls, value: Scalar | list[Scalar] | None) -> Scalar | list[Scalar] | None:
        numbers = value if isinstance(value, list) else [value]
        if any(isinstance(number, int | float) and abs(number) > MAX_NUMBER for number in numbers):
            raise ValueError(f"numbers lie between -{MAX_NUMBER:g} and {MAX_NUMBER:g}")
        return value

    @model_validator(mode="after")
    def _fits_the_field(self) -> Self:
        if self.field not in NUMBER_FIELDS and self.field not in CATEGORY_FIELDS:
            known = ", ".join(sorted(NUMBER_FIELDS | CATEGORY_FIELDS.keys()))
            raise ValueError(f"unknown field {self.field!r}; use one of {known}")
        if self.op == "is_null":
            if self.value is not None:
                raise ValueError("is_null takes no value; remove it")
            return self
        values = self.value if isinstance(self.value, list) else [self.value]
        if isinstance(self.value, list) != (self.op == "in"):
            raise ValueError(f"{self.op!r} takes {'a list' if self.op == 'in' else 'one value'}")
        if not values:
            raise ValueError("'in' takes at least one value")
        categories = CATEGORY_FIELDS.get(self.field)
        if categories is None:
            if any(not isinstance(v, int | float) for v in values):
                raise ValueError(f"{self.field} is a number; compare it with numbers")
        elif self.op not in ("==", "!=", "in"):
            raise ValueError(f"{self.field} is a category; compare it by ==, != or in")
        elif not categories.issuperset(v for v in values if isinstance(v, str)) or any(
            not isinstance(v, str) for v in values
        ):
            raise ValueError(f"{self.field} takes {', '.join(sorted(categories))}")
        return self

    def matches(self, fields: Fields) -> bool:
        """Whether `fields` satisfies this condition."""
        value = fields[self.field]
        if value is None or self.op == "is_null":
            return value is None and self.op == "is_null"
        return _COMPARE[self.op](value, self.value)


class Rule(_Strict):
    """A conjunction of conditions that, when all hold, makes the outcome at least as bad as `outcome`, for `reason`."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    description: str
    conditions: Annotated[tuple[Condition, ...], Field(min_length=1)]
    outcome: Outcome
    reason: str

    @model_validator(mode="after")
    def _may_be(self) -> Self:
        problems = []
        if self.outcome is Outcome.APPROVE:
            problems.append("a rule can only worsen an outcome; use CONDITIONAL_APPROVAL or REJECT")
        ages = [condition for condition in self.conditions if condition.field == "person_age"]
        if ages and any(all(c.matches({"person_age": age}) for c in ages) for age in ELDERLY_AGES):
            problems.append(
                "counts the age of applicants of 62 and over against them (Reg B, 12 CFR 1002.6(b)(2)); "
                "add a condition on person_age that ends below 62"
            )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def matches(self, fields: Fields) -> bool:
        """Whether every condition holds for `fields`."""
        for condition in self.conditions:  # a loop: twice as fast as all() over a generator  # noqa: SIM110
            if not condition.matches(fields):
                return False
        return True


class Thresholds(_Strict):
    """Bands of the PD: approve below `approve_below`, reject from `reject_from` on, conditional between."""

    approve_below: Annotated[float, Field(gt=0, lt=1)]
    reject_from: Annotated[float, Field(gt=0, lt=1)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.approve_below > self.reject_from:
            raise ValueError("approve_below lies above reject_from; swap or correct them")
        return self


class Example(_Strict):
    """A case that the policy's author decided by hand; the loader checks that the policy agrees.

    Attributes:
        name: what the case shows.
        fields: every field of an application, the exact ratio among them.
        probability_of_default: as if the model had said so.
        expected: the outcome.
        rules: ids of the rules that match, in the policy's order.
        credit_score: where the author worked it out.
    """

    name: str
    fields: dict[str, Scalar | None]
    probability_of_default: Annotated[float, Field(ge=0, le=1)]
    expected: Outcome
    rules: tuple[str, ...] = ()
    credit_score: int | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        known = NUMBER_FIELDS | CATEGORY_FIELDS.keys()
        problems = []
        if wrong := ", ".join(sorted(known ^ self.fields.keys())):
            problems.append(f"an example states every field once; missing or unknown: {wrong}")
        if wrong := ", ".join(sorted(name for name in NUMBER_FIELDS if isinstance(self.fields.get(name), str))):
            problems.append(f"an example states numbers as numbers; as text: {wrong}")
        if problems:
            raise ValueError("\n".join(problems))
        return self


class Policy(_Strict):
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
    """

    format: Literal[1]
    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    effective_date: date
    reason_catalogue: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    thresholds: Thresholds
    score: ScoreScale
    rules: tuple[Rule, ...]
    examples: Annotated[tuple[Example, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _holds(self) -> Self:
        if problems := self.problems():
            raise ValueError("\n".join(problems))
        return self

    def problems(self) -> list[str]:
        """What the parts contradict each other in, a line each: rules with one id, examples decided otherwise."""
        ids = [rule.id for rule in self.rules]
        twice = sorted({id_ for id_ in ids if ids.count(id_) > 1})
        problems = [f"rule id used twice: {', '.join(twice)}; give each rule its own"] if twice else []
        for example in self.examples:
            decision = decide(self, example.fields, example.probability_of_default)
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

    def band(self, pd: float) -> Outcome:
        """The outcome that the PD alone would bring."""
        if pd >= self.thresholds.reject_from:
            return Outcome.REJECT
        return Outcome.CONDITIONAL_APPROVAL if pd >= self.thresholds.approve_below else Outcome.APPROVE


@dataclass(frozen=True, slots=True)
class Decision:
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


def decide(policy: Policy, fields: Fields, pd: float) -> Decision:
    """Apply the policy to one application.

    Args:
        policy: thresholds, scale and rules.
        fields: the application's cleaned, unimputed fields and the exact ratio.
        pd: probability of default, 0 to 1.
    """
    outcome = band = policy.band(pd)
    matched = tuple([rule for rule in policy.rules if rule.matches(fields)])
    for rule in matched:
        outcome = worst(outcome, rule.outcome)
    return Decision(outcome, band, int(band is Outcome.REJECT), policy.score.score(pd), matched)


def worst(a: Outcome, b: Outcome) -> Outcome:
    """The worse of two outcomes."""
    return a if _SEVERITY[a] >= _SEVERITY[b] else b


def better_outcomes(outcome: Outcome) -> tuple[Outcome, ...]:
    """The outcomes better than `outcome`, best first."""
    return tuple(o for o in Outcome if _SEVERITY[o] < _SEVERITY[outcome])
