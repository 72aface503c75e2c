"""Whether better values of a field would have lowered the probability of default (PD), all else held.

A reason names a field, and is true only if they would: attributions compare an applicant with others, and can find a
field adverse that already is as good as it gets. What is better the contract says by a direction; where it says
nothing, any value that an application may state.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from preprocessing.application import Application
from preprocessing.contract import Contract
from preprocessing.fields import AnyField, Integer, Number, Ratio
from scoring.scorer import Scorer


class Question(NamedTuple):
    """Whether better values would have lowered one application's PD.

    Attributes:
        application: as the contract reads it.
        encoded: its own features, shape (k,), as `Scores.encoded` has them.
        pd: its own.
        groups: names of scored fields, to be answered one group each.
    """

    application: Application
    encoded: NDArray[Any]
    pd: float
    groups: Sequence[Sequence[str]]


class _Alternatives(NamedTuple):
    """What of a group's fields is tried.

    Attributes:
        likely: among all the values that move by themselves, the place of the one with the least PD in an example.
        others: places of the others.
        moving: the fields that move ratios.
    """

    likely: Sequence[int]
    others: Sequence[int]
    moving: Sequence[AnyField]


class Improvements:
    """The same applicants with better values, and what the model says of them."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._ensemble = scorer.leaves.ensemble
        self._contract = scorer.schema.contract
        scored = [self._contract.by_name[name] for name in self._contract.scored]
        self._moved = {field.name: ratios_of(self._contract, field.name) for field in scored}
        self._cuts = {field.name: self.thresholds(field) for field in scored if not field.choices}
        self._replacements = {field.name: self._replacement(field) for field in scored if not self._moved[field.name]}
        held: list[NDArray[np.bool_]] = []
        others: list[NDArray[np.float32]] = []
        self._places: dict[str, range] = {}
        for name, (of_others, better) in self._replacements.items():
            self._places[name] = range(len(others), len(others) + len(better))
            held += [of_others] * len(better)
            others += [*better]
        shape = len(others), len(self._contract.features)
        self._held = np.array(held, dtype=np.bool_).reshape(shape)
        self._others = scorer.encode(np.array(others, dtype=np.float32).reshape(shape))
        self._pds_of_example = scorer.pds(self._others)
        self._alternatives: dict[Sequence[str], _Alternatives] = {}

    def lowering(
        self, application: Application, features: NDArray[np.float32], pd: float, groups: Iterable[Sequence[str]]
    ) -> list[bool]:
        """Of each group of fields, whether some better value of one of them gets a PD below the application's own.

        Args:
            application: as the contract reads it.
            features: its own, shape (k,), float32.
            pd: its own.
            groups: names of scored fields.
        """
        (encoded,) = self._scorer.encode(features[np.newaxis])
        (answer,) = self.lowering_each([Question(application, encoded, pd, [*groups])])
        return answer

    def lowering_each(self, questions: Sequence[Question]) -> list[list[bool]]:
        """The same of many applications, each by itself."""
        asked = [(q, self._of(group)) for q, question in enumerate(questions) for group in question.groups]
        # Most groups have a field that moves alone, and its features are sooner replaced than all made anew. Mostly the
        # likely value lowers the PD, so that the others are tried where it doesn't.
        lower = self._lower_directly(questions, [(i, q, at) for i, (q, each) in enumerate(asked) for at in each.likely])
        open_ = [(i, q, each) for i, (q, each) in enumerate(asked) if i not in lower]
        lower |= self._lower_directly(questions, [(i, q, at) for i, q, each in open_ for at in each.others])
        lower |= self._lower_anew(questions, [each for each in open_ if each[0] not in lower])
        answers = iter([i in lower for i in range(len(asked))])
        return [list(islice(answers, len(question.groups))) for question in questions]

    def _of(self, group: Sequence[str]) -> _Alternatives:
        key = tuple(group)
        if (known := self._alternatives.get(key)) is None:
            places = [*chain.from_iterable(self._places.get(name, ()) for name in key)]
            places.sort(key=self._pds_of_example.__getitem__)
            moving = [self._contract.by_name[name] for name in key if self._moved[name]]
            known = self._alternatives[key] = _Alternatives(places[:1], places[1:], moving)
        return known

    def _lower_directly(self, questions: Sequence[Question], tried: Sequence[tuple[int, int, int]]) -> set[int]:
        """The groups that are lowered by alternatives which only replace features.

        Args:
            questions: all.
            tried: of each alternative, the group's number, its question's, and the better value's place.
        """
        if not tried:
            return set()
        places = np.array([place for _, _, place in tried])
        own = np.array([questions[q].encoded for _, q, _ in tried])
        encoded = np.where(self._held.take(places, axis=0), own, self._others.take(places, axis=0))
        pds = self._scorer.pds(encoded).tolist()
        return {i for (i, q, _), pd in zip(tried, pds, strict=True) if pd < questions[q].pd}

    def _lower_anew(self, questions: Sequence[Question], asked: Iterable[tuple[int, int, _Alternatives]]) -> set[int]:
        others = [
            (i, questions[q].pd, self._contract.with_values(questions[q].application, {field.name: value}))
            for i, q, alternatives in asked
            for field in alternatives.moving
            for value in best_values(field) or self._between(field, questions[q].application)
        ]
        if not others:
            return set()
        pds = self._scorer.score([other for _, _, other in others]).pd.tolist()
        return {i for (i, own_pd, _), pd in zip(others, pds, strict=True) if pd < own_pd}

    def _replacement(self, field: AnyField) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """As `replacement` has it."""
        schema = self._scorer.schema
        anyone = self._contract.parse(dict(self._contract.example))
        # A ratio is set by itself: through one of its two fields would be that field's improvement.
        others = [{**anyone, field.name: value} for value in best_values(field) or self._between(field, anyone)]
        held = np.ones(len(self._contract.features), dtype=np.bool_)
        held[schema.columns(field.name)] = False
        return held, schema.matrix(others)

    def cuts(self, field: AnyField, application: Application) -> Iterator[float]:
        """Where the model begins to tell values of a scored number apart, all else held; in no order."""
        return chain(self._cuts[field.name], self._cuts_of_ratios(field, application))

    def _between(self, field: AnyField, application: Application) -> Iterator[float]:
        """A value of a number without a direction from each interval that the model tells apart."""
        cuts = self.cuts(field, application)
        if isinstance(field, Ratio):
            return representatives(cuts, 0, field.maximum)
        assert isinstance(field, Number | Integer)
        return representatives(cuts, field.least, field.greatest, whole=isinstance(field, Integer))

    def _cuts_of_ratios(self, field: AnyField, application: Application) -> Iterator[float]:
        """Where a ratio that moves with a field crosses one of its thresholds."""
        for ratio in self._moved[field.name]:
            above = ratio.numerator == field.name
            held = application[ratio.denominator if above else ratio.numerator]
            if isinstance(held, int | float):
                yield from (cut * held if above else held / cut for cut in self._cuts[ratio.name] if cut > 0)

    def thresholds(self, field: AnyField) -> Sequence[float]:
        """Where the model begins to tell a scored field's own numbers apart, rising."""
        features = self._contract.features
        columns = [i for i in self._scorer.schema.columns(field.name) if features[i].kind == "number"]
        return self._ensemble.thresholds(columns)

    def replacement(self, field: str) -> tuple[NDArray[np.bool_], NDArray[np.float32]] | None:
        """What to hold and what to put in place of the rest, for a scored field; None where it moves ratios.

        Returns:
            Which features other fields make, shape (k,), and an example's for each better value, shape (values, k).
        """
        return self._replacements.get(field)


