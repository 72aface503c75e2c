"""What the parts of a contract may contradict each other in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from preprocessing.base import opposite
from preprocessing.fields import AnyField, Date, Integer, Number, Ratio, Reference

if TYPE_CHECKING:
    from preprocessing.contract import Contract

MAX_FEATURES = 10_240

MAX_ACTIONABLE = 8
"""Each pair of them may have to be searched, for one answer."""


def contradictions(contract: Contract) -> list[str]:
    """A place, its problem and the remedy for each; nothing where the contract is sound."""
    checks = (_names, _ratios, _amount_and_age, _actionable, _mentions, _features_differ)
    # What a later check finds may follow from an earlier one's fault.
    return next(filter(None, (list(check(contract)) for check in checks)), [])


def _names(contract: Contract) -> Iterator[str]:
    for kind, names in (
        ("name", [field.name for field in contract.fields]),
        ("column", list({f.name: f.source for f in contract.fields if not isinstance(f, Reference)}.values())),
    ):
        for name, count in Counter(names).items():
            if count > 1:
                yield f"fields: {count} have the {kind} {name!r}; give each its own"
    if contract.label.column in {field.source for field in contract.fields}:
        yield f"label.column: {contract.label.column!r} is a field's column too; a label must never be a field"
    if sum(isinstance(field, Reference) for field in contract.fields) > 1:
        yield "fields: there can be one of type reference; drop the others"
    if not any(field.scored for field in contract.fields):
        yield "fields: none is scored; at least one must be"


def _ratios(contract: Contract) -> Iterator[str]:
    earlier: dict[str, AnyField] = {}
    for field in contract.fields:
        if isinstance(field, Ratio):
            above, below = earlier.get(field.numerator), earlier.get(field.denominator)
            yield from _operand(field, "numerator", field.numerator, above)
            yield from _operand(field, "denominator", field.denominator, below)
            yield from _reaches(field, above, below)
            yield from _directions(field, above, below)
        earlier[field.name] = field


def _operand(field: Ratio, role: str, name: str, operand: AnyField | None) -> Iterator[str]:
    place = f"fields.{field.name}.{role}"
    if operand is None:
        yield f"{place}: no field before it is called {name!r}; name one, and put it before"
    elif not isinstance(operand, Number | Integer):
        yield f"{place}: {operand.name} is of type {operand.type}; a ratio is of two numbers"
    elif role == "denominator" and operand.minimum <= 0:
        yield f"{place}: {operand.name} may be {operand.minimum:g}; a denominator's minimum is above 0"
    elif role == "numerator" and operand.minimum < 0:
        yield f"{place}: {operand.name} may be below 0; a numerator's minimum is 0 or more"
    elif field.scored and not operand.scored:
        yield f"{place}: {operand.name} isn't scored, so that no ratio of it may be; change its use"


def _reaches(field: Ratio, above: AnyField | None, below: AnyField | None) -> Iterator[str]:
    """Whether more may be computed than stated: an offer would be refused, or the model asked about infinity."""
    if isinstance(above, Number | Integer) and isinstance(below, Number | Integer) and below.least > 0:
        reached = above.greatest / below.least
        if reached > field.maximum:
            yield (
                f"fields.{field.name}.maximum: the two fields' ranges allow {reached:g}, more than "
                f"{field.maximum:g}; raise it, or narrow the ranges"
            )


def _directions(field: Ratio, above: AnyField | None, below: AnyField | None) -> Iterator[str]:
    """Whether an operand that improves takes the ratio along: no improvement may be punished by what it moves."""
    if not field.scored:
        return
    for operand, implied in (
        (above, above and above.direction),
        (below, below and opposite(below.direction)),
    ):
        if operand is None or implied is None:
            continue
        if field.direction != implied:
            yield (
                f"fields.{field.name}.direction: {operand.name} {operand.direction} and moves {field.name}, which then "
                f"has to say {implied!r} too; give it that direction, or take {operand.name}'s away"
            )
        elif operand.nullable and operand.missing_is_worst and not field.missing_is_worst:
            yield (
                f"fields.{field.name}.missing: it goes missing with {operand.name}, which is worst; remove it here, or "
                f"state `own` for {operand.name} too"
            )
        elif (
            isinstance(operand, Number | Integer)
            and "worst" in operand.standing.values()
            and not field.missing_is_worst
        ):
            yield (
                f"fields.{field.name}.missing: it goes missing with a state of {operand.name} that stands worst; "
                "remove it here, or that standing"
            )
        elif operand.best_states:
            yield (
                f"fields.{operand.name}.standing: in a state that stands best {field.name} goes missing, which is not; "
                "remove that standing, or the ratio"
            )


def _amount_and_age(contract: Contract) -> Iterator[str]:
    for role, name in (("amount", contract.amount), ("age", contract.age)):
        if name is not None and not isinstance(contract.by_name.get(name), Number | Integer):
            yield f"{role}: {name!r} is no field of type number or integer; name one that is"
    amount, age = contract.by_name.get(contract.amount or ""), contract.by_name.get(contract.age or "")
    if isinstance(amount, Number | Integer) and (
        amount.nullable or amount.codes or not amount.for_rules or amount.minimum < 0
    ):
        yield f"amount: {amount.name} must be required, 0 or more, without codes, and not for reports only"
    if isinstance(age, Number | Integer) and age.scored:
        yield (
            f"age: {age.name} is scored; for rules or reports only, or the age of an applicant could count against "
            "them (Reg B, 12 CFR 1002.6(b)(2))"
        )
    for ratio in contract.ratios:
        if contract.age in (ratio.numerator, ratio.denominator) and ratio.for_rules:
            yield f"age: {ratio.name} is made of it, and a rule on that could count it; for reports only"


def _actionable(contract: Contract) -> Iterator[str]:
    for field in contract.actionable:
        if field.name == contract.age:
            yield f"fields.{field.name}.actionable: nobody changes their age to get a loan; remove it"
        if field.name == contract.amount and field.direction == "falls":
            yield f"fields.{field.name}.actionable: the amount falls, so that more would be offered; remove it"
    if len(contract.actionable) > MAX_ACTIONABLE:
        yield f"fields: {len(contract.actionable)} are actionable, more than {MAX_ACTIONABLE}; mark fewer"


def _mentions(contract: Contract) -> Iterator[str]:
    for role, names in (("applicant", contract.applicant), ("disjoint", contract.disjoint)):
        for name in names:
            if name not in contract.by_name:
                yield f"{role}: {name!r} is no field; name one of {', '.join(contract.by_name)}"
    for i, grouping in enumerate(contract.groups):
        field = contract.by_name.get(grouping.field)
        if field is None or isinstance(field, Date | Reference):
            yield f"groups.{i}.field: {grouping.field!r} is no field that groups can be made of"
        elif bool(field.choices) == bool(grouping.below):
            yield (
                f"groups.{i}.below: {field.name} is of type {field.type}; "
                + ("remove `below`" if grouping.below else "say where its groups end")
            )


def _features_differ(contract: Contract) -> Iterator[str]:
    if len(contract.features) > MAX_FEATURES:
        yield f"fields: {len(contract.features)} features are made of them, more than {MAX_FEATURES}; drop categories"
    names = Counter(feature.name for feature in contract.features)
    for name, count in names.items():
        if count > 1:
            yield f"fields: two of them would make the feature {name!r}; rename one"
