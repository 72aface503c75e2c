"""One loan application as a lender's system sends it, held against a contract's fields.

Validation is strict: a value is accepted as it stands or refused with the field's name and the remedy. The only
normalisation is of form, never of content: texts are trimmed and spelt as the contract spells them, and an integral
number such as 30.0 is taken where an integer is asked.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from preprocessing.documents import printable
from preprocessing.fields import AnyField

Application = Mapping[str, Any]
"""What was read: every field of the contract, None where it is missing, and ratios as computed. Nothing changes it."""

MAX_UNKNOWN_FIELDS_NAMED = 20
"""Unknown fields named in one application's errors; the rest are counted, so that no answer outgrows its request."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field, without its value.

    Attributes:
        loc: where: `(field,)`, `(row, field)` within a list, or `()` for the document as a whole.
        msg: the problem and the remedy.
        type: a stable machine-readable kind, pydantic's where it has one.
    """

    loc: tuple[str | int, ...]
    msg: str
    type: str

    def at(self, row: int) -> FieldError:
        """The same error, located in row `row` of a list."""
        return FieldError((row, *self.loc), self.msg, self.type)


class InvalidApplicationError(ValueError):
    """An application outside the contract.

    Attributes:
        errors: one entry per wrong field, in the order in which the fields are declared.
    """

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__(f"{len(errors)} invalid field(s)")
        self.errors = errors


def validator(fields: Sequence[AnyField], example: Mapping[str, Any]) -> type[BaseModel]:
    """The model that validates one decoded JSON document, and documents it.

    Args:
        fields: in order; `null` and absent mean the same for the optional ones.
        example: of a document.
    """
    config = ConfigDict(
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        json_schema_extra={"example": dict(example)},
        protected_namespaces=(),
    )
    definitions: dict[str, Any] = {
        field.name: (
            (field.annotation() | None, Field(default=None, description=field.description))
            if field.optional
            else (field.annotation(), Field(description=field.description))
        )
        for field in fields
    }
    return create_model(
        "LoanApplication",
        __config__=config,
        __doc__="One application. `null` and absent mean the same for what is nullable; all else is required.",
        **definitions,
    )


_REMEDIES = {
    "missing": "required field is missing",
    "model_type": "an application must be a JSON object",
}


def without_most_unknown(document: object, known: Container[str]) -> tuple[object, int]:
    """A document with no more unknown fields than are named, and how many were left out.

    A model makes an error of each: a megabyte of unknown fields would cost a second and a hundred megabytes.

    Args:
        document: decoded JSON of any kind.
        known: the fields that an application has.
    """
    if not isinstance(document, dict) or len(document) <= MAX_UNKNOWN_FIELDS_NAMED:
        return document, 0
    unknown = [name for name in document if name not in known]
    left_out = set(unknown[MAX_UNKNOWN_FIELDS_NAMED:])
    if left_out:
        document = {name: value for name, value in document.items() if name not in left_out}
    return document, len(left_out)


def field_errors(exc: ValidationError, left_out: int) -> tuple[FieldError, ...]:
    """A model's refusal, field by field and without values.

    Args:
        exc: the refusal.
        left_out: unknown fields that the model was not shown.
    """
    errors: list[FieldError] = []
    unknown = 0
    for error in exc.errors(include_url=False, include_context=False, include_input=False):
        kind, place = error["type"], error["loc"]  # the field alone: none has parts
        if kind == "extra_forbidden":
            unknown += 1
            if unknown <= MAX_UNKNOWN_FIELDS_NAMED:
                name = tuple(printable(str(part)) for part in place)
                errors.append(FieldError(name, "unknown field; remove it", kind))
        else:
            errors.append(FieldError(place, _REMEDIES.get(kind, error["msg"]), kind))
    unknown += left_out
    if unknown > MAX_UNKNOWN_FIELDS_NAMED:
        more = unknown - MAX_UNKNOWN_FIELDS_NAMED
        errors.append(FieldError((), f"{more} more unknown field(s); remove them", "extra_forbidden"))
    return tuple(errors)
