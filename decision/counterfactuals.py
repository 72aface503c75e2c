"""What would have changed it: the smallest changes by the applicant that would have got a better decision.

The contract says what an applicant can do. Neither the model nor a rule punishes an improvement, so each decision
begins at one threshold of what is improved, and is found by narrowing it down.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from decision.policy import Outcome, better_outcomes, worst
from preprocessing.application import Application
from preprocessing.base import Value
from preprocessing.contract import Contract
from preprocessing.fields import AnyField

LOWEST_FRACTION = 0.1
"""Amounts below this fraction of the one asked for are no answer to the applicant's question."""

SECTIONS = 4
"""Into how many parts a threshold's interval is cut by one call of the scorer."""

Decide = Callable[[Sequence[Application]], Sequence[tuple[Outcome, float]]]
"""Applications to what each would be told: the decision and the PD."""

Ladder = Sequence[Value]
"""A field's better values, from the least change on."""


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """What would have got a better decision.

    Attributes:
        changes: what to state otherwise in the application, the ratios that go with it included.
        outcome: the decision it gets.
        pd: the probability of default behind it.
    """

    changes: Mapping[str, Value]
    outcome: Outcome
    pd: float


Searching = Generator[Sequence[Application], Sequence[tuple[Outcome, float]], tuple[Counterfactual, ...]]
"""Asks what applications would be told, as `Decide` is asked; returns what would have got a better decision."""


def find_counterfactuals(
    contract: Contract, fields: Application, outcome: Outcome, decide: Decide
) -> tuple[Counterfactual, ...]:
    """For each better decision, the smallest change of each field that gets it, and of each pair where neither does.

    Best decision first; for one decision single fields before pairs, in the contract's order.

    Args:
        contract: says what an applicant can do.
        fields: the application as the contract reads it.
        outcome: what was decided.
        decide: scorer and policy, as they decided.
    """
    searching = Finder(contract).search(fields, outcome).steps()
    try:
        asked = next(searching)
        while True:
            asked = searching.send(decide(asked))
    except StopIteration as end:
        found: tuple[Counterfactual, ...] = end.value
        return found


class Finder:
    """A contract, ready to have better decisions looked for."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._values = {field.name: field.worst_first for field in contract.actionable}

    def search(self, fields: Application, outcome: Outcome) -> Search:
        """The search for what would have got a better decision than `outcome`."""
        targets = better_outcomes(outcome)
        ladders = {
            field.name: ladder
            for field in self._contract.actionable
            if targets and (ladder := _ladder(self._contract, field, fields, self._values[field.name]))
        }
        return Search(self._contract, fields, targets, ladders)


class Search:
    """The search for one application's better decisions, in steps, so that those of many can be taken at once.

    Attributes:
        fields: the application as the contract reads it.
        ladders: of the fields that they can do something about.
        single: a line for each better decision and each field that an applicant can do something about.
    """

    def __init__(
        self, contract: Contract, fields: Application, targets: Sequence[Outcome], ladders: Mapping[str, Ladder]
    ) -> None:
        self.fields = fields
        self.single = [Line(target, {name: ladder}) for target in targets for name, ladder in ladders.items()]
        self.ladders = ladders
        self._contract, self._targets = contract, targets
        self._known: dict[tuple[tuple[str, Value], ...], tuple[Outcome, float]] = {}

    def steps(self, guesses: Sequence[int | None] = ()) -> Searching:
        """What is asked step by step, and in the end what was found.

        Args:
            guesses: of each line of `single`, at which step the decision may begin to be got; None for one behind the
                last. A good one spares most questions, and a bad one costs two.
        """
        if not self.single:
            return ()
        alone = yield from self._shortened(self.single, guesses)
        reached = {(line.target, *line.ladders) for line in alone}
        ladders, targets = self.ladders, self._targets
        both = yield from self._shortened([
            Line(target, {a: ladders[a], b: ladders[b]})
            for target in targets
            for a, b in combinations(ladders, 2)
            if (target, a) not in reached and (target, b) not in reached
        ])  # fmt: skip
        # Together they went as far as one of them had to; each then goes back as far as the other allows.
        for held in (1, 0):
            both = yield from self._shortened([replace(line, held=list(line.ladders)[held]) for line in both])
        found = sorted([*alone, *both], key=lambda line: targets.index(line.target))
        return tuple(told for line in found if (told := self._told(line)).outcome is line.target)

    def _shortened(
        self, lines: Sequence[Line], guesses: Sequence[int | None] = ()
    ) -> Generator[Sequence[Application], Sequence[tuple[Outcome, float]], list[Line]]:
        """Those at whose end the decision is got, each cut where it begins to be."""
        low, high = [0 for _ in lines], [line.steps + 1 for line in lines]
        points = [_around(guess, line.steps) for guess, line in zip(guesses, lines, strict=True)] if guesses else []
        points = points or [_between(*ends) for ends in zip(low, high, strict=True)]
        while any(points):
            wanted = [[line.at(step) for step in steps] for line, steps in zip(lines, points, strict=True)]
            yield from self._ask([values for of_line in wanted for values in of_line])
            for i, line in enumerate(lines):
                for step, values in zip(points[i], wanted[i], strict=True):
                    outcome, _ = self._known[tuple(values.items())]
                    if worst(outcome, line.target) is line.target:
                        high[i] = step
                        break
                    low[i] = step
            points = [_between(*ends) for ends in zip(low, high, strict=True)]
        return [line.cut(step) for line, step in zip(lines, high, strict=True) if step <= line.steps]

    def _told(self, line: Line) -> Counterfactual:
        """What the applicant would be told of a line's end."""
        values = line.at(line.steps)
        other = self._contract.with_values(self.fields, values)
        # A stated ratio would contradict what it is made of, unless it goes along.
        moved = [r.name for r in self._contract.ratios if {r.numerator, r.denominator} & values.keys()]
        ratios = {name: other[name] for name in moved if other[name] is not None}
        return Counterfactual(values | ratios, *self._known[tuple(values.items())])

    def _ask(
        self, wanted: Sequence[dict[str, Value]]
    ) -> Generator[Sequence[Application], Sequence[tuple[Outcome, float]], None]:
        new = {key: values for values in wanted if (key := tuple(values.items())) not in self._known}
        if new:
            told = yield [self._contract.with_values(self.fields, values) for values in new.values()]
            self._known.update(zip(new, told, strict=True))


