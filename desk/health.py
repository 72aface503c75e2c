"""The service's own metrics as a person reads them: since its start, of all its workers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from decision import Outcome
from desk.host import Sample

LEAST_VALUES = 1000
"""Of fewer there is no PSI, as in Prometheus's rules: of 10 bins that few would give .01 by chance alone."""

LEAST_SHARE = 1e-4
"""Of a bin, so that an empty one counts for much but not for infinitely much; the same."""


@dataclass(frozen=True, slots=True)
class Shift:
    """How far a field has moved from the training data.

    Attributes:
        field: its name.
        values: how many applications.
        psi: population stability index; None of too few values.
        missing: share without a value; None of too few.
        expected_missing: the same of the training data.
        outside: values beyond what the training data holds.
    """

    field: str
    values: int
    psi: float | None
    missing: float | None
    expected_missing: float
    outside: int

    @property
    def difference(self) -> float | None:
        """Of the shares without a value."""
        return None if self.missing is None else self.missing - self.expected_missing


@dataclass(frozen=True, slots=True)
class Challenged:
    """What a challenger would have answered.

    Attributes:
        running: whether every worker's runs.
        pairs: how many of each pair of outcomes, the answer's first.
        missed: decisions that it has not assessed.
    """

    running: bool
    pairs: Mapping[tuple[str, str], int]
    missed: int

    @property
    def assessed(self) -> int:
        """How many decisions."""
        return sum(self.pairs.values())

    @property
    def agreed(self) -> int:
        """Of them, those that it would have decided alike."""
        return sum(number for (one, other), number in self.pairs.items() if one == other)


class Figures:
    """Samples, ready to be asked.

    Args:
        samples: of all series.
    """

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._by_name: defaultdict[str, list[Sample]] = defaultdict(list)
        for sample in samples:
            self._by_name[sample.name].append(sample)

    def of(self, name: str) -> Sequence[Sample]:
        """All series of a name."""
        return self._by_name.get(name, ())

    def total(self, name: str, **labels: str) -> float:
        """Of all series with these labels; 0 where there is none."""
        return sum(each.value for each in self.of(name) if labels.items() <= each.labels.items())

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """The same, apart by another label."""
        found: defaultdict[str, float] = defaultdict(float)
        for each in self.of(name):
            if labels.items() <= each.labels.items():
                found[each.labels[label]] += each.value
        return dict(found)


def mix(figures: Figures) -> list[tuple[str, int, float | None]]:
    """Each outcome, how often it was given, and its share; None where nothing was decided."""
    counts = figures.by("credit_risk_decisions_total", "outcome")
    total = sum(counts.values())
    numbers = [(outcome.value, counts.get(outcome.value, 0.0)) for outcome in Outcome]
    return [(outcome, int(number), number / total if total else None) for outcome, number in numbers]


def shifts(figures: Figures) -> list[Shift]:
    """Each field of the training distribution, and the probability of default, the furthest moved first."""
    expected_missing = figures.by("credit_risk_drift_expected_missing_ratio", "field")
    outside = figures.by("credit_risk_outside_training_range_total", "field")
    found = []
    for field, expected in expected_missing.items():
        bins = figures.by("credit_risk_drift_values_total", "bin", field=field)
        present, absent = sum(bins.values()), figures.total("credit_risk_drift_missing_total", field=field)
        wanted = figures.by("credit_risk_drift_expected_ratio", "bin", field=field)
        found.append(
            Shift(
                field,
                int(present + absent),
                _psi(bins, wanted) if present >= LEAST_VALUES else None,
                absent / (present + absent) if present + absent >= LEAST_VALUES else None,
                expected,
                int(outside.get(field, 0)),
            )
        )
    return sorted(found, key=lambda each: -(each.psi or 0))


def challenged(figures: Figures) -> Challenged | None:
    """What the challenger says; None where there is none."""
    running = figures.of("credit_risk_challenger_running")
    if not running:
        return None
    pairs: defaultdict[tuple[str, str], int] = defaultdict(int)
    for each in figures.of("credit_risk_challenger_assessed_total"):
        pairs[each.labels["champion"], each.labels["challenger"]] += int(each.value)
    missed = figures.total("credit_risk_challenger_dropped_total") + figures.total(
        "credit_risk_challenger_failed_total"
    )
    return Challenged(all(each.value for each in running), dict(pairs), int(missed))


def _psi(counts: Mapping[str, float], expected: Mapping[str, float]) -> float:
    total = sum(counts.values())
    shares = [(max(counts.get(name, 0.0) / total, LEAST_SHARE), max(e, LEAST_SHARE)) for name, e in expected.items()]
    return sum((a - e) * math.log(a / e) for a, e in shares)
