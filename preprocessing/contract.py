"""A loan book's contract: its fields as data, and the one reading of an application that all else follows.

The file says what an application holds, what is scored, and what of it rules, counterfactuals and reports may use. No
code outside of it names a field.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, ValidationError, field_validator, model_validator

from preprocessing.application import (
    Application,
    InvalidApplicationError,
    field_errors,
    validator,
    without_most_unknown,
)
from preprocessing.base import Direction
from preprocessing.coherence import contradictions
from preprocessing.documents import InvalidDocumentError, Strict, read_document
from preprocessing.fields import (
    AnyField,
    Category,
    Feature,
    Integer,
    Name,
    Number,
    Ratio,
    Reference,
    Text,
    undecided,
)

CONTRACT_FILE = "contract.json"

MAX_FIELDS = 256

LabelValue = int | float | str


def _delimits(text: str) -> str:
    # The csv module of Python 3.13 takes none of these, an older one makes one cell of every line.
    if len(text) != 1 or text in '"\r\n\0':
        raise ValueError("takes one character that is no quote, no line's end and not NUL; name the file's")
    return text


Delimiter = Annotated[str, AfterValidator(_delimits)]


class InvalidContractError(ValueError):
    """A contract that can't be used; the message names every place and the remedy, one line each."""


class DataFile(Strict):
    """How the training file is written, where it is CSV; Parquet says it itself.

    Attributes:
        delimiter: between cells.
        header: whether the first line names the columns; without one they are called column_1, column_2, ….
        encoding: of the text.
    """

    delimiter: Delimiter = ","
    header: bool = True
    encoding: Literal["utf-8", "latin-1", "cp1252", "utf-16"] = "utf-8"


def label_key(value: LabelValue | None) -> LabelValue | None:
    """What two spellings of one label have in common: 1, 1.0 and "1" are the same."""
    if value is None:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = math.nan
    # What no float holds, and NaN, which doesn't even equal itself, are texts.
    return number if math.isfinite(number) else str(value).strip()


