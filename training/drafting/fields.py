"""The field that a column becomes, as the contract file has it, or why it becomes none."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from preprocessing.base import MAX_TEXT, integral, is_one_line
from preprocessing.contract import MAX_FIELDS
from preprocessing.fields import MAX_CATEGORIES, MAX_NUMBER, MISSING, is_reserved
from training.drafting import signs
from training.drafting.columns import MOST_CATEGORIES, Column

Document = dict[str, Any]

_YES = ("y", "yes", "true", "t")
_NO = ("n", "no", "false", "f")
_SUMS_OF_MONEY = 10_000
_MAX_NAME = 50


@dataclass(frozen=True, slots=True)
class Drafted:
    """A column and what became of it.

    Attributes:
        column: in the file.
        field: of the contract; None where it is left out.
        left_out: why.
    """

    column: Column
    field: Document | None
    left_out: str = ""


def draft_fields(columns: Sequence[Column]) -> list[Drafted]:
    """A field for every column that can be one; of what looks like an id, the first is taken as the reference."""
    ids = [column for column in columns if signs.is_id(column)]
    kept: list[tuple[Column, Document]] = []
    left_out: dict[str, str] = {}
    for column in columns:
        if column in ids[:1] and signs.prohibited(column) is None:
            kept.append((column, _reference()))
        elif column in ids:
            left_out[column.name] = "looks like an id: nearly every value occurs once"
        elif (why := _unusable(column)) is not None:
            left_out[column.name] = why
        else:
            kept.append((column, _field(column)))
    names = _names([(column.name, body) for column, body in kept])
    fields = {
        column.name: {"name": name, **({} if name == column.name else {"column": column.name[:MAX_TEXT]}), **body}
        for name, (column, body) in zip(names, kept, strict=True)
    }
    return [Drafted(c, fields.get(c.name), left_out.get(c.name, "")) for c in columns]


def _unusable(column: Column) -> str | None:
    if not column.present:
        return "empty"
    if column.distinct == 1:
        return "the same value in every row that has one"
    if not is_one_line(column.name):
        return "its name is too long, or holds control characters: rename it"
    if column.numeric:
        return None if max(map(abs, column.numbers)) <= MAX_NUMBER else f"holds numbers beyond {MAX_NUMBER:g}"
    return None if column.dates else _no_category(column)


def _no_category(column: Column) -> str | None:
    if len(column.categories) > MOST_CATEGORIES:
        return f"{len(column.categories)} different texts: no category, and nothing is made of free text"
    if len(_usable(column.categories)) < 2:
        return "fewer than two categories that can be told in one line"
    return None


def _usable(categories: Iterable[str]) -> list[str]:
    return [c for c in categories if is_one_line(c) and c != MISSING][:MAX_CATEGORIES]


def _reference() -> Document:
    return {
        "type": "reference",
        "description": "The sender's own id of the application, given back in the answer.",
        "decide": ["nearly every value occurs once: taken as the sender's reference; keep it, or remove the field"],
    }


def _field(column: Column) -> Document:
    barred, leaks = signs.prohibited(column) is not None, column.auc > signs.LEAK_AUC
    if column.numeric:
        body = _numeric(column)
    elif column.dates:
        body = {"type": "date", "example": f"{max(column.texts)[:4]}-01-01"}
    else:
        body = _choice(column)
    asked = signs.questions(column, scored=not (barred or leaks))
    if (
        odd := len(column.categories) - len(_usable(column.categories))
        if not column.numeric and not column.dates
        else 0
    ):
        asked.append(
            f"{odd} of its categories can't be written down (control characters, or called missing): clean them"
        )
    extra: Document = {"description": f"{column.name[:120]}, as the file has it."}
    if column.missing > 0 or barred:
        extra["nullable"] = True
        if body["type"] in {"number", "integer", "flag"}:
            extra["missing"] = "own"  # until somebody says which way its risk goes
    if (barred or leaks) and not column.dates:
        extra["use"] = "reports"
    return {"type": body.pop("type"), **extra, **body, **({"decide": asked} if asked else {})}


def _numeric(column: Column) -> Document:
    codes = signs.special_codes(column)
    numbers = [value for value in column.numbers if value not in codes]
    low, high = min(numbers), max(numbers)
    bounds = (_outward(low) if low < 0 else 0.0, _outward(high) if high > 0 else 0.0)
    body: Document = {
        # Large whole numbers are sums of money, as a rule, which somebody will state with cents.
        "type": "integer" if column.whole and high < _SUMS_OF_MONEY else "number",
        "minimum": integral(bounds[0]),
        "maximum": integral(bounds[1]),
    }
    if codes:
        body["codes"] = {f"code_{'minus_' if code < 0 else ''}{abs(code):.0f}": integral(code) for code in codes}
    body["example"] = rounded(sorted(numbers)[len(numbers) // 2], body)
    return body


def _choice(column: Column) -> Document:
    categories = _usable(column.categories)
    if len(categories) == 2:
        lower = {category.lower(): category for category in categories}
        yes, no = (next((lower[word] for word in known if word in lower), None) for known in (_YES, _NO))
        if yes is not None and no is not None:
            return {"type": "flag", "yes": yes, "no": no, "example": no}
    most = max(categories, key=lambda category: column.categories[category])
    return {"type": "category", "categories": categories, "example": most}


def rounded(value: float, field: Mapping[str, Any]) -> int | float:
    """A number with two significant digits, within the field's range: of many rows, and of none in particular."""
    near = float(f"{value:.2g}")
    if field["type"] == "integer":
        near = float(round(near))
    within: int | float = integral(min(max(near, field["minimum"]), field["maximum"]))
    return within


def _outward(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50, … away from zero."""
    power = 10.0 ** math.floor(math.log10(abs(value)))
    step = next(m for m in (1, 2, 5, 10) if m * power >= abs(value) * (1 - 1e-12))
    return math.copysign(min(float(f"{step * power:.6g}"), MAX_NUMBER), value)


def _names(kept: Sequence[tuple[str, Document]]) -> list[str]:
    names: list[str] = []
    for column, _ in kept:
        name = "_".join(signs.words(column))[:_MAX_NAME].strip("_") or "field"
        if not name[0].isalpha():
            name = f"n_{name}"
        if is_reserved(name):
            name = f"{name}_field"
        names.append(_unlike(name, names))
    # A feature is called after its field and one of its values: no other field may be called so.
    for name, (_, body) in zip(list(names), kept, strict=True):
        values = [MISSING, "rank", *body.get("categories", ()), *body.get("codes", ())]
        made = {f"{name}_{value}" for value in values}
        names = [_unlike(f"{other}_field", names) if other in made else other for other in names]
    return names


def _unlike(name: str, taken: Sequence[str]) -> str:
    return next(n for n in (name, *(f"{name}_{i}" for i in range(2, MAX_FIELDS + 2))) if n not in taken)
