"""The fields that a contract can have: what each type accepts in an application, and what is made of it.

base.py     what all have
numeric.py  number, integer
choices.py  category, ordered, flag
fields.py   those that are made of others or never scored: ratio, date, reference
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from preprocessing.base import (
    CONTROLS,
    MAX_CATEGORIES,
    MAX_NUMBER,
    MAX_REFERENCE_LENGTH,
    MISSING,
    PD,
    BaseField,
    Feature,
    Name,
    Text,
    integral,
    is_reserved,
    undecided,
)
from preprocessing.choices import Category, Flag, Ordered
from preprocessing.numeric import Integer, Number, Plausible, number_feature

__all__ = [
    "CONTROLS",
    "MAX_CATEGORIES",
    "MAX_NUMBER",
    "MAX_REFERENCE_LENGTH",
    "MISSING",
    "PD",
    "AnyField",
    "Category",
    "Date",
    "Feature",
    "Flag",
    "Integer",
    "Name",
    "Number",
    "Ordered",
    "Plausible",
    "Ratio",
    "Reference",
    "Text",
    "is_reserved",
    "undecided",
]


class Ratio(BaseField):
    """One field over another, computed exactly; a stated value is only checked, and may be left out.

    Attributes:
        numerator: an earlier field, a number.
        denominator: the same, above 0.
        maximum: of the stated value.
        tolerance: how far a stated value may lie off: absolute up to 1, relative above.
    """

    type: Literal["ratio"]
    numerator: Name
    denominator: Name
    maximum: Annotated[float, Field(gt=0, le=MAX_NUMBER)]
    tolerance: Annotated[float, Field(gt=0, le=1)] = 0.1

    @property
    def optional(self) -> bool:
        """See `BaseField`."""
        return True

    @property
    def json_type(self) -> Literal["number", "integer", "string"]:
        """See `BaseField`."""
        return "number"

    def problems(self) -> Iterator[str]:
        """See `BaseField`."""
        yield from super().problems()
        if self.nullable:
            yield "a ratio may be left out anyway, since it is computed; remove `nullable`"
        if self.actionable is not None:
            yield "a ratio goes with the two that it is made of; mark those, and remove `actionable`"

    def annotation(self) -> Any:
        """See `BaseField`."""
        return Annotated[float, Ge(0), Le(integral(self.maximum)), AfterValidator(self._agrees)]

    def exact(self, values: Mapping[str, Any]) -> float | None:
        """The ratio itself; None where one of the two isn't a number."""
        above, below = values.get(self.numerator), values.get(self.denominator)
        if above is None or below is None or isinstance(above, str) or isinstance(below, str):
            return None
        ratio: float = above / below
        return ratio

    def features(self, *, may_lack: bool) -> Iterator[Feature]:
        """See `BaseField`."""
        yield number_feature(self, 0, self.maximum, {}, may_lack=may_lack)
        if may_lack and not self.missing_is_worst:
            yield self._missing_flag()

    def _agrees(self, stated: float, info: ValidationInfo) -> float:
        exact = self.exact(info.data)
        if exact is None:  # a field already in error, or missing, is reported by itself
            return stated
        # A billionth of slack, for .4 - .3 is a little more than .1 in binary.
        if abs(stated - exact) > self.tolerance * max(1.0, exact) * (1 + 1e-9):
            raise PydanticCustomError(
                "ratio_mismatch",
                f"{self.name} disagrees with {self.numerator} / {self.denominator}; correct one of the three or leave "
                f"{self.name} out",
            )
        return stated


class Date(BaseField):
    """A day, as YYYY-MM-DD: for splits and reports, never scored."""

    type: Literal["date"]
    use: Literal["reports"] = "reports"

    def annotation(self) -> Any:
        """See `BaseField`."""
        return Annotated[str, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]


def is_day(text: str) -> bool:
    """Whether a text is a day, written as YYYY-MM-DD."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _day(value: Any) -> Any:
    if isinstance(value, str) and is_day(value):
        return value
    raise PydanticCustomError("date", "Input should be a day, written as YYYY-MM-DD")


class Reference(BaseField):
    """The caller's own id of an application: echoed in the answer as given, never scored, logged as a digest only."""

    type: Literal["reference"]
    nullable: Literal[True] = True
    use: Literal["reports"] = "reports"

    def annotation(self) -> Any:
        """See `BaseField`."""
        return Annotated[str, Field(min_length=1, max_length=MAX_REFERENCE_LENGTH, pattern=f"^[^{CONTROLS}]*$")]


AnyField = Annotated[
    Number | Integer | Category | Ordered | Flag | Ratio | Date | Reference, Field(discriminator="type")
]
