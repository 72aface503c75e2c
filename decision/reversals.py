"""Rules under which an improvement would be punished, in one of two ways.

A rule may hold for some value and not for a worse one of the same field. Or it may be escaped by stating nothing, or a
state that stands worst: no comparison of values holds there, so that another rule has to.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from preprocessing.base import Direction, Value, opposite
from preprocessing.contract import Contract
from preprocessing.fields import AnyField, Integer, Number, Ratio

if TYPE_CHECKING:
    from decision.policy import Condition


def told_apart(bounds: Iterable[Value], least: float, greatest: float, *, whole: bool) -> list[float]:
    """Numbers in a range, rising, one of each kind that conditions with these bounds can tell apart."""
    numbers = {least, greatest}
    for bound in bounds:
        if not isinstance(bound, int | float):
            continue
        # What lies below a bound is above the next lower one, or is the least.
        numbers |= {math.floor(bound), math.floor(bound) + 1} if whole else {bound, math.nextafter(bound, math.inf)}
    return sorted(number for number in numbers if least <= number <= greatest)


def reversals(conditions: Sequence[Condition], contract: Contract) -> Iterator[str]:
    """The fields of a rule's conditions of which it would punish an improvement, each with the remedy."""
    for name in dict.fromkeys(condition.field for condition in conditions):
        field = contract.by_name[name]
        # A condition of no value is no comparison, and holds on the worse side only.
        asked = [c for c in conditions if c.field == name and (c.op == "is_null" or c.value is not None)]
        for direction in _directions(field, contract):
            values = [
                *_worst_first(field, direction, asked),
                *_best_states(field, contract),
            ]
            matched = [all(condition.matches({name: value}) for condition in asked) for value in values]
            if True in matched[(spared := [*matched, False].index(False)) :]:
                punished = values[matched.index(True, spared)]
                yield (
                    f"would punish an improvement of {name}, which {direction}: it holds for {punished} and not for "
                    f"{values[spared]}, which is worse; {_remedy(field, direction)}"
                )


def escapes(
    conditions: Sequence[Condition], others: Iterable[Sequence[Condition]], contract: Contract
) -> Iterator[str]:
    """How an applicant whom a rule hits would get around it by what is never better, each way with the remedy.

    Args:
        conditions: of the rule.
        others: of every rule whose outcome is at least as bad.
        contract: says what is never better than a value.
    """
    others = list(others)
    for field in contract.fields:
        ratios = [ratio.name for ratio in contract.ratios if field.name in (ratio.numerator, ratio.denominator)]
        for instead in _never_better(field):
            gone: dict[str, Value] = {**dict.fromkeys(ratios), field.name: instead}
            # What has a risk of its own may well be left out; not so a ratio that goes missing with it.
            bound = [n for n in gone if instead or field.missing_is_worst or contract.by_name[n].missing_is_worst]
            hit = [condition.field for condition in conditions if condition.field in bound]
            if not hit or not all(_compares(conditions, contract.by_name[name]) for name in hit):
                continue
            if any(_holds_for_all(other, conditions, gone, contract) for other in others):
                continue
            named = [field.name] if field.for_rules else dict.fromkeys(hit)
            absent = " or ".join(f"{name} is_null" for name in named)
            remedy = f"{field.name} == {instead}" if instead and field.for_rules else absent
            yield (
                f"would be escaped by {f'{instead} as' if instead else 'leaving out'} {field.name}, which must never "
                f"be better; add a rule on {remedy}, with this outcome or a worse one and the same conditions on other "
                f"fields or fewer{'' if instead else ', or state `missing`: `own` in the contract'}"
            )


def _never_better(field: AnyField) -> list[str | None]:
    """What can be stated instead of a value, and is no better than any: nothing (None), and states."""
    states = field.standing if isinstance(field, Number | Integer) else {}
    return [*([None] if field.nullable else []), *(state for state, end in states.items() if end == "worst")]


def _compares(conditions: Sequence[Condition], field: AnyField) -> bool:
    """Whether the conditions on a field hold for some value of it, or for a state that is better than any."""
    asked = _asked(conditions, field.name)
    values = [*_values(field, asked), *field.best_states]
    return any(all(c.matches({field.name: value}) for c in asked) for value in values)


def _holds_for_all(
    conditions: Sequence[Condition], hit: Sequence[Condition], gone: Mapping[str, Value], contract: Contract
) -> bool:
    """Whether a rule holds for everybody whom another one hits, once what is gone is so."""
    for condition in conditions:
        name = condition.field
        if name in gone:
            # Whether the training data lacks missing values too, no policy can know.
            if condition.op == "outside_training_range" or not condition.matches(gone):
                return False
        elif condition not in hit:
            asked, field = _asked(hit, name), contract.by_name[name]
            kinds = [{name: value} for value in (*_values(field, [*asked, condition]), *field.states, None)]
            left = [kind for kind in kinds if all(c.matches(kind) for c in asked)]
            if condition.op == "outside_training_range" or not all(map(condition.matches, left)):
                return False
    return True


def _asked(conditions: Iterable[Condition], name: str) -> list[Condition]:
    """What is asked about the value of a field, whatever a model was trained on."""
    return [c for c in conditions if c.field == name and c.op != "outside_training_range"]


def _values(field: AnyField, asked: Iterable[Condition]) -> Sequence[Value]:
    """A value of each kind that conditions can tell apart, and no state."""
    bounds = [value for condition in asked for value in condition.values]
    if isinstance(field, Ratio):
        return told_apart(bounds, 0, field.maximum, whole=False)
    if isinstance(field, Number | Integer):
        return told_apart(bounds, field.least, field.greatest, whole=isinstance(field, Integer))
    return field.choices


def _directions(field: AnyField, contract: Contract) -> set[Direction]:
    """Which way a field goes; a ratio that isn't scored may state none, and goes as what it is made of."""
    directions = {field.direction}
    if isinstance(field, Ratio):
        directions |= {
            contract.by_name[field.numerator].direction,
            opposite(contract.by_name[field.denominator].direction),
        }
    return {direction for direction in directions if direction is not None}


def _worst_first(field: AnyField, direction: Direction, asked: Iterable[Condition]) -> Sequence[Value]:
    if field.choices:
        return field.worst_first
    rising = _values(field, asked)
    return rising if direction == "falls" else rising[::-1]


def _best_states(field: AnyField, contract: Contract) -> list[Value]:
    """What no number is better than; a ratio is missing where one of its two is so."""
    if isinstance(field, Ratio):
        made_of = (contract.by_name[field.numerator], contract.by_name[field.denominator])
        return [None] if any(operand.best_states for operand in made_of) else []
    return list(field.best_states)


def _remedy(field: AnyField, direction: Direction) -> str:
    if field.choices:
        return "name every worse one too"
    side = "> or >=" if direction == "rises" else "< or <="
    return f"compare it by {side} alone, or narrow the contract's range to what may be asked at all"
