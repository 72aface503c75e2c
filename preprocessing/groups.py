"""Groups of applicants to report by, as the contract says."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from preprocessing.application import Application
from preprocessing.contract import Contract, Grouping
from preprocessing.fields import AnyField, Integer

NOT_STATED = "not stated"


class Groups(NamedTuple):
    """One way to group applicants.

    Attributes:
        title: what they are grouped by.
        names: of the groups, in order; those of numbers first.
        of: an application's group.
        field: that tells it.
        below: where each group of numbers but the last ends.
    """

    title: str
    names: tuple[str, ...]
    of: Callable[[Application], str]
    field: str
    below: tuple[float, ...]


def groups_of(contract: Contract) -> list[Groups]:
    """Every way that the contract names."""
    return [_groups(contract, grouping, contract.by_name[grouping.field]) for grouping in contract.groups]


def _groups(contract: Contract, grouping: Grouping, field: AnyField) -> Groups:
    ranges = _range_names(grouping.below, whole=isinstance(field, Integer)) if grouping.below else ()
    named = (*field.choices, *field.states)

    def group(application: Application) -> str:
        value = application[grouping.field]
        if value is None:
            return NOT_STATED
        return value if isinstance(value, str) else ranges[bisect_right(grouping.below, value)]

    names = (*ranges, *named, *([NOT_STATED] if contract.may_lack(field) else ()))
    return Groups(grouping.title, names, group, grouping.field, tuple(grouping.below))


def _range_names(below: Sequence[float], *, whole: bool) -> tuple[str, ...]:
    first, last = f"under {below[0]:g}", f"{below[-1]:g} and over"
    between = [f"{low:g} to {high - 1:g}" if whole else f"{low:g} to below {high:g}" for low, high in pairwise(below)]
    return (first, *between, last)
