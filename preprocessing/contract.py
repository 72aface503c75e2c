"""A loan book's contract: its fields as data, and the one reading of an application that all else follows.

The file says what an application holds, what is scored, and what of it rules, counterfactuals and reports may use. No
code outside of it names a field.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import chain
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, ValidationError, field_validator, model_validator

from preprocessing.application import Application, InvalidApplicationError, field_errors, validator
from preprocessing.documents import InvalidDocumentError, Strict, read_document
from preprocessing.fields import (
    MISSING,
    AnyField,
    Category,
    Date,
    Feature,
    Flag,
    Integer,
    Name,
    Number,
    Ordered,
    Ratio,
    Reference,
    Text,
    undecided,
)

CONTRACT_FILE = "contract.json"

MAX_FIELDS = 256
MAX_FEATURES = 10_240

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
        amount: the field that holds the amount asked for; without one there are no counterfactuals.
        age: the field that holds the applicant's age, which no rule may hold against applicants of 62 and over.
        applicant: fields that tell one applicant from another: rows equal in all of them stay on one side of a split.
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
        checks = (self._names, self._ratios, self._amount_and_age, self._mentions, self._features_differ)
        # What a later check finds may follow from an earlier one's fault.
        if problems := next(filter(None, (list(check()) for check in checks)), None):
            raise ValueError("\n".join(problems))
        return self

    def _names(self) -> Iterator[str]:
        for kind, names in (
            ("name", [field.name for field in self.fields]),
            ("column", list({f.name: f.source for f in self.fields if not isinstance(f, Reference)}.values())),
        ):
            for name, count in Counter(names).items():
                if count > 1:
                    yield f"fields: {count} have the {kind} {name!r}; give each its own"
        if self.label.column in {field.source for field in self.fields}:
            yield f"label.column: {self.label.column!r} is a field's column too; a label must never be a field"
        if sum(isinstance(field, Reference) for field in self.fields) > 1:
            yield "fields: there can be one of type reference; drop the others"
        if not any(field.scored for field in self.fields):
            yield "fields: none is scored; at least one must be"

    def _ratios(self) -> Iterator[str]:
        earlier: dict[str, AnyField] = {}
        for field in self.fields:
            for role in ("numerator", "denominator") if isinstance(field, Ratio) else ():
                operand = earlier.get(getattr(field, role))
                place = f"fields.{field.name}.{role}"
                if operand is None:
                    yield f"{place}: no field before it is called {getattr(field, role)!r}; name one, and put it before"
                elif not isinstance(operand, Number | Integer):
                    yield f"{place}: {operand.name} is of type {operand.type}; a ratio is of two numbers"
                elif role == "denominator" and operand.minimum <= 0:
                    yield f"{place}: {operand.name} may be {operand.minimum:g}; a denominator's minimum is above 0"
                elif role == "numerator" and operand.minimum < 0:
                    yield f"{place}: {operand.name} may be below 0; a numerator's minimum is 0 or more"
                elif field.scored and not operand.scored:
                    yield f"{place}: {operand.name} isn't scored, so that no ratio of it may be; change its use"
            if isinstance(field, Ratio):
                above, below = earlier.get(field.numerator), earlier.get(field.denominator)
                if isinstance(above, Number | Integer) and isinstance(below, Number | Integer) and below.least > 0:
                    # What is computed would be more than what may be stated, or more than a float32 holds.
                    if (reached := above.greatest / below.least) > field.maximum:
                        yield (
                            f"fields.{field.name}.maximum: the two fields' ranges allow {reached:g}, more than "
                            f"{field.maximum:g}; raise it, or narrow the ranges"
                        )
            earlier[field.name] = field

    def _amount_and_age(self) -> Iterator[str]:
        for role in ("amount", "age"):
            name = getattr(self, role)
            if name is None:
                continue
            field = self.by_name.get(name)
            if not isinstance(field, Number | Integer):
                yield f"{role}: {name!r} is no field of type number or integer; name one that is"
            elif role == "age" and field.scored:
                yield (
                    f"age: {name} is scored; for rules or reports only, or the age of an applicant could count against "
                    "them (Reg B, 12 CFR 1002.6(b)(2))"
                )
            elif role == "amount" and (field.nullable or field.codes or not field.for_rules or field.minimum < 0):
                yield f"amount: {name} must be required, 0 or more, without codes, and not for reports only"
        for ratio in self.ratios:
            if ratio.denominator == self.amount:
                yield "amount: a ratio has it below the line; state that ratio the other way round"
            if self.age in (ratio.numerator, ratio.denominator) and ratio.for_rules:
                yield f"age: {ratio.name} is made of it, and a rule on that could count it; for reports only"

    def _mentions(self) -> Iterator[str]:
        for name in self.applicant:
            if name not in self.by_name:
                yield f"applicant: {name!r} is no field; name one of {', '.join(self.by_name)}"
        for i, grouping in enumerate(self.groups):
            field = self.by_name.get(grouping.field)
            if field is None or isinstance(field, Date | Reference):
                yield f"groups.{i}.field: {grouping.field!r} is no field that groups can be made of"
            elif isinstance(field, Category | Ordered | Flag) == bool(grouping.below):
                yield (
                    f"groups.{i}.below: {field.name} is of type {field.type}; "
                    + ("remove `below`" if grouping.below else "say where its groups end")
                )

    def _features_differ(self) -> Iterator[str]:
        if len(self.features) > MAX_FEATURES:
            yield f"fields: {len(self.features)} features are made of them, more than {MAX_FEATURES}; drop categories"
        names = Counter(feature.name for feature in self.features)
        if twice := [name for name, count in names.items() if count > 1]:
            yield f"fields: two of them would make the feature {twice[0]!r}; rename one"

    @cached_property
    def by_name(self) -> Mapping[str, AnyField]:
        """The fields by their names."""
        return MappingProxyType({field.name: field for field in self.fields})

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The columns that a model sees, each made of one field: numbers first, then what marks categories."""
        made = [self._features_of(field) for field in self.fields if field.scored]
        plain = [features for features in made if not isinstance(self.by_name[features[0].field], Category)]
        marks = [features for features in made if isinstance(self.by_name[features[0].field], Category)]
        return tuple(chain(*plain, *marks))

    def _features_of(self, field: AnyField) -> list[Feature]:
        features = list(field.features())
        if self.may_lack(field):
            missing = Feature(f"{field.name}_{MISSING}", field.name, "flag", frozenset({None}))
            features.insert(len(features) if isinstance(field, Category) else 1, missing)
        return features

    def may_lack(self, field: AnyField) -> bool:
        """Whether a value may be missing: null, absent, or a ratio of something that is."""
        if isinstance(field, Ratio):
            operands = (self.by_name[field.numerator], self.by_name[field.denominator])
            return any(operand.nullable or getattr(operand, "codes", None) for operand in operands)
        return field.nullable

    @cached_property
    def imputed(self) -> tuple[str, ...]:
        """The scored fields with a number for which a constant may have to stand in."""
        return tuple(
            field.name
            for field in self.fields
            if field.scored
            and isinstance(field, Number | Integer | Ordered | Ratio)
            and (self.may_lack(field) or bool(getattr(field, "codes", None)))
        )

    @cached_property
    def scored(self) -> tuple[str, ...]:
        """The names of the scored fields, in the order of their features."""
        return tuple(dict.fromkeys(feature.field for feature in self.features))

    @cached_property
    def reference(self) -> str | None:
        """The field that holds the caller's own id, where there is one."""
        return next((field.name for field in self.fields if isinstance(field, Reference)), None)

    @cached_property
    def ratios(self) -> tuple[Ratio, ...]:
        """The computed fields."""
        return tuple(field for field in self.fields if isinstance(field, Ratio))

    @cached_property
    def amount_ratios(self) -> tuple[Ratio, ...]:
        """The ratios that move with the amount."""
        return tuple(ratio for ratio in self.ratios if self.amount is not None and ratio.numerator == self.amount)

    @property
    def least_amount(self) -> float:
        """The lowest amount that an application may state."""
        return self.number(self.amount or "").least

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

    def parse(self, document: object) -> Application:
        """Read one decoded JSON document.

        Raises:
            InvalidApplicationError: with every wrong field named, and no value repeated.
        """
        try:
            values = self.model.model_validate(document).__dict__
        except ValidationError as exc:
            # Chaining would carry the values along into whatever prints the exception.
            raise InvalidApplicationError(field_errors(exc)) from None
        for ratio in self.ratios:
            values[ratio.name] = ratio.exact(values)
        return MappingProxyType(values)

    def with_amount(self, application: Application, amount: float) -> Application:
        """The same application for another amount."""
        values = {**application, self.amount or "": amount}
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


def _example_errors(contract: Contract) -> tuple[Any, ...]:
    try:
        contract.parse(dict(contract.example))
    except InvalidApplicationError as exc:
        return exc.errors
    return ()