class Label(Strict):
    """What became of a past loan.

    Attributes:
        column: of the training file.
        defaulted: its values where the loan defaulted.
        repaid: its values where it was repaid.
    """

    column: Text
    defaulted: Annotated[tuple[LabelValue, ...], Field(min_length=1)]
    repaid: Annotated[tuple[LabelValue, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if set(map(label_key, self.defaulted)) & set(map(label_key, self.repaid)):
            raise ValueError("a value stands for both defaulted and repaid; keep it under one")
        return self


class Grouping(Strict):
    """Groups of applicants that reports break down by.

    Attributes:
        field: that tells the group.
        title: of the tables.
        below: for a number, where each group but the last ends; none for a field of categories.
    """

    field: Name
    title: Text
    below: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _rise(self) -> Self:
        if list(self.below) != sorted(set(self.below)):
            raise ValueError("below: the ends of the groups must rise; sort them")
        return self


class Contract(Strict):
    """A loan book's contract, complete and checked.

    Attributes:
        format: of the file.
        name: of the loan book.
        version: of the contract; a changed contract has a new one.
        file: how the training file is written.
        label: what became of past loans.
        fields: in order.
        amount: the field that holds the amount asked for.
        age: the field that holds the applicant's age, which no rule may hold against applicants of 62 and over.
        applicant: fields that tell one applicant from another: rows equal in all of them stay on one side of a split.
        disjoint: fields whose values a model could come to recognise, such as an income to the cent: on the harsher of
            two splits, rows equal in all of them stay on one side.
        groups: to report by.
        decide: questions of a draft that a person has to settle; a contract with one is refused.
    """

    format: Literal[1]
    name: Name
    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    file: DataFile = DataFile()
    label: Label
    fields: Annotated[tuple[AnyField, ...], Field(min_length=1, max_length=MAX_FIELDS)]
    amount: Name | None = None
    age: Name | None = None
    applicant: tuple[Name, ...] = ()
    disjoint: tuple[Name, ...] = ()
    groups: tuple[Grouping, ...] = ()
    decide: tuple[Text, ...] = ()

    @field_validator("decide")
    @classmethod
    def _decided(cls, questions: tuple[str, ...]) -> tuple[str, ...]:
        if questions:
            raise ValueError("\n".join(map(undecided, questions)))
        return questions

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if problems := contradictions(self):
            raise ValueError("\n".join(problems))
        return self

    @cached_property
    def by_name(self) -> Mapping[str, AnyField]:
        """The fields by their names."""
        return MappingProxyType({field.name: field for field in self.fields})

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The columns that a model sees, each made of one field: numbers first, then what marks categories."""
        scored = sorted((f for f in self.fields if f.scored), key=lambda field: isinstance(field, Category))  # stable
        return tuple(chain.from_iterable(field.features(may_lack=self.may_lack(field)) for field in scored))

    def may_lack(self, field: AnyField) -> bool:
        """Whether a value may be missing: null, absent, or a ratio of something that is."""
        if isinstance(field, Ratio):
            operands = (self.by_name[field.numerator], self.by_name[field.denominator])
            return any(operand.nullable or operand.states for operand in operands)
        return field.nullable

    @cached_property
    def imputed(self) -> tuple[str, ...]:
        """The scored fields with a number for which a learned constant may have to stand in."""
        return tuple(feature.field for feature in self.features if feature.imputed)

    @cached_property
    def scored(self) -> tuple[str, ...]:
        """The names of the scored fields, in the order of their features."""
        return tuple(dict.fromkeys(feature.field for feature in self.features))

    @cached_property
    def directions(self) -> dict[str, Direction]:
        """Which way the risk goes as each scored field rises that says so; the model keeps to it for every input."""
        return {field.name: field.direction for field in self.fields if field.scored and field.direction is not None}

    @cached_property
    def missing_is_worst(self) -> tuple[str, ...]:
        """The scored fields that it is never better to leave out, where they may be."""
        return tuple(f.name for f in self.fields if f.scored and self.may_lack(f) and f.missing_is_worst)

    @cached_property
    def reference(self) -> str | None:
        """The field that holds the caller's own id, where there is one."""
        return next((field.name for field in self.fields if isinstance(field, Reference)), None)

    @cached_property
    def ratios(self) -> tuple[Ratio, ...]:
        """The computed fields."""
        return tuple(field for field in self.fields if isinstance(field, Ratio))

    @cached_property
    def actionable(self) -> tuple[AnyField, ...]:
        """The fields that an applicant can do something about."""
        return tuple(field for field in self.fields if field.actionable is not None)

    def number(self, name: str) -> Number | Integer:
        """The field of this name, which must be a number."""
        field = self.by_name[name]
        assert isinstance(field, Number | Integer)
        return field

    @cached_property
    def example(self) -> Mapping[str, Any]:
        """An application, of the fields' own examples."""
        return MappingProxyType({f.name: f.example for f in self.fields if f.example is not None})

    @cached_property
    def model(self) -> type[BaseModel]:
        """What validates a document, and documents it as JSON Schema."""
        return validator(self.fields, self.example)

    @cached_property
    def _validate(self) -> Callable[[object], BaseModel]:
        """`model_validate` without its options, a tenth of its time."""
        validate: Callable[[object], BaseModel] = self.model.__pydantic_validator__.validate_python
        return validate

    def parse(self, document: object) -> Application:
        """Read one decoded JSON document.

        Raises:
            InvalidApplicationError: with every wrong field named, and no value repeated.
        """
        document, left_out = without_most_unknown(document, self.by_name)
        try:
            values = self._validate(document).__dict__
        except ValidationError as exc:
            # Chaining would carry the values along into whatever prints the exception.
            raise InvalidApplicationError(field_errors(exc, left_out)) from None
        return self._with_ratios(values)

    def with_values(self, application: Application, values: Mapping[str, Any]) -> Application:
        """The same application with other values of some fields, its ratios computed anew."""
        return self._with_ratios({**application, **values})

    def _with_ratios(self, values: dict[str, Any]) -> Application:
        for ratio in self.ratios:
            values[ratio.name] = ratio.exact(values)
        return MappingProxyType(values)


def read_contract(content: bytes, name: str = CONTRACT_FILE) -> Contract:
    """Read and check a contract file.

    Raises:
        InvalidContractError: naming the place and the remedy of everything that is wrong.
    """
    try:
        contract = read_document(Contract, content)
        problems = [
            f"fields.{'.'.join(map(str, error.loc))}.example: {error.msg}" for error in _example_errors(contract)
        ]
    except InvalidDocumentError as exc:
        problems = list(exc.problems)
    if problems:
        raise InvalidContractError("\n".join(f"{name}: {problem}" for problem in problems)) from None
    return contract


def read_contract_file(path: Path) -> Contract:
    """The same from a file.

    Raises:
        InvalidContractError: also where the file can't be read.
    """
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise InvalidContractError(f"{path}: can't be read ({exc.strerror}); name a file that can") from exc
    return read_contract(content)


def _example_errors(contract: Contract) -> tuple[Any, ...]:
    try:
        contract.parse(dict(contract.example))
    except InvalidApplicationError as exc:
        return exc.errors
    return ()