def _ladder(contract: Contract, field: AnyField, fields: Application, values: Sequence[Value]) -> Ladder:
    """The values, of all, that an applicant could have instead of theirs; none where that is not theirs to do."""
    value = fields[field.name]
    if field.actionable == "state" or value is None:
        return values if field.actionable == "state" and value is None else ()
    if field.choices:
        return values[values.index(value) + 1 :]
    if isinstance(value, str):
        return ()

    def worth(number: Any) -> float:
        return float(-number if field.direction == "rises" else number)

    end = len(values)
    if field.name == contract.amount:
        end = bisect_right(values, worth(value * LOWEST_FRACTION), key=worth)
    return values[bisect_right(values, worth(value), key=worth) : end]


@dataclass(frozen=True, slots=True)
class Line:
    """Steps from the application as it is to a better one, along the ladders of all that moves.

    Attributes:
        target: the decision that is looked for, or a better one.
        ladders: field to its values; the longest is climbed value by value, the others in proportion.
        held: a field that stays at its ladder's end.
    """

    target: Outcome
    ladders: Mapping[str, Ladder]
    held: str | None = None

    @property
    def steps(self) -> int:
        """How many there are."""
        return max(len(ladder) for name, ladder in self.ladders.items() if name != self.held)

    def at(self, step: int) -> dict[str, Value]:
        """What is stated otherwise after so many steps."""
        return {name: ladder[self._climbed(name, step) - 1] for name, ladder in self.ladders.items()}

    def cut(self, step: int) -> Line:
        """The line up to a step."""
        ladders = {name: ladder[: self._climbed(name, step)] for name, ladder in self.ladders.items()}
        return Line(self.target, ladders, self.held)

    def _climbed(self, name: str, step: int) -> int:
        values = len(self.ladders[name])
        return values if name == self.held else -(-step * values // self.steps)


def _around(guess: int | None, steps: int) -> list[int]:
    """The steps on either side of where the decision may begin to be got; the last one where it may not at all."""
    return [steps] if guess is None or guess > steps else [step for step in (guess - 1, guess) if step]


def _between(low: int, high: int) -> list[int]:
    """Steps between two that part them in sections, the last one among them."""
    return sorted({*(low + (high - low) * i // SECTIONS for i in range(SECTIONS)), high - 1} - {low})
