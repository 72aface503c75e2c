from __future__ import annotations

import json
import math
from typing import Any

import pytest

from preprocessing.contract import Contract, read_contract
from scoring.distribution import FieldBins, Range, TrainingDistribution
from scoring.ranges import NOTHING, KnownRanges, Outside

FIELDS: list[dict[str, Any]] = [
    {"name": "income", "type": "number", "minimum": 1, "maximum": 1e9, "direction": "falls", "nullable": True},
    {"name": "amount", "type": "number", "minimum": 1, "maximum": 1e9, "direction": "rises"},
    {"name": "ratio", "type": "ratio", "numerator": "amount", "denominator": "income", "maximum": 1e9,
     "direction": "rises"},
    {"name": "dependents", "type": "integer", "minimum": 0, "maximum": 20,
     "codes": {"unknown": -1, "refused": -2}},
    {"name": "burden", "type": "number", "minimum": 0, "maximum": 500, "direction": "rises",
     "codes": {"none": -1, "closed": -2, "other": -3}, "standing": {"none": "best", "closed": "worst"}},
    {"name": "grade", "type": "ordered", "categories": ["A", "B", "C", "D", "E"], "direction": "rises"},
    {"name": "default", "type": "flag", "yes": "Y", "no": "N", "direction": "rises"},
    {"name": "owner", "type": "flag", "yes": "Y", "no": "N", "direction": "falls"},
    {"name": "purpose", "type": "category", "categories": ["CAR", "BOAT"]},
    {"name": "age", "type": "integer", "minimum": 0, "maximum": 120, "use": "rules"},
]  # fmt: skip
KNOWN = Range(low=10.0, high=20.0)


def contract(fields: list[dict[str, Any]] = FIELDS) -> Contract:
    document = {
        "format": 1, "name": "tiny", "version": "1.0.0", "label": {"column": "y", "defaulted": [1], "repaid": [0]},
        "fields": [{"description": "d", "example": EXAMPLE[field["name"]]} | field for field in fields],
    }  # fmt: skip
    return read_contract(json.dumps(document).encode())


EXAMPLE = {
    "income": 15, "amount": 15, "ratio": 1, "dependents": 15, "burden": 15, "grade": "B", "default": "N", "owner": "Y",
    "purpose": "CAR", "age": 30,
}  # fmt: skip


def numbers(field: str, *states: str, missing: float = 0.0, known: Range | None = KNOWN) -> FieldBins:
    """Of which the training data has seen every number within the range, and no state."""
    return FieldBins(
        field=field, edges=[15.0], categories=[], states=list(states), shares=[0.5, 0.5, *(0.0 for _ in states)],
        missing=missing, range=known,
    )  # fmt: skip


def choices(field: str, *seen: str) -> FieldBins:
    return FieldBins(field=field, edges=[], categories=list(seen), shares=[1 / len(seen)] * len(seen), missing=0.0)


def distribution(*others: FieldBins) -> TrainingDistribution:
    """Of the small contract; `others` take the place of the field's own."""
    bins = {
        "income": numbers("income", missing=0.1),
        "amount": numbers("amount"),
        "ratio": numbers("ratio", missing=0.1, known=Range(low=0.9, high=1.1)),
        "dependents": numbers("dependents", "unknown", "refused"),
        "burden": numbers("burden", "none", "closed", "other"),
        "grade": choices("grade", "B", "D"),
        "default": choices("default", "N"),
        "owner": choices("owner", "N"),
        "purpose": choices("purpose", "CAR"),
    } | {other.field: other for other in others}  # fmt: skip
    return TrainingDistribution(format=2, rows=100, quantiles=[0.001, 0.999], bins=list(bins.values()))


def outside(changes: dict[str, Any], *others: FieldBins) -> Outside:
    book = contract()
    # Not read from a document: a special code comes out as its state, and a ratio follows.
    application = book.with_values(book.parse(dict(book.example)), {"owner": "N"} | changes)
    return KnownRanges(book, distribution(*others)).outside(application)


class TestNumbers:
    @pytest.mark.parametrize("value", [10.0, 15.0, 20.0])
    def test_within(self, value: float) -> None:
        """Both ends belong to the range."""
        assert NOTHING == outside({"dependents": value, "burden": value})

    @pytest.mark.parametrize(
        ("field", "value", "counts"),
        [
            ("burden", math.nextafter(20, 21), True),
            ("burden", math.nextafter(10, 9), False),
            ("dependents", 21, True),
            ("dependents", 9, True),
        ],
    )
    def test_beyond(self, field: str, value: float, counts: bool) -> None:  # a parametrised test's
        """Just beyond either end is outside; where there is a direction, it counts beyond the worse one."""
        assert Outside((field,), (field,) if counts else ()) == outside({field: value})

    def test_falling(self) -> None:
        """For a field whose risk falls, the worse end is the lower; what was seen missing is known."""
        assert Outside(("income",), ("income",)) == outside({"income": 9.9, "amount": 10})
        assert Outside(("income",), ()) == outside({"income": 20.1, "amount": 20})
        assert NOTHING == outside({"income": None})

    def test_ratio(self) -> None:
        """A ratio has a range of its own, and fields come in the contract's order."""
        assert Outside(("income", "amount", "ratio"), ("income", "amount", "ratio")) == outside(
            {"amount": 21, "income": 9}
        )
        assert Outside(("ratio",), ()) == outside({"amount": 10, "income": 20})

    def test_never_missing(self) -> None:
        """A missing value that the training data never had is outside, and counts: no value is worse."""
        assert Outside(("income", "ratio"), ("income", "ratio")) == outside(
            {"income": None}, numbers("income"), numbers("ratio")
        )


class TestNames:
    @pytest.mark.parametrize(
        ("field", "value", "counts"),
        [
            ("dependents", "unknown", True),
            ("burden", "none", False),
            ("burden", "closed", True),
            ("burden", "other", True),
            ("grade", "A", False),
            ("grade", "C", False),
            ("grade", "E", True),
            ("default", "Y", True),
            ("owner", "Y", False),
            ("purpose", "BOAT", True),
        ],
    )
    def test_never_seen(self, field: str, value: str, counts: bool) -> None:  # as above
        """A category or state that the training data lacks is outside; it counts unless something seen is worse."""
        assert Outside((field,), (field,) if counts else ()) == outside({field: value})

    def test_seen(self) -> None:
        """What the training data holds is within."""
        bins = numbers("burden", "none", "closed", "other").model_copy(update={"shares": [0.2, 0.2, 0.0, 0.6, 0.0]})
        assert NOTHING == outside({"burden": "closed", "grade": "D"}, bins)

    def test_best_of_an_order_that_falls(self) -> None:
        """Where the risk falls along the order, the first category is the worst."""
        falling = [field | {"direction": "falls"} if field["name"] == "grade" else field for field in FIELDS]
        known = KnownRanges(contract(falling), distribution())
        base = contract().parse(dict(contract().example))
        counted = {grade: known.outside({**base, "owner": "N", "grade": grade}).worse for grade in "ABCDE"}
        assert {"A": ("grade",), "B": (), "C": (), "D": (), "E": ()} == counted


class TestRefusals:
    def test_no_entry(self) -> None:
        """A scored field without an entry could never be outside."""
        short = distribution().model_copy(update={"bins": distribution().bins[1:]})
        with pytest.raises(ValueError, match="no entry for income"):
            KnownRanges(contract(), short)

    def test_no_range(self) -> None:
        """A number's entry needs a range."""
        with pytest.raises(ValueError, match="amount has no range"):
            KnownRanges(contract(), distribution(numbers("amount", known=None)))
