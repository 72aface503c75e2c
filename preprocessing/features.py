"""From a clean application to the vector that the model sees, in the order that the artifact states.

Every feature is computed from exactly one field, so that an attribution to features adds up to one per field.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PrivateAttr, model_validator

from preprocessing.application import HomeOwnership, LoanApplication, LoanGrade, LoanIntent
from preprocessing.cleaning import CleanApplication, CleaningConstants, clean


class Feature(NamedTuple):
    """One column: the field that it is made of, and how."""

    field: str
    compute: Callable[[CleanApplication], float]


def _one_hot(field: str, categories: tuple[str, ...]) -> dict[str, Feature]:
    position = CleanApplication._fields.index(field)

    def member(category: str) -> Feature:
        return Feature(field, lambda clean_application: clean_application[position] == category)

    return {f"{field}_{category}": member(category) for category in categories}


_GRADE_RANK = {grade: rank for rank, grade in enumerate(get_args(LoanGrade))}

FEATURES: dict[str, Feature] = {
    "person_income": Feature("person_income", lambda c: c.person_income),
    "person_emp_length": Feature("person_emp_length", lambda c: c.person_emp_length),
    "person_emp_length_missing": Feature("person_emp_length", lambda c: c.person_emp_length_missing),
    "loan_grade_rank": Feature("loan_grade", lambda c: _GRADE_RANK[c.loan_grade]),
    "loan_amnt": Feature("loan_amnt", lambda c: c.loan_amnt),
    "loan_int_rate": Feature("loan_int_rate", lambda c: c.loan_int_rate),
    "loan_int_rate_missing": Feature("loan_int_rate", lambda c: c.loan_int_rate_missing),
    "loan_percent_income": Feature("loan_percent_income", lambda c: c.loan_percent_income),
    "cb_person_default_on_file": Feature("cb_person_default_on_file", lambda c: c.cb_person_default_on_file == "Y"),
    **_one_hot("person_home_ownership", get_args(HomeOwnership)),
    **_one_hot("loan_intent", get_args(LoanIntent)),
}
"""Every feature the code can produce, by name; a schema chooses among them and sets their order."""

SCHEMA_VERSION = 1


class FeatureSchema(BaseModel):
    """The artifact `feature_schema.json`: names, their order, and the cleaning constants.

    Raises:
        pydantic.ValidationError: on load, where a name has no code behind it: never a silent zero.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    schema_version: int
    features: list[str]
    cleaning: CleaningConstants
    _compute: tuple[Callable[[CleanApplication], float], ...] = PrivateAttr(default=())

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.schema_version != SCHEMA_VERSION:
            raise ValueError(f"schema_version is {self.schema_version}; this code reads {SCHEMA_VERSION}")
        unknown = [name for name in self.features if name not in FEATURES]
        if unknown:
            raise ValueError(f"the code does not produce {', '.join(unknown)}")
        if len(set(self.features)) != len(self.features):
            raise ValueError("a feature is listed twice")
        if not self.features:
            raise ValueError("no features are listed")
        return self

    def model_post_init(self, context: Any, /) -> None:  # noqa: ARG002  # pydantic's signature
        """Resolve the names once: the request path only walks a tuple of functions."""
        self._compute = tuple(FEATURES[name].compute for name in self.features if name in FEATURES)

    @property
    def fields(self) -> tuple[str, ...]:
        """The scored fields, each once, in the order of their first feature."""
        return tuple(dict.fromkeys(FEATURES[name].field for name in self.features))

    def columns(self, field: str) -> list[int]:
        """The positions of the features made of `field`."""
        return [i for i, name in enumerate(self.features) if FEATURES[name].field == field]

    def row(self, application: LoanApplication) -> list[float]:
        """One application's features as Python numbers, in the schema's order."""
        clean_application = clean(application, self.cleaning)
        return [compute(clean_application) for compute in self._compute]

    def matrix(self, applications: Sequence[LoanApplication]) -> NDArray[np.float32]:
        """Features of many applications, shape (len(applications), len(features)).

        float32, since that is what scikit-learn's trees compare; the cast happens once, here.
        """
        rows = [self.row(application) for application in applications]
        return np.array(rows, dtype=np.float32).reshape(len(rows), len(self.features))
