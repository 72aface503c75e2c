"""What of an application lies outside of what the training data holds, and so of what the model knows."""

from __future__ import annotations

from itertools import takewhile
from typing import NamedTuple

from preprocessing.application import Application
from preprocessing.base import Value
from preprocessing.contract import Contract
from preprocessing.fields import AnyField
from scoring.distribution import FieldBins, TrainingDistribution


class Outside(NamedTuple):
    """The fields of one application that lie outside, in the contract's order.

    Attributes:
        fields: all of them.
        worse: those that lie beyond the worse end, or have no better one: what a rule may count, since no improvement
            of a field may ever cost an applicant anything.
    """

    fields: tuple[str, ...]
    worse: tuple[str, ...]


NOTHING = Outside((), ())


class KnownRanges:
    """The training data's ranges, ready to be asked.

    Attributes:
        known: of each scored field, in the contract's order.

    Raises:
        ValueError: a scored field has no entry in the distribution, or a number no range.
    """

    def __init__(self, contract: Contract, distribution: TrainingDistribution) -> None:
        by_name = {bins.field: bins for bins in distribution.bins}
        scored = [field for field in contract.fields if field.scored]
        if missing := [field.name for field in scored if field.name not in by_name]:
            raise ValueError(f"it has no entry for {', '.join(missing)}")
        self.known = {
            field.name: Known(field, by_name[field.name], may_lack=contract.may_lack(field)) for field in scored
        }

    def outside(self, application: Application) -> Outside:
        """Which of its scored fields lie outside."""
        fields, worse = [], []
        for name, known in self.known.items():  # asked of every application: no call for what lies within
            value = application[name]
            if value is None or value.__class__ is str:
                if value not in known.unseen:
                    continue
            elif known.low <= value <= known.high:
                continue
            fields.append(name)
            if known.counts(value):
                worse.append(name)
        return Outside(tuple(fields), tuple(worse)) if fields else NOTHING


class Known:
    """What the training data holds of one field.

    Attributes:
        low: the least number; none for a category.
        high: the greatest.
        above_is_worse: whether beyond that counts against the applicant.
        below_is_worse: whether below the least does.
        unseen: names that the training data lacks, None among them, and whether each counts.
    """

    __slots__ = ("above_is_worse", "below_is_worse", "high", "low", "unseen")

    def __init__(self, field: AnyField, bins: FieldBins, *, may_lack: bool) -> None:
        if bins.range is not None:
            self.low, self.high = bins.range.low, bins.range.high
        elif not field.choices:
            raise ValueError(f"{field.name} has no range")
        self.above_is_worse, self.below_is_worse = field.direction != "falls", field.direction != "rises"
        self.unseen = _unseen(field, bins)
        if may_lack and not bins.missing:
            # Never an improvement on a value: it counts as worst, or has a risk of its own.
            self.unseen[None] = True

    def counts(self, value: Value) -> bool:
        """Whether a value that lies outside counts against the applicant."""
        if value is None or isinstance(value, str):
            return self.unseen[value]
        return self.above_is_worse if value > self.high else self.below_is_worse


def _unseen(field: AnyField, bins: FieldBins) -> dict[Value, bool]:
    """Categories and states that the training data lacks, and whether each counts against the applicant."""
    unseen = [name for name in (*field.choices, *field.states) if name not in bins.seen]
    if field.choices and field.direction is not None:
        beyond = set(takewhile(lambda name: name in unseen, field.worst_first))
        return {name: name in beyond for name in unseen}
    return {name: name not in field.best_states for name in unseen}
