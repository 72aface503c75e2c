"""A field of the contract as an input of a form: what it is called, what it takes, and what has been typed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import log10
from typing import Literal

from desk.rendering import plain
from engine import Engine
from preprocessing.contract import Contract
from preprocessing.fields import AnyField, Date, Integer, Number, Ratio, Reference

_END = re.compile(r"(?:\.|;)\s+")
"""Where the first clause of a description ends, which is what a person calls the field."""

SLIDER_STEPS = 1000
WIDEST = 4
"""Times its value that a slider goes to either side: within the training data's whole range few steps would be near."""


@dataclass(frozen=True, slots=True)
class Slider:
    """From where to where a number may be slid, and by how much."""

    low: float
    high: float
    step: float


@dataclass(frozen=True, slots=True)
class Input:
    """One input.

    Attributes:
        name: the field's.
        label: what a person calls it.
        hints: what it takes.
        kind: number, choice, date or text.
        required: whether it has to be stated.
        options: of a choice.
        text: what has been typed or chosen.
        error: what is wrong with that.
        slider: of a number that has been stated.
        example: of the contract.
    """

    name: str
    label: str
    hints: tuple[str, ...]
    kind: Literal["number", "choice", "date", "text"]
    required: bool
    options: tuple[str, ...] = ()
    text: str = ""
    error: str = ""
    slider: Slider | None = None
    example: str = ""


def label(field: AnyField) -> str:
    """What a person calls a field: the first clause of its description."""
    return _END.split(field.description, maxsplit=1)[0].rstrip(".")


def labels(contract: Contract) -> dict[str, str]:
    """The same of all fields; a ratio, whose description is for programs that state one, by what it is made of."""
    called = {field.name: label(field) for field in contract.fields}
    return called | {each.name: f"{called[each.numerator]} / {called[each.denominator]}" for each in contract.ratios}


def inputs(engine: Engine, texts: Mapping[str, str], errors: Mapping[str, str]) -> list[Input]:
    """The inputs of an application's form; what is computed from others has none.

    Args:
        engine: whose contract it is.
        texts: what has been typed, by field.
        errors: what is wrong with it.
    """
    stated = [field for field in engine.contract.fields if not isinstance(field, Ratio)]
    return [_input(engine, field, texts.get(field.name, ""), errors.get(field.name, "")) for field in stated]


def _input(engine: Engine, field: AnyField, text: str, error: str) -> Input:
    kind: Literal["number", "choice", "date", "text"] = "text"
    slider = None
    if isinstance(field, Number | Integer):
        kind, slider = "number", _slider(engine, field, text)
    elif field.choices:
        kind = "choice"
    elif isinstance(field, Date):
        kind = "date"
    return Input(
        name=field.name,
        label=label(field),
        hints=tuple(_hints(field)),
        kind=kind,
        required=not field.optional,
        options=field.choices,
        text=text,
        error=error,
        slider=slider,
        example="" if field.example is None else str(field.example),
    )


def _hints(field: AnyField) -> list[str]:
    hints = []
    rest = _END.split(field.description, maxsplit=1)[1:]
    if rest:  # its author speaks to programs, for which what a person leaves empty is null
        told = re.sub(r"\bnull\b", "empty", rest[0]).rstrip(".")
        hints.append(told[:1].upper() + told[1:])
    if isinstance(field, Number | Integer):
        whole = "a whole number, " if isinstance(field, Integer) else ""
        unit = f" {field.unit}" if field.unit else ""
        hints.append(f"{whole}{plain(field.least)} to {plain(field.greatest)}{unit}".capitalize())
        if not all(f"{code:g}" in field.description for code in field.codes.values()):
            hints.append("Or " + ", ".join(f"{plain(code)} for {state}" for state, code in field.codes.items()))
    if isinstance(field, Reference):
        hints.append("Given back as it is")
    if not field.scored and field.for_rules and "scored" not in field.description:
        hints.append("For the policy's rules alone")
    return hints


def _slider(engine: Engine, field: Number | Integer, text: str) -> Slider | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if not field.least <= value <= field.greatest:
        return None
    low, high = span(engine, field, value)
    whole = isinstance(field, Integer) or high - low >= SLIDER_STEPS / 10
    step = 1.0 if whole else 10.0 ** round(log10((high - low) / SLIDER_STEPS))
    return Slider(low, high, step)


def span(engine: Engine, field: Number | Integer, value: float) -> tuple[float, float]:
    """The part of a number's range that is looked at around a value: what the model has learned from, and the value."""
    known = engine.scorer.ranges.known.get(field.name)
    learned = (field.least, field.greatest) if known is None else (known.low, known.high)
    low, high = max(min(learned[0], value), field.least), min(max(learned[1], value), field.greatest)
    if value > 0 and low >= 0:
        low, high = max(low, value / WIDEST), min(high, value * WIDEST)
    if isinstance(field, Integer) or high - low >= SLIDER_STEPS / 10:
        low, high = max(float(int(low)), field.least), min(float(int(high) + 1), field.greatest)
    return (low, high) if low < high else (field.least, field.greatest)
