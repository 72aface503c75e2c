"""From an application to the values that are scored: the exact ratio, and constants where a value is missing.

The constants are learned once, in training, and travel with the model. Nothing is ever learned from the other rows of a
request, so an application's answer depends on that application alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from preprocessing.application import LoanApplication


class CleaningConstants(BaseModel):
    """What stands in for a missing value: the training data's medians."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    person_emp_length: float
    loan_int_rate: float


class CleanApplication(NamedTuple):
    """The scored fields with nothing missing. Age and length of credit history are not among them: never read here."""

    person_income: float
    person_home_ownership: str
    person_emp_length: float
    person_emp_length_missing: bool
    loan_intent: str
    loan_grade: str
    loan_amnt: float
    loan_int_rate: float
    loan_int_rate_missing: bool
    loan_percent_income: float
    cb_person_default_on_file: str


def learn_constants(applications: Sequence[LoanApplication]) -> CleaningConstants:
    """The medians of the values that are present; for training only."""
    return CleaningConstants(
        person_emp_length=median(a.person_emp_length for a in applications if a.person_emp_length is not None),
        loan_int_rate=median(a.loan_int_rate for a in applications if a.loan_int_rate is not None),
    )


def clean(application: LoanApplication, constants: CleaningConstants) -> CleanApplication:
    """Impute what is missing, say that it was, and replace the stated ratio by the exact one."""
    emp_length, int_rate = application.person_emp_length, application.loan_int_rate
    return CleanApplication(
        application.person_income,
        application.person_home_ownership,
        constants.person_emp_length if emp_length is None else emp_length,
        emp_length is None,
        application.loan_intent,
        application.loan_grade,
        application.loan_amnt,
        constants.loan_int_rate if int_rate is None else int_rate,
        int_rate is None,
        application.loan_amnt / application.person_income,
        application.cb_person_default_on_file,
    )


def policy_fields(application: LoanApplication) -> dict[str, Any]:
    """What a policy's rules see: the normalised fields, unimputed (None where missing), and the exact ratio."""
    return vars(application) | {"loan_percent_income": application.loan_amnt / application.person_income}
