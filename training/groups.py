"""Groups of applicants to report by. For reporting only: no feature reads age."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import get_args

from preprocessing.application import HomeOwnership, LoanApplication

AGE_GROUPS: Mapping[str, range] = MappingProxyType(
    {"under 25": range(25), "25 to 39": range(25, 40), "40 to 59": range(40, 60), "60 and over": range(60, 1000)}
)

HOME_OWNERSHIP: tuple[str, ...] = get_args(HomeOwnership)


def age_group(application: LoanApplication) -> str:
    """The name of the applicant's age group."""
    return next(name for name, ages in AGE_GROUPS.items() if application.person_age in ages)


def home_ownership(application: LoanApplication) -> str:
    """The applicant's housing situation."""
    return application.person_home_ownership


GROUPINGS: Mapping[str, tuple[Callable[[LoanApplication], str], tuple[str, ...]]] = MappingProxyType(
    {"age": (age_group, tuple(AGE_GROUPS)), "home ownership": (home_ownership, HOME_OWNERSHIP)}
)
"""What applicants are grouped by, to the grouping function and its groups in order."""
