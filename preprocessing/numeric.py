"""Fields that hold a number, or the special code of a state, which is none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from preprocessing.base import MISSING, BaseField, Bound, End, Feature, Name, Text, Value, beyond, integral
from preprocessing.documents import Strict


class Plausible(Strict):
    """Values outside of it are within the range, but nobody means them.

    Attributes:
        minimum: the least plausible one.
        maximum: the greatest.
        remedy: what the sender probably meant, such as "a percentage, not a fraction".
    """

    minimum: Bound
    maximum: Bound
    remedy: Text


WIDE = 10
"""A range at least so wide is gone through in whole units, a narrower one in at least a hundred decimal steps."""

MOST_DIGITS = 300
"""Of a step: a power of ten beyond a float's range can't be multiplied by one."""


def number_feature(
    field: BaseField, minimum: float, maximum: float, standing: Mapping[str, End], *, may_lack: bool
) -> Feature:
    """The column of a number itself, with what stands in for a missing value and for states that have a standing."""
    stand_ins: dict[Value, float] = {}
    ends: list[tuple[Value, End]] = [*standing.items()]
    if may_lack and field.missing_is_worst:
        ends.append((None, "worst"))
    if field.direction is not None:
        stand_ins = {value: beyond(end, field.direction, minimum, maximum) for value, end in ends}
    without_number = {*field.states, *([None] if may_lack else [])}
    return Feature(
        field.name, field.name, "number", direction=field.direction, stand_ins=MappingProxyType(stand_ins),
        imputed=bool(without_number - stand_ins.keys()),
    )  # fmt: skip


class _Numeric(BaseField):
    """A number within a range.

    Attributes:
        minimum: the least value.
        maximum: the greatest.
        plausible: a narrower range, a breach of which is refused with the remedy.
        codes: state to the number that stands for it, outside of the range. A state is never a number: rules name it by
            its name, and it has a feature of its own, unless `standing` says where it stands.
        standing: state to `best` or `worst`: no number has less risk, or none has more.
    """

    minimum: Bound
    maximum: Bound
    plausible: Plausible | None = None
    codes: dict[Name, Bound] = Field(default={}, max_length=32)
    standing: dict[Name, End] = Field(default={})

    @property
    def states(self) -> tuple[str, ...]:
        return tuple(self.codes)

    @property
    def least(self) -> float:
        """The least number that an application may state."""
        return self.plausible.minimum if self.plausible else self.minimum

    @property
    def greatest(self) -> float:
        """The greatest."""
        return self.plausible.maximum if self.plausible else self.maximum

    @property
    def best_states(self) -> tuple[str, ...]:
        """See `BaseField`."""
        return tuple(state for state, end in self.standing.items() if end == "best")

    @property
    def worst_first(self) -> Sequence[float]:
        """See `BaseField`; a range in whole units, or in decimal steps where it is narrow."""
        per_unit = self.steps_per_unit
        steps = range(math.ceil(self.least * per_unit), math.floor(self.greatest * per_unit) + 1)
        rising: Sequence[float] = steps if per_unit == 1 else [step / per_unit for step in steps]
        return {"falls": rising, "rises": rising[::-1], None: ()}[self.direction]

    @property
    def steps_per_unit(self) -> int:
        """Into how many steps a unit of it is parted where its values are gone through."""
        width = self.greatest - self.least
        if width >= WIDE or width <= 0:
            return 1
        return int(10 ** min(MOST_DIGITS, math.ceil(2 - math.log10(width))))

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if self.minimum > self.maximum:
            yield f"minimum {self.minimum:g} lies above maximum {self.maximum:g}; swap or correct them"
        for state, code in self.codes.items():
            if self.minimum <= code <= self.maximum:
                yield (
                    f"code {state} ({code:g}) lies inside the range {self.minimum:g} to {self.maximum:g}, where it is "
                    "a number; narrow the range or drop the code"
                )
        if unknown := sorted(self.standing.keys() - self.codes.keys()):
            yield f"standing names {unknown[0]!r}, which is no code; name one of {', '.join(self.codes) or 'its codes'}"
        elif self.standing and self.direction is None:
            yield "no state is best or worst where no direction says what is worse; give it one, or remove `standing`"
        if MISSING in self.codes:
            yield f"a code can't be called {MISSING}: that is what null is; choose another name"
        if len(set(self.codes.values())) < len(self.codes):
            yield "two codes have the same number; keep one name for it"
        if (plausible := self.plausible) is not None and not (
            self.minimum <= plausible.minimum <= plausible.maximum <= self.maximum
        ):
            yield "the plausible range must rise and lie within minimum and maximum; correct it"

    def features(self, *, may_lack: bool) -> Iterator[Feature]:
        yield number_feature(self, self.minimum, self.maximum, self.standing, may_lack=may_lack)
        if may_lack and not self.missing_is_worst:
            yield self._missing_flag()
        for state in self.codes:
            if state not in self.standing:
                yield Feature(f"{self.name}_{state}", self.name, "flag", frozenset({state}))

    def _constrained(self, kind: type, *before: Any) -> Any:
        if not self.codes:
            limits: list[Any] = [Ge(integral(self.minimum)), Le(integral(self.maximum))]
        else:
            limits = [AfterValidator(self._number_or_state), WithJsonSchema(self._schema_with_codes(kind))]
        if self.plausible is not None:
            limits.append(AfterValidator(self._check_plausible))
        # The limits stand before what comes before: behind it, the schema has them as `ge` and `le`, which no reader of
        # it knows.
        return Annotated[kind, *limits, *before]

    def _number_or_state(self, value: float) -> float | str:
        if self.minimum <= value <= self.maximum:
            return value
        for state, code in self.codes.items():
            if value == code:
                return state
        raise PydanticCustomError("out_of_range", self._expectation)

    @property
    def _expectation(self) -> str:
        codes = ", ".join(f"{code:g} ({state})" for state, code in self.codes.items())
        return f"Input should lie between {self.minimum:g} and {self.maximum:g}, or be one of {codes}"

    def _schema_with_codes(self, kind: type) -> dict[str, Any]:
        number = {"minimum": integral(self.minimum), "maximum": integral(self.maximum)}
        codes = {"enum": [integral(code) for code in self.codes.values()]}
        return {"type": "integer" if kind is int else "number", "anyOf": [number, codes]}

    def _check_plausible(self, value: float | str) -> float | str:
        plausible = self.plausible
        assert plausible is not None
        if not isinstance(value, str) and not plausible.minimum <= value <= plausible.maximum:
            raise PydanticCustomError(
                "implausible",
                f"Input lies outside {plausible.minimum:g} to {plausible.maximum:g}; send {plausible.remedy}",
            )
        return value


class Number(_Numeric):
    """A number, read as a float."""

    type: Literal["number"]

    @property
    def json_type(self) -> Literal["number", "integer", "string"]:
        """See `BaseField`."""
        return self.type

    def annotation(self) -> Any:
        """See `BaseField`."""
        return self._constrained(float)


class Integer(_Numeric):
    """A whole number; 30.0 is one."""

    type: Literal["integer"]

    @property
    def json_type(self) -> Literal["number", "integer", "string"]:
        """See `BaseField`."""
        return self.type

    @property
    def steps_per_unit(self) -> int:
        """See `_Numeric`."""
        return 1  # however narrow the range: a part of a unit would be refused

    def problems(self) -> Iterator[str]:
        """See `BaseField`."""
        yield from super().problems()
        if not all(float(n).is_integer() for n in (self.minimum, self.maximum, *self.codes.values())):
            yield "range and codes of an integer must be whole numbers; correct them"

    def annotation(self) -> Any:
        """See `BaseField`."""
        return self._constrained(int, BeforeValidator(integral))
