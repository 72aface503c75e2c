"""What each of the two says of a table's rows: the probability of default, its band, and the rules that hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from decision import Policy
from portfolio.assessor import Assessor, Options
from portfolio.comparing.rules import Matches, Places, bands, outcomes, severities
from preprocessing.application import Application
from scoring.scorer import Scorer

Floats = NDArray[np.float64]


class Verdicts(NamedTuple):
    """What one of the two says of n applications.

    Attributes:
        pd: probability of default, shape (n,).
        band: place of the outcome that it alone would bring, shape (n,).
        matches: which rules hold, shape (n, rules).
        outcome: place of the decision, shape (n,).
    """

    pd: Floats
    band: Places
    matches: Matches
    outcome: Places


class Both(NamedTuple):
    """What both say of the rows that both can read.

    Attributes:
        rows: their places in the table, rising, shape (n,).
        applications: as A's contract reads them.
        a: what A says.
        b: what B says.
        unread: rows of the table that A can't read, and those that B can't.
        size: rows of the table.
    """

    rows: NDArray[np.int64]
    applications: Sequence[Application]
    a: Verdicts
    b: Verdicts
    unread: tuple[int, int]
    size: int


def judge(a: Assessor, b: Assessor, table: pa.Table, options: Options) -> Both:
    """Ask both of each row. What they share is done once: the reading, where it is one contract, and a model's PDs.

    Raises:
        UnfitInputError: a contract's columns aren't there, or can't be read.
    """
    rows, applications = a.read(table, options)
    others = (rows, applications) if a.contract == b.contract else b.read(table, options)
    unread = (table.num_rows - len(rows), table.num_rows - len(others[0]))
    in_both = np.intersect1d(rows, others[0], assume_unique=True)
    of_a = _chosen(rows, applications, in_both)
    of_b = of_a if others[1] is applications else _chosen(*others, in_both)
    said_a = _said(a.engine.scorer, of_a)
    said_b = said_a if of_b is of_a and same_model(a, b) else _said(b.engine.scorer, of_b)
    return Both(
        in_both,
        of_a,
        _verdicts(a.engine.policy, of_a, *said_a),
        _verdicts(b.engine.policy, of_b, *said_b),
        unread,
        table.num_rows,
    )


def same_model(a: Assessor, b: Assessor) -> bool:
    """Whether both score by the same files."""
    of_a, of_b = (each.digests.items() - each.files.digests.items() for each in (a, b))
    return of_a == of_b


def _chosen(
    rows: NDArray[np.int64], applications: Sequence[Application], wanted: NDArray[np.int64]
) -> Sequence[Application]:
    if len(wanted) == len(rows):
        return applications
    return [applications[place] for place in np.searchsorted(rows, wanted).tolist()]


def _said(scorer: Scorer, applications: Sequence[Application]) -> tuple[Floats, list[tuple[str, ...]]]:
    """Of each application its PD, and the fields outside the training range that count against it."""
    pd = scorer.score(applications).pd if applications else np.empty(0)
    return pd, [scorer.ranges.outside(application).worse for application in applications]


def _verdicts(
    policy: Policy, applications: Sequence[Application], pd: Floats, outside: Sequence[tuple[str, ...]]
) -> Verdicts:
    matches = np.array(
        [
            [rule.matches(application, worse) for rule in policy.rules]
            for application, worse in zip(applications, outside, strict=True)
        ],
        dtype=bool,
    ).reshape(len(applications), len(policy.rules))
    band = bands(policy, pd)
    return Verdicts(pd, band, matches, outcomes(band, matches, severities(policy)))
