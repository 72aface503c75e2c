"""The policy file and the pure function that applies it.

A policy is data: two thresholds on the probability of default (PD), rules that can only worsen an outcome, and examples
that are run whenever the file is loaded. Conditions are declarative: a field, an operator, a value. There is no
expression language, and nothing is evaluated.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator


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


class InvalidPolicyError(ValueError):
    """A policy that can't be used; the message names every place and the remedy, one line each."""


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
        if self.op == "is_null" or value is None:
            return self.op == "is_null" and value is None
        return _COMPARE[self.op](value, self.value)


class Rule(_Strict):
    """A conjunction of conditions that, when all hold, makes the outcome at least as bad as `outcome`."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    description: str
    conditions: Annotated[tuple[Condition, ...], Field(min_length=1)]
    outcome: Outcome

    @model_validator(mode="after")
    def _worsens(self) -> Self:
        if self.outcome is Outcome.APPROVE:
            raise ValueError("a rule can only worsen an outcome; use CONDITIONAL_APPROVAL or REJECT")
        return self

    def matches(self, fields: Fields) -> bool:
        """Whether every condition holds for `fields`."""
        return all(condition.matches(fields) for condition in self.conditions)


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
    """A case that the policy's author decided by hand; the loader checks that the policy agrees."""

    name: str
    fields: dict[str, Scalar | None]
    probability_of_default: Annotated[float, Field(ge=0, le=1)]
    expected: Outcome

    @model_validator(mode="after")
    def _complete(self) -> Self:
        known = NUMBER_FIELDS | CATEGORY_FIELDS.keys()
        if self.fields.keys() != known:
            wrong = ", ".join(sorted(known ^ self.fields.keys()))
            raise ValueError(f"an example states every field once; missing or unknown: {wrong}")
        return self


class Policy(_Strict):
    """A decision policy, complete and checked."""

    format: Literal[1]
    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    effective_date: date
    thresholds: Thresholds
    rules: tuple[Rule, ...]
    examples: Annotated[tuple[Example, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        ids = [rule.id for rule in self.rules]
        twice = sorted({id_ for id_ in ids if ids.count(id_) > 1})
        if twice:
            raise ValueError(f"rule id used twice: {', '.join(twice)}; give each rule its own")
        for example in self.examples:
            outcome = decide(self, example.fields, example.probability_of_default).outcome
            if outcome is not example.expected:
                raise ValueError(
                    f"example {example.name!r} expects {example.expected} but the policy decides {outcome}; "
                    "correct the example or the policy"
                )
        return self


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policy decided, and why.

    Attributes:
        outcome: the worst of the PD's band and of every rule that matched.
        prediction: 1 where the PD alone reaches the reject threshold, else 0.
        rules: ids of the rules that matched, in the policy's order.
    """

    outcome: Outcome
    prediction: int
    rules: tuple[str, ...]


def decide(policy: Policy, fields: Fields, pd: float) -> Decision:
    """Apply the policy to one application.

    Args:
        policy: thresholds and rules.
        fields: the application's cleaned, unimputed fields and the exact ratio.
        pd: probability of default, 0 to 1.
    """
    thresholds = policy.thresholds
    if pd >= thresholds.reject_from:
        band = Outcome.REJECT
    elif pd >= thresholds.approve_below:
        band = Outcome.CONDITIONAL_APPROVAL
    else:
        band = Outcome.APPROVE
    matched = [rule for rule in policy.rules if rule.matches(fields)]
    worst = max((band, *(rule.outcome for rule in matched)), key=_SEVERITY.__getitem__)
    return Decision(worst, int(pd >= thresholds.reject_from), tuple(rule.id for rule in matched))


def _no_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise InvalidPolicyError(f"key stated twice in one object: {', '.join(twice)}; keep one")
    return dict(pairs)


def parse_policy(content: bytes) -> Policy:
    """Read and check a policy file.

    Raises:
        InvalidPolicyError: naming the place and the remedy of everything that is wrong.
    """
    try:
        json.loads(content, object_pairs_hook=_no_duplicate_keys)
    except InvalidPolicyError:
        raise
    except (ValueError, RecursionError) as exc:
        raise InvalidPolicyError(f"not valid JSON: {exc}") from exc
    try:
        return Policy.model_validate_json(content)
    except ValidationError as exc:
        places = [
            f"{'.'.join(map(str, error['loc'])) or 'policy'}: {error['msg'].removeprefix('Value error, ')}"
            for error in exc.errors(include_url=False)
        ]
        raise InvalidPolicyError("\n".join(places)) from exc
