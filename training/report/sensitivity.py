"""Sensitivity: how far the PD goes, and how many decisions with it, when one field moves by one step.

The step of a number is to the next higher or lower of its deciles; of an ordered category, to the next one; of any
other, to each of the others. What rests on a field that moves, a ratio of it, is computed anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decision import Policy
from preprocessing.application import Application
from preprocessing.contract import Contract
from preprocessing.fields import AnyField, Category, Flag, Integer, Number, Ordered
from training.metrics import Probabilities
from training.report.approvals import Outside, decided, ruled

ROWS = 2000
"""Applications that are moved, drawn with `SEED`; all where there are fewer."""

SEED = 2026

Predict = Callable[[Sequence[Application]], Probabilities]
Step = Callable[[Any], Sequence[Any]]
"""A value to those it moves to; none where it can't go that way."""


@dataclass(frozen=True, slots=True)
class Move:
    """What one step of one field does.

    Attributes:
        field: that moves.
        step: which way.
        rows: moves that were tried.
        low: the 5th percentile of the change of the PD.
        median: the 50th.
        high: the 95th.
        decisions: share of moves that change the outcome.
    """

    field: str
    step: str
    rows: int
    low: float
    median: float
    high: float
    decisions: float


def moves(
    contract: Contract, applications: Sequence[Application], predict: Predict, policy: Policy, outside: Outside
) -> tuple[Move, ...]:
    """Every step of every scored field that can be stated.

    Args:
        contract: of the loan book.
        applications: past ones.
        predict: the model's PDs.
        policy: decides.
        outside: see `ruled`.
    """
    rng = np.random.default_rng(SEED)
    chosen = np.sort(rng.choice(len(applications), min(ROWS, len(applications)), replace=False)).tolist()
    sample = [applications[i] for i in chosen]
    pd = predict(sample)
    outcomes = decided(policy, ruled(policy, sample, outside), pd)
    found = []
    for field in contract.fields:
        if field.scored:
            values = [application[field.name] for application in applications]
            for name, step in steps(field, values):
                move = _move(contract, field.name, name, step, sample, pd, outcomes, predict, policy, outside)
                if move is not None:
                    found.append(move)
    return tuple(found)


def steps(field: AnyField, values: Sequence[Any]) -> Iterator[tuple[str, Step]]:
    """The ways that a field can go, by name.

    Args:
        field: scored.
        values: of it, among past applications.
    """
    if isinstance(field, Number | Integer):
        stated = [value for value in values if value is not None and not isinstance(value, str)]
        deciles = np.unique(np.quantile(stated, np.linspace(0.1, 0.9, 9), method="lower")).tolist()
        yield "next decile up", lambda value: _neighbour(value, deciles, up=True)
        yield "next decile down", lambda value: _neighbour(value, deciles, up=False)
    elif isinstance(field, Ordered):
        order = list(field.choices)
        yield "next category", lambda value: [] if value not in order[:-1] else [order[order.index(value) + 1]]
        yield "category before", lambda value: [] if value not in order[1:] else [order[order.index(value) - 1]]
    elif isinstance(field, Category | Flag):
        choices = sorted({value for value in values if value is not None})
        yield "each other", lambda value: [] if value is None else [other for other in choices if other != value]
    if field.nullable:
        yield "left out", lambda value: [] if value is None else [None]


def _neighbour(value: Any, deciles: Sequence[float], *, up: bool) -> list[float]:
    if value is None or isinstance(value, str):
        return []
    beyond = [decile for decile in deciles if (decile > value if up else decile < value)]
    # A value beyond the last decile has no neighbour that way.
    return [min(beyond) if up else max(beyond)] if beyond else []


def _move(  # noqa: PLR0913, PLR0917  # of one step
    contract: Contract,
    field: str,
    name: str,
    step: Step,
    sample: Sequence[Application],
    pd: Probabilities,
    outcomes: NDArray[np.intp],
    predict: Predict,
    policy: Policy,
    outside: Outside,
) -> Move | None:
    pairs = [(i, value) for i, application in enumerate(sample) for value in step(application[field])]
    if not pairs:
        return None
    rows = [i for i, _ in pairs]
    moved = [contract.with_values(sample[i], {field: value}) for i, value in pairs]
    after = predict(moved)
    change = after - pd[rows]
    low, median, high = np.quantile(change, [0.05, 0.5, 0.95]).tolist()
    decisions = float((decided(policy, ruled(policy, moved, outside), after) != outcomes[rows]).mean())
    return Move(field, name, len(rows), low, median, high, decisions)
