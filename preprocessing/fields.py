"""The fields that a contract can have: what each type accepts in an application, and what is made of it."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping
from datetime import date
from string import whitespace
from typing import Annotated, Any, Literal, NamedTuple, Self

from annotated_types import Ge, Le
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationInfo, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from preprocessing.documents import Strict, printable

MAX_NUMBER = 1e12
"""Bound of every range: within it a float tells whole numbers apart, and no product of two overflows."""

MAX_CATEGORIES = 200
MAX_REFERENCE_LENGTH = 64


def _named(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
        raise ValueError(
            "a name is made of at most 63 small letters, digits and _, a letter first; rename it (the training file's "
            "own goes into `column`)"
        )
    return name


def _on_one_line(text: str) -> str:
    if not re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,200}", text):
        raise ValueError("a text has 1 to 200 characters on one line, and no control characters; rewrite it")
    return text


Name = Annotated[str, AfterValidator(_named)]
Text = Annotated[str, AfterValidator(_on_one_line)]
Bound = Annotated[float, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)]
Use = Literal["score", "rules", "reports"]
Direction = Literal["rises", "falls"]
Value = float | int | str | bool | None

PD = "probability_of_default"
"""What the probability of default is called where it stands beside the fields, in answers and in bins."""

MISSING = "missing"
"""Ends the name of the feature that says a value is missing; no special code may be called so."""


def is_reserved(name: str) -> bool:
    """Whether no field can be called so: a word of Python, a name of pydantic's, or of the PD's bins."""
    return keyword.iskeyword(name) or hasattr(BaseModel, name) or name == PD


def undecided(question: str) -> str:
    """What is wrong where a draft's question stands."""
    return f"not decided yet: {question}; decide it, then remove it from `decide`"


class Feature(NamedTuple):
    """One column that the model sees.

    Attributes:
        name: of the column.
        field: the one field that it is made of.
        kind: "number" for a value (imputed where there is none), "flag" for 1 where the value is among `values`.
        values: of the field that the flag stands for; None is a missing value.
        ranks: for an ordered category or a flag, what each value counts as.
    """

    name: str
    field: str
    kind: Literal["number", "flag"]
    values: frozenset[Value] = frozenset()
    ranks: Mapping[Value, float] | None = None


class _Field(Strict):
    """What all fields have.

    Attributes:
        name: in an application, a rule, an answer.
        column: what the training file calls it, where that is something else.
        description: for whoever sends it.
        unit: of a number.
        example: in the API's page.
        nullable: may be null or absent.
        use: scored (and open to rules), for rules only, or for reports only.
        direction: which way the risk of default goes as the value rises, or as the category comes later.
        decide: questions of a draft that a person has to settle; a contract with one is refused.
    """

    name: Name
    column: Text | None = None
    description: Text
    unit: Text | None = None
    example: Value = None
    nullable: bool = False
    use: Use = "score"
    direction: Direction | None = None
    decide: tuple[Text, ...] = ()

    @property
    def source(self) -> str:
        """The column of the training file."""
        return self.column or self.name

    @property
    def scored(self) -> bool:
        """Whether features are made of it."""
        return self.use == "score"

    @property
    def for_rules(self) -> bool:
        """Whether a policy's rules may name it."""
        return self.use != "reports"

    def problems(self) -> Iterator[str]:
        """What is wrong with it by itself, with the remedy."""
        if is_reserved(self.name):
            yield f"the name {self.name!r} is taken, by Python or by this service; choose another"
        for question in self.decide:
            yield undecided(question)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if problems := list(self.problems()):
            raise ValueError("\n".join(f"{self.name}: {problem}" for problem in problems))
        return self

    def annotation(self) -> Any:
        """What pydantic validates a value by: the value as rules and features read it comes out."""
        raise NotImplementedError

    def features(self) -> Iterator[Feature]:
        """The columns made of a value, in order."""
        return iter(())


