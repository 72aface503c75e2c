"""How a model fared, as text."""

from __future__ import annotations

import math
from collections.abc import Iterator

from records.figures.texts import UNKNOWN, estimate, number, percent, table
from records.performance.measuring import Band, Figures, Performance

SELECTED = (
    "Of loans alone: whom a decision refused has no outcome, and none is made up. Among loans PDs lie closer together "
    "than among applicants, so that AUC, Gini and KS are lower than in training, and can't be compared with it."
)
"""What nobody may read these figures without."""

COUNTS = ("month", "decisions", "refused", "erased", "untold", "unmatured", "outcomes", "defaulted")
QUALITY = ("month", "AUC", "Gini", "KS", "Brier", "PSI")
RATES = ("month", "outcomes", "expected", "observed [95%]", "than expected")
BANDS = ("PD", "outcomes", "expected", "observed [95%]", "than expected")


def title(performance: Performance) -> str:
    """Which model it is."""
    model = performance.model
    return f"{model.name} {model.version}" + (f", manifest {model.manifest[:12]}" if model.manifest else "")


def rows(performance: Performance) -> Iterator[tuple[str, Figures]]:
    """Each month, and all of them."""
    yield from performance.months.items()
    yield "all", performance.total


def counts(performance: Performance) -> list[list[str]]:
    """Of each month."""
    return [[name, *(f"{getattr(each, column):,}" for column in COUNTS[1:])] for name, each in rows(performance)]


def quality(performance: Performance) -> list[list[str]]:
    """Of each month."""
    return [
        [name, estimate(each.auc), estimate(each.gini), number(each.ks), estimate(each.brier), number(each.psi)]
        for name, each in rows(performance)
    ]


def rates(performance: Performance) -> list[list[str]]:
    """Of each month: what was expected and what was observed, and on which side that lies."""
    return [
        [name, f"{each.outcomes:,}", share(each.expected), percent(each.observed), _verdict(each)]
        for name, each in rows(performance)
    ]


def bands(performance: Performance) -> list[list[str]]:
    """Of all months together."""
    return [
        [name_of(band), f"{band.outcomes:,}", share(band.expected), percent(band.observed), _verdict(band)]
        for band in performance.total.bands
    ]


def lines(performance: Performance) -> Iterator[str]:
    """What to print, a line each."""
    yield title(performance)
    for head, body in (
        (COUNTS, counts(performance)),
        (QUALITY, quality(performance)),
        (RATES, rates(performance)),
        (BANDS, bands(performance)),
    ):
        yield ""
        yield from table(head, body)
    yield ""
    yield from notes(performance)


def notes(performance: Performance) -> Iterator[str]:
    """What has to be known of the figures."""
    if not performance.compared:
        yield (
            "No PSI: the distribution of this model's training data is not in the archive, or is one that this version "
            "can't read."
        )


def name_of(band: Band) -> str:
    """What a band is called."""
    return f"{band.low:g} to {band.high:g}"


def share(value: float) -> str:
    """A share without an interval."""
    return UNKNOWN if math.isnan(value) else f"{value:.2%}"


def _verdict(each: Figures | Band) -> str:
    if math.isnan(each.expected) or each.observed.low <= each.expected <= each.observed.high:
        return ""
    return "more" if each.observed.low > each.expected else "fewer"
