"""Calibration in parts: where the PD says one thing and what became of the loans another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from decision import Policy
from preprocessing.contract import Contract
from preprocessing.fields import AnyField, Category, Flag, Ordered
from preprocessing.groups import NOT_STATED, groups_of
from training.data import TrainingData
from training.metrics import Labels, Probabilities
from training.report.figures import quality
from training.report.resampling import Estimate, Floats, Resamples, Weights, share

FEW = 100
"""A part with fewer rows says little, and is marked."""

MOST_CELLS = 20
OTHERS = "all others"


@dataclass(frozen=True, slots=True)
class Cell:
    """One part of the applicants.

    Attributes:
        name: of the part.
        rows: applicants in it.
        mean_pd: their mean out-of-fold PD.
        default_rate: the share of them that defaulted.
        roc_auc: among them; NaN where only one label occurs.
        brier: mean squared error of their PDs.
    """

    name: str
    rows: int
    mean_pd: float
    default_rate: Estimate
    roc_auc: Estimate
    brier: Estimate

    @property
    def off(self) -> bool:
        """Whether the interval of the default rate excludes the mean PD."""
        return self.default_rate.excludes(self.mean_pd)

    @property
    def few(self) -> bool:
        """Whether there are too few rows to say much."""
        return self.rows < FEW


@dataclass(frozen=True, slots=True)
class Parting:
    """All applicants, in parts.

    Attributes:
        title: what they are parted by.
        cells: those that have rows, in order.
    """

    title: str
    cells: tuple[Cell, ...]


def partings(data: TrainingData, pd: Probabilities, policy: Policy, resamples: Resamples) -> tuple[Parting, ...]:
    """By PD, by each field of categories, and by the groups that the contract names.

    Args:
        data: n applications.
        pd: out-of-fold PDs, shape (n,).
        policy: whose thresholds are ends of bands.
        resamples: of the n rows.
    """
    bands = pd_bands(policy)
    names = [band_name(low, high) for low, high in bands]
    of_row = np.searchsorted([high for _, high in bands[:-1]], pd, side="right")
    by_pd = parting("PD", [names[i] for i in of_row], names, data.labels, pd, resamples)
    return (by_pd, *(parting(title, of, order, data.labels, pd, resamples) for title, of, order in _named(data)))


def parting(  # noqa: PLR0913, PLR0917  # what is parted, and by what
    title: str,
    of_row: Sequence[str],
    order: Sequence[str],
    labels: Labels,
    pd: Probabilities,
    resamples: Resamples,
) -> Parting:
    """Cells of the rows that have the same name, in the order of the names; the smallest together if there are many."""
    counts = Counter(of_row)
    kept = {name for name, _ in counts.most_common(MOST_CELLS)}
    if len(counts) > MOST_CELLS:
        of_row = [name if name in kept else OTHERS for name in of_row]
        order = [*(name for name in order if name in kept), OTHERS]
    present = [name for name in order if name in set(of_row)]
    member = np.array(of_row)[:, None] == np.array(present)[None, :]
    drawn = resamples.over(_rates(member, labels))
    return Parting(
        title,
        tuple(
            _cell(name, inside, labels, pd, resamples, drawn[:, i])
            for i, (name, inside) in enumerate(zip(present, member.T, strict=True))
        ),
    )


def pd_bands(policy: Policy) -> list[tuple[float, float]]:
    """The policy's bands of the PD, each in parts: fractions and multiples of its thresholds."""
    approve, reject = policy.thresholds.approve_below, policy.thresholds.reject_from
    rest = 1 - reject
    ends = {approve / 8, approve / 4, approve / 2, approve, (approve + reject) / 2, reject}
    ends |= {reject + rest / 4, reject + rest / 2, reject + rest * 3 / 4}
    edges = [0.0, *sorted(ends), 1.0]
    return list(pairwise(edges))


def band_name(low: float, high: float) -> str:
    """What a band is called."""
    if low == 0:
        return f"below {high:.4g}"
    return f"{low:.4g} and above" if high == 1 else f"{low:.4g} to below {high:.4g}"


def _named(data: TrainingData) -> Iterator[tuple[str, list[str], Sequence[str]]]:
    grouped = {grouping.field for grouping in data.contract.groups}
    for field in data.contract.fields:
        if isinstance(field, Category | Ordered | Flag) and field.name not in grouped:
            names = [str(a[field.name]) if a[field.name] is not None else NOT_STATED for a in data.applications]
            yield field.name, names, _choices(data.contract, field)
    for groups in groups_of(data.contract):
        yield groups.title, [groups.of(application) for application in data.applications], groups.names


def _choices(contract: Contract, field: AnyField) -> Sequence[str]:
    return [*field.choices, *field.states, *([NOT_STATED] if contract.may_lack(field) else [])]


def _rates(member: NDArray[np.bool_], labels: Labels) -> Callable[[Weights], Floats]:
    ones = member.astype(np.float64)
    bad = ones * labels[:, None]

    def statistic(weights: Weights) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((weights @ bad) / (weights @ ones))

    return statistic


def _cell(  # noqa: PLR0913, PLR0917  # of one part
    name: str,
    inside: NDArray[np.bool_],
    labels: Labels,
    pd: Probabilities,
    resamples: Resamples,
    drawn: Floats,
) -> Cell:
    labels, pd = labels[inside], pd[inside]
    found = quality(labels, pd, resamples.among(inside))
    return Cell(
        name=name,
        rows=len(labels),
        mean_pd=float(pd.mean()),
        default_rate=share(float(labels.sum()), len(labels), drawn),
        roc_auc=found.roc_auc,
        brier=found.brier,
    )