def _integral(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


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


class _Numeric(_Field):
    """A number within a range.

    Attributes:
        minimum: the least value.
        maximum: the greatest.
        plausible: a narrower range, a breach of which is refused with the remedy.
        codes: state to the number that stands for it, outside of the range. A state is never a number: it has a
            feature of its own, and rules name it by its name.
    """

    minimum: Bound
    maximum: Bound
    plausible: Plausible | None = None
    codes: dict[Name, Bound] = Field(default={}, max_length=32)

    @property
    def least(self) -> float:
        """The least number that an application may state."""
        return self.plausible.minimum if self.plausible else self.minimum

    @property
    def greatest(self) -> float:
        """The greatest."""
        return self.plausible.maximum if self.plausible else self.maximum

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
        if MISSING in self.codes:
            yield f"a code can't be called {MISSING}: that is what null is; choose another name"
        if len(set(self.codes.values())) < len(self.codes):
            yield "two codes have the same number; keep one name for it"
        if (plausible := self.plausible) is not None and not (
            self.minimum <= plausible.minimum <= plausible.maximum <= self.maximum
        ):
            yield "the plausible range must rise and lie within minimum and maximum; correct it"

    def features(self) -> Iterator[Feature]:
        yield Feature(self.name, self.name, "number")
        for state in self.codes:
            yield Feature(f"{self.name}_{state}", self.name, "flag", frozenset({state}))

    def _constrained(self, kind: type, *before: Any) -> Any:
        if not self.codes:
            limits: list[Any] = [Ge(_integral(self.minimum)), Le(_integral(self.maximum))]
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
        number = {"minimum": _integral(self.minimum), "maximum": _integral(self.maximum)}
        codes = {"enum": [_integral(code) for code in self.codes.values()]}
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

    def annotation(self) -> Any:
        """See `_Field`."""
        return self._constrained(float)


class Integer(_Numeric):
    """A whole number; 30.0 is one."""

    type: Literal["integer"]

    def problems(self) -> Iterator[str]:
        """See `_Field`."""
        yield from super().problems()
        if not all(float(n).is_integer() for n in (self.minimum, self.maximum, *self.codes.values())):
            yield "range and codes of an integer must be whole numbers; correct them"

    def annotation(self) -> Any:
        """See `_Field`."""
        return self._constrained(int, BeforeValidator(_integral))


class _Choice(_Field):
    """One of some texts, trimmed, in any case of ASCII letters; it comes out spelt as the contract spells it."""

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts as the contract spells them."""
        raise NotImplementedError

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        spelt: dict[str, str] = {}
        for category in self.choices:
            folded = _folded(category)
            if category != category.strip():
                yield f"category {printable(category)!r} begins or ends with white space, which is trimmed; remove it"
            if folded in spelt:
                yield (
                    f"categories {printable(spelt[folded])!r} and {printable(category)!r} differ at most by case, "
                    "which does not count; keep one"
                )
            spelt[folded] = category

    def annotation(self) -> Any:
        """See `_Field`."""
        spellings = {_folded(category): category for category in self.choices}

        def spell(value: Any) -> Any:
            return spellings.get(_folded(value), value) if isinstance(value, str) else value

        return Annotated[Literal[self.choices], BeforeValidator(spell)]


def _folded(text: str) -> str:
    # ASCII only: str.upper() would turn some foreign letters (such as the long s) into a valid category.
    return text.strip().upper() if text.isascii() else text.strip(whitespace)


class _Listed(_Choice):
    categories: Annotated[tuple[Text, ...], Field(min_length=2, max_length=MAX_CATEGORIES)]

    @property
    def choices(self) -> tuple[str, ...]:
        return self.categories


class Category(_Listed):
    """One of some texts in no order: a column of its own for each."""

    type: Literal["category"]

    def problems(self) -> Iterator[str]:
        """See `_Field`."""
        yield from super().problems()
        if self.direction is not None:
            yield "an unordered category has no direction; remove it, or make the type `ordered`"
        if MISSING in self.categories:
            yield f"a category can't be called {MISSING}: that is what null is; choose another name"

    def features(self) -> Iterator[Feature]:
        """See `_Field`."""
        for category in self.categories:
            yield Feature(f"{self.name}_{category}", self.name, "flag", frozenset({category}))


class Ordered(_Listed):
    """One of some texts in their order: its rank, from 0 on."""

    type: Literal["ordered"]

    def features(self) -> Iterator[Feature]:
        """See `_Field`."""
        ranks: dict[Value, float] = {category: float(rank) for rank, category in enumerate(self.categories)}
        yield Feature(f"{self.name}_rank", self.name, "number", ranks=ranks)


class Flag(_Choice):
    """Yes or no, in two texts: 1 for yes."""

    type: Literal["flag"]
    yes: Text
    no: Text

    @property
    def choices(self) -> tuple[str, ...]:
        """See `_Choice`."""
        return self.yes, self.no

    def features(self) -> Iterator[Feature]:
        """See `_Field`."""
        yield Feature(self.name, self.name, "flag", frozenset({self.yes}))


class Ratio(_Field):
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

    def problems(self) -> Iterator[str]:
        """See `_Field`."""
        yield from super().problems()
        if self.nullable:
            yield "a ratio may be left out anyway, since it is computed; remove `nullable`"

    def annotation(self) -> Any:
        """See `_Field`."""
        return Annotated[float, Ge(0), Le(_integral(self.maximum)), AfterValidator(self._agrees)]

    def exact(self, values: Mapping[str, Any]) -> float | None:
        """The ratio itself; None where one of the two isn't a number."""
        above, below = values.get(self.numerator), values.get(self.denominator)
        if above is None or below is None or isinstance(above, str) or isinstance(below, str):
            return None
        ratio: float = above / below
        return ratio

    def features(self) -> Iterator[Feature]:
        """See `_Field`."""
        yield Feature(self.name, self.name, "number")

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


class Date(_Field):
    """A day, as YYYY-MM-DD: for splits and reports, never scored."""

    type: Literal["date"]
    use: Literal["reports"] = "reports"

    def annotation(self) -> Any:
        """See `_Field`."""
        return Annotated[str, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]


def _day(value: Any) -> Any:
    try:
        if isinstance(value, str) and date.fromisoformat(value).isoformat() == value:
            return value
    except ValueError:
        pass
    raise PydanticCustomError("date", "Input should be a day, written as YYYY-MM-DD")


class Reference(_Field):
    """The caller's own id of an application: echoed in the answer as given, never scored, logged as a digest only."""

    type: Literal["reference"]
    nullable: Literal[True] = True
    use: Literal["reports"] = "reports"

    def annotation(self) -> Any:
        """See `_Field`."""
        return Annotated[str, Field(min_length=1, max_length=MAX_REFERENCE_LENGTH, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]


AnyField = Annotated[
    Number | Integer | Category | Ordered | Flag | Ratio | Date | Reference, Field(discriminator="type")
]
