"""How a portfolio lies against the training data, as text."""

from __future__ import annotations

import math
from collections.abc import Iterator

from portfolio.monitoring.findings import Findings, Shift
from records.figures.statistics import LEAST_VALUES
from records.figures.texts import UNKNOWN, number, table

WATCH, ACT = 0.1, 0.25
"""PSIs from which a field is worth watching, and from which the service's alert fires."""

MOST_SHOWN = 12
"""Kinds of errors."""


def lines(findings: Findings) -> Iterator[str]:
    """What to print, a line each."""
    identity, answered = findings.identity, findings.answered
    yield f"{identity.model_name} {identity.model_version}, policy {identity.policy_version}"
    yield f"{answered:,} applications against {findings.trained_on:,} of the training data"
    if findings.quarantined:
        yield (
            f"left out: {findings.quarantined:,} of {findings.rows:,} rows; `portfolio score` tells what is wrong with "
            "each"
        )
    yield ""
    yield from table(
        ["decision", "applications", "share"],
        [[name, f"{n:,}", f"{n / answered:.2%}"] for name, n in findings.decisions.items()],
    )
    defaults = findings.trained_defaults
    there = "" if defaults is None else f"; {defaults / findings.trained_on:.2%} of the training data defaulted"
    yield f"mean probability of default: {findings.mean_pd:.2%}{there}"
    yield ""
    yield from table(
        ["field", "PSI", "", "missing", "in training", "outside range", "moved most", "share", "in training"],
        [_shift(shift, answered) for shift in findings.shifts],
    )
    if any(math.isnan(shift.psi) for shift in findings.shifts):
        yield f"no PSI of fewer than {LEAST_VALUES:,} values: by chance alone it would be large"
    if findings.invalid:
        yield ""
        rows = [[f"{field or 'row'}: {kind}", f"{n:,}"] for (field, kind), n in findings.invalid.items()]
        yield from table(["wrong", "rows"], rows[:MOST_SHOWN])
        if len(rows) > MOST_SHOWN:
            yield f"and {len(rows) - MOST_SHOWN} kinds more"


def verdict(psi: float) -> str:
    """What a PSI says."""
    if math.isnan(psi) or psi < WATCH:
        return ""
    return "watch" if psi < ACT else "shifted"


def _shift(shift: Shift, answered: int) -> list[str]:
    outside = UNKNOWN if shift.outside is None else f"{shift.outside / answered:.2%}"
    known = [each for each in shift.bins if not math.isnan(each.share)]
    most = max(known, key=lambda each: abs(each.share - each.expected), default=None)
    moved = [most.name, f"{most.share:.2%}", f"{most.expected:.2%}"] if most else [UNKNOWN] * 3
    return [
        shift.field,
        number(shift.psi),
        verdict(shift.psi),
        f"{shift.missing_share:.2%}",
        f"{shift.expected_missing:.2%}",
        outside,
        *moved,
    ]
