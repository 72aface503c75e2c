"""The decision along a field's whole range, as a person reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from desk.drawing.ranging import ranged
from desk.fields import labels, span
from engine import Along, Engine, along
from preprocessing.application import Application
from preprocessing.contract import Contract
from preprocessing.fields import AnyField, Integer, Number


@dataclass(frozen=True, slots=True)
class Ranging:
    """What each value of a field would get.

    Attributes:
        name: of the field.
        label: what a person calls it.
        value: the application's own.
        number: the same, where it is one.
        found: along the range.
        drawn: a part of it around the value; None where that is no number.
    """

    name: str
    label: str
    value: Any
    number: float | None
    found: Along
    drawn: Markup | None


def rangeable(contract: Contract) -> dict[str, str]:
    """The labels of the fields that have a range of values which rules or scores read, by name."""
    called = labels(contract)
    return {field.name: called[field.name] for field in contract.fields if field.for_rules and _has_values(field)}


def usual(contract: Contract, moved: Sequence[str]) -> str:
    """The field whose range is shown until another is asked for: the amount, or else what moved the decision most.

    Args:
        contract: the fields.
        moved: names of scored fields, the one that moved it most first.
    """
    fields = rangeable(contract)
    return next(name for name in (contract.amount, *moved, *fields) if name is not None and name in fields)


def ranging(engine: Engine, application: Application, name: str) -> Ranging:
    """Go along a field.

    Args:
        engine: decides.
        application: as the contract reads it.
        name: one of `rangeable`.
    """
    field, value = engine.contract.by_name[name], application[name]
    found = along(engine, application, name)
    number = float(value) if isinstance(value, int | float) else None
    drawn = None
    if number is not None and isinstance(field, Number | Integer) and field.least < field.greatest:
        drawn = ranged(found, engine.policy, number, span(engine, field, number))
    return Ranging(name, labels(engine.contract)[name], value, number, found, drawn)


def _has_values(field: AnyField) -> bool:
    return isinstance(field, Number | Integer) or bool(field.choices)
