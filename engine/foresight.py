"""Where a search for a better decision is likely to end, told by the model alone.

Along a field's better values the PD changes only where the model begins to tell values apart. What it is there follows
from the rows of the model's tables, without an application for each; so the search, which asks what really would be
decided, finds at its first question what it otherwise narrows down in many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from decision import Outcome, Policy
from decision.counterfactuals import Ladder, Search
from engine.columnar.columns import Column, column_of, names_of
from engine.columnar.model import ByTables, Model
from preprocessing.application import Application
from preprocessing.contract import Contract
from preprocessing.fields import AnyField, Ratio
from scoring.improvements import Improvements, ratios_of

FEW = 16
"""Of so many numbers each is tried."""


class _Way(NamedTuple):
    """Better values of a field of one application.

    Attributes:
        row: of the application.
        application: as the contract reads it.
        places: on the field's ladder, of values from which on the PD may be another, rising.
        values: they.
    """

    row: int
    application: Application
    places: Sequence[int]
    values: Column


class Foresight:
    """A model and a policy, ready to be asked where better decisions may begin."""

    def __init__(self, contract: Contract, model: Model, policy: Policy, improvements: Improvements) -> None:
        self._model = model if isinstance(model, ByTables) else None
        self._contract = contract
        scored = [field for field in self._contract.fields if field.scored]
        self._cuts = {field.name: np.array(improvements.thresholds(field)) for field in scored if not field.choices}
        for ratio in self._contract.ratios:
            if ratio.scored:  # none is crossed at 0
                self._cuts[ratio.name] = self._cuts[ratio.name][self._cuts[ratio.name] > 0]
        self._moved = {
            field.name: [(ratio, ratio.numerator == field.name) for ratio in ratios_of(contract, field.name)]
            for field in scored
        }
        self._below = {
            Outcome.APPROVE: policy.thresholds.approve_below,
            Outcome.CONDITIONAL_APPROVAL: policy.thresholds.reject_from,
        }

    def guesses(
        self, searches: Sequence[Search], tables: NDArray[np.int64] | None, pds: Sequence[float]
    ) -> list[list[int | None]]:
        """Of each single line of each search, the step at which its decision may begin to be got.

        None where that is at no step, or for the model at all of them, so that a rule is in the way.

        Args:
            searches: of some applications.
            tables: their rows of the model's tables, shape (n, tables); None where there are none.
            pds: their own.
        """
        if self._model is None or tables is None:
            return [[] for _ in searches]
        found: dict[tuple[int, str], tuple[Sequence[int], Sequence[float]]] = {}
        for field in self._contract.actionable:
            ways = [
                self._way(row, search.fields, field, ladder)
                for row, search in enumerate(searches)
                if (ladder := search.ladders.get(field.name)) is not None and field.scored
            ]
            if ways:
                pd = iter(self._pds(self._model, field, ways, tables))
                found |= {(way.row, field.name): (way.places, [*islice(pd, way.values.size)]) for way in ways}
        return [
            [
                self._guess(found.get((row, name)), pds[row], self._below[line.target])
                for line in search.single
                for name in line.ladders
            ]
            for row, search in enumerate(searches)
        ]

    @staticmethod
    def _guess(found: tuple[Sequence[int], Sequence[float]] | None, own: float, below: float) -> int | None:
        if found is None or own < below:
            return None
        return next((place + 1 for place, pd in zip(*found, strict=True) if pd < below), None)

    def _way(self, row: int, application: Application, field: AnyField, ladder: Ladder) -> _Way:
        if field.choices or len(ladder) <= FEW:
            return _Way(row, application, range(len(ladder)), column_of(field, ladder))
        cuts = self._cuts_of(field, application)
        at = _beyond(ladder, cuts)
        places = np.array(sorted({0, *at[(at > 0) & (at < len(ladder))].tolist()}), dtype=np.float64)
        values = (
            ladder[0] + places * ladder.step if isinstance(ladder, range) else np.asarray(ladder)[places.astype(int)]
        )
        return _Way(row, application, places.astype(int).tolist(), Column(names_of(field), None, values))

    def _cuts_of(self, field: AnyField, application: Application) -> NDArray[np.float64]:
        """Where the model begins to tell numbers of a field apart, all else held."""
        parts = [self._cuts[field.name]]
        for ratio, above in self._moved[field.name]:
            held = application[ratio.denominator if above else ratio.numerator]
            if isinstance(held, int | float):
                parts.append(self._cuts[ratio.name] * held if above else held / self._cuts[ratio.name])
        return np.concatenate(parts)

    def _pds(self, model: ByTables, field: AnyField, ways: Sequence[_Way], tables: NDArray[np.int64]) -> list[float]:
        """The PDs with all values of all ways, in order."""
        owners = _owners(ways)
        values = _joined([way.values for way in ways])
        own = column_of(field, [way.application[field.name] for way in ways])
        found = tables[[way.row for way in ways]] - model.of_field(field.name, own)
        found = found[owners] + model.of_field(field.name, values)
        for ratio, above in self._moved[field.name]:
            found += self._going_along(model.of_field, ratio, ways, values, above=above)
        pds: list[float] = model.pds(found).tolist()
        return pds

    @staticmethod
    def _going_along(
        add: Callable[[str, Column], NDArray[np.int64]],
        ratio: Ratio,
        ways: Sequence[_Way],
        values: Column,
        *,
        above: bool,
    ) -> NDArray[np.int64]:
        """What a ratio that goes along adds instead of what it added."""
        owners = _owners(ways)
        held = [way.application[ratio.denominator if above else ratio.numerator] for way in ways]
        there = np.array([isinstance(each, int | float) for each in held])
        by = np.array([each if isinstance(each, int | float) else np.nan for each in held])[owners]
        assert values.numbers is not None
        with np.errstate(divide="ignore", invalid="ignore"):
            numbers = values.numbers / by if above else by / values.numbers
        own = add(ratio.name, column_of(ratio, [way.application[ratio.name] for way in ways]))
        new = add(ratio.name, Column(names_of(ratio), None, np.nan_to_num(numbers)))
        return np.where(there[owners][:, np.newaxis], new - np.broadcast_to(own, (len(ways), new.shape[1]))[owners], 0)


def _joined(columns: Sequence[Column]) -> Column:
    names, places, numbers = columns[0]
    return Column(
        names,
        None if places is None else np.concatenate([each.places for each in columns if each.places is not None]),
        None if numbers is None else np.concatenate([each.numbers for each in columns if each.numbers is not None]),
    )


def _owners(ways: Sequence[_Way]) -> NDArray[np.intp]:
    """Of each value of all ways, whose it is."""
    return np.repeat(np.arange(len(ways)), [way.values.size for way in ways])


def _beyond(ladder: Sequence[Any], cuts: NDArray[np.float64]) -> NDArray[np.floating | np.integer]:
    """The place of the first value beyond each cut: rising values lie above it, falling ones no higher."""
    falls = ladder[0] > ladder[-1]
    if isinstance(ladder, range):  # in whole units (`Number.worst_first`), and maybe a long one
        return np.ceil(ladder[0] - cuts) if falls else np.floor(cuts - ladder[0]) + 1
    values = np.asarray(ladder)
    return np.searchsorted(-values, -cuts, side="left") if falls else np.searchsorted(values, cuts, side="right")
