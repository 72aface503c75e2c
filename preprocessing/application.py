"""The raw contract: one loan application as a lender's system sends it.

Validation is strict: a value is accepted as it stands or refused with the field's name and the remedy. The only
normalisation is of form, never of content: strings are trimmed and upper-cased, and an integral number such as 30.0 is
taken where an integer is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

MAX_AMOUNT = 1e9
"""Upper bound of money fields, in currency units, and of the ratio: far above any consumer loan."""

RATIO_TOLERANCE = 0.1
"""How far a stated loan_percent_income may lie from loan_amnt / person_income: absolute up to 1, relative above."""

MAX_UNKNOWN_FIELDS_NAMED = 20
"""Unknown fields named in one application's errors; the rest are counted, so that no answer outgrows its request."""

MAX_UNKNOWN_NAME_LENGTH = 64


def _trimmed_upper(value: Any) -> Any:
    # ASCII only: str.upper() would turn some foreign letters (such as the long s) into a valid category.
    return value.strip().upper() if isinstance(value, str) and value.isascii() else value


def _integral(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Category = BeforeValidator(_trimmed_upper)
Integral = BeforeValidator(_integral)

HomeOwnership = Literal["RENT", "OWN", "MORTGAGE", "OTHER"]
LoanIntent = Literal["PERSONAL", "EDUCATION", "MEDICAL", "VENTURE", "HOMEIMPROVEMENT", "DEBTCONSOLIDATION"]
LoanGrade = Literal["A", "B", "C", "D", "E", "F", "G"]
YesNo = Literal["Y", "N"]

EXAMPLE: dict[str, Any] = {
    "person_age": 34,
    "person_income": 62000,
    "person_home_ownership": "MORTGAGE",
    "person_emp_length": 6,
    "loan_intent": "HOMEIMPROVEMENT",
    "loan_grade": "B",
    "loan_amnt": 9000,
    "loan_int_rate": 10.6,
    "loan_percent_income": 0.15,
    "cb_person_default_on_file": "N",
    "cb_person_cred_hist_length": 9,
}


class LoanApplication(BaseModel):
    """One application. `null` and absent mean the same for the three nullable fields; all others are required."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        json_schema_extra={"example": EXAMPLE},
    )

    # The bounds stand before Integral: behind it, the schema has them as `ge` and `le`, which no reader of it knows.
    person_age: Annotated[int, Field(ge=0, le=120, description="Age in years. Never scored."), Integral]
    person_income: Annotated[float, Field(ge=1, le=MAX_AMOUNT, description="Income per year.")]
    person_home_ownership: Annotated[HomeOwnership, Category, Field(description="Housing situation.")]
    person_emp_length: Annotated[
        float | None, Field(ge=0, le=80, description="Years in employment; null where unknown.")
    ] = None
    loan_intent: Annotated[LoanIntent, Category, Field(description="Purpose of the loan.")]
    loan_grade: Annotated[LoanGrade, Category, Field(description="The lender's own grade, A (best) to G.")]
    loan_amnt: Annotated[float, Field(ge=1, le=MAX_AMOUNT, description="Amount asked for.")]
    loan_int_rate: Annotated[
        float | None, Field(ge=0, le=100, description="Interest rate in percent per year; null where not set.")
    ] = None
    loan_percent_income: Annotated[
        float | None,
        Field(ge=0, le=MAX_AMOUNT, description="loan_amnt / person_income as stated; checked, then computed exactly."),
    ] = None
    cb_person_default_on_file: Annotated[YesNo, Category, Field(description="A default on the bureau's file.")]
    cb_person_cred_hist_length: Annotated[
        int, Field(ge=0, le=100, description="Years of credit history. Never scored."), Integral
    ]

    @field_validator("loan_percent_income", mode="after")
    @classmethod
    def _ratio_agrees(cls, stated: float | None, info: ValidationInfo) -> float | None:
        amount, income = info.data.get("loan_amnt"), info.data.get("person_income")
        if stated is None or amount is None or income is None:  # a field already in error is reported by itself
            return stated
        exact = amount / income
        # A billionth of slack, for .4 - .3 is a little more than .1 in binary.
        if abs(stated - exact) > RATIO_TOLERANCE * max(1.0, exact) * (1 + 1e-9):
            raise PydanticCustomError(
                "ratio_mismatch",
                "loan_percent_income disagrees with loan_amnt / person_income; correct one of the three or leave "
                "loan_percent_income out",
            )
        return stated


FIELDS: tuple[str, ...] = tuple(LoanApplication.model_fields)


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


def parse_application(document: object) -> LoanApplication:
    """Validate one decoded JSON document.

    Raises:
        InvalidApplicationError: with every wrong field named, and no value repeated.
    """
    try:
        return LoanApplication.model_validate(document)
    except ValidationError as exc:
        # Chaining would carry the values along into whatever prints the exception.
        raise InvalidApplicationError(_field_errors(exc)) from None


_REMEDIES = {
    "missing": "required field is missing",
    "model_type": "an application must be a JSON object",
}


def _field_errors(exc: ValidationError) -> tuple[FieldError, ...]:
    errors: list[FieldError] = []
    unknown = 0
    for error in exc.errors(include_url=False, include_context=False, include_input=False):
        kind = error["type"]
        if kind == "extra_forbidden":
            unknown += 1
            if unknown <= MAX_UNKNOWN_FIELDS_NAMED:
                name = _printable(str(error["loc"][0]))
                errors.append(FieldError((name,), "unknown field; remove it", kind))
        else:
            errors.append(FieldError(tuple(error["loc"][:1]), _REMEDIES.get(kind, error["msg"]), kind))
    if unknown > MAX_UNKNOWN_FIELDS_NAMED:
        more = unknown - MAX_UNKNOWN_FIELDS_NAMED
        errors.append(FieldError((), f"{more} more unknown field(s); remove them", "extra_forbidden"))
    return tuple(errors)


def _printable(name: str) -> str:
    return name[:MAX_UNKNOWN_NAME_LENGTH].encode("unicode_escape").decode("ascii")