def best_values(field: AnyField) -> tuple[Any, ...]:
    """The values among which the lowest PD is bound to be; none for a number without a direction."""
    if field.direction is None:
        return field.choices
    rises = field.direction == "rises"
    if isinstance(field, Ratio):
        return (0.0 if rises else field.maximum,)
    if isinstance(field, Number | Integer):
        return (field.least if rises else field.greatest, *field.best_states)
    return (field.worst_first[-1],)


def representatives(cuts: Iterable[float], least: float, greatest: float, *, whole: bool = False) -> Iterator[float]:
    """A number from each interval that `cuts` leave between two bounds: above one cut, up to the next."""
    ends = [least, *sorted({cut for cut in cuts if least <= cut < greatest}), greatest]
    if whole:
        first = (_first_whole(low, high) for low, high in pairwise(ends[1:]))
        return chain([math.ceil(least)], (number for number in first if number <= greatest))
    return chain([least], (low + (high - low) / 2 for low, high in pairwise(ends)), [greatest])


def _first_whole(low: float, high: float) -> int:
    """The first whole number above one bound that the model can tell from it, up to the other."""
    first = math.floor(low) + 1
    # A large one's float32 may not exceed the bound, which the middle of the two does.
    return first if np.float32(first) > low else math.floor(low + (high - low) / 2)


def ratios_of(contract: Contract, name: str) -> list[Ratio]:
    """The scored ratios that move with a field."""
    return [ratio for ratio in contract.ratios if ratio.scored and name in (ratio.numerator, ratio.denominator)]
