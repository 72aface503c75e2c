"""Whether figures stay where they are: how much each has grown over a run, its warm-up left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from benchmarks.soak.samples import FIGURES, Sample

WARM_UP = 0.25
"""The share of the samples that is left out: caches and heaps fill, each label's series are made."""

LEAST_SAMPLES = 4

ALLOWED: dict[str, tuple[float, float]] = {
    "pss": (0.05, 0.0),
    "rss": (0.05, 0.0),
    "descriptors": (0.0, 2.0),
    "threads": (0.0, 1.0),
    "series": (0.0, 0.0),
}
"""How much each may grow: a share of its median, and an absolute number."""


@dataclass(frozen=True, slots=True)
class Growth:
    """One figure over a run.

    Attributes:
        name: of the figure.
        middle: its median.
        most: its largest value.
        grown: by the slope through all samples, from the first to the last.
        allowed: the most that it may have grown.
    """

    name: str
    middle: float
    most: float
    grown: float
    allowed: float

    @property
    def flat(self) -> bool:
        """Whether it has not grown by more than it may."""
        return self.grown <= self.allowed


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between all pairs (Theil and Sen), which a few outliers don't move."""
    return median((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2))


def growths(samples: Sequence[Sample]) -> list[Growth]:
    """How much each figure has grown.

    Raises:
        ValueError: there are too few samples to tell.
    """
    kept = samples[int(len(samples) * WARM_UP) :]
    if len(samples) < LEAST_SAMPLES:
        raise ValueError(f"{len(samples)} samples don't tell a slope from chance; take at least {LEAST_SAMPLES}")
    span = kept[-1].requests - kept[0].requests
    found = []
    for name in FIGURES:
        values = [float(getattr(sample, name)) for sample in kept]
        share, number = ALLOWED[name]
        grown = slope([(sample.requests, value) for sample, value in zip(kept, values, strict=True)]) * span
        found.append(Growth(name, median(values), max(values), grown, share * median(values) + number))
    return found
