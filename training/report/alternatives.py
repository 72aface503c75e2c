"""The search for less discriminatory alternatives: models that see less, or keep to fewer directions.

Each is held against the shipped one by its AUC and by the lowest ratio of approval rates over the contract's groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from preprocessing.contract import Contract
from training.report.refits import Variant
from training.report.resampling import Estimate

MOST_PAIRED = 10
"""Fields that pairs are made of, the most important ones: 45 pairs."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """One model of the search.

    Attributes:
        name: what it goes without.
        roc_auc: mean over folds.
        brier: the same.
        approved: share of all applicants that it approves without conditions.
        ratios: grouping to the lowest ratio of approval rates in it.
        gain: in ROC AUC over the shipped model; None where it is not measured.
    """

    name: str
    roc_auc: float
    brier: float
    approved: float
    ratios: Mapping[str, float]
    gain: Estimate | None = None

    @property
    def lowest(self) -> float:
        """The lowest ratio of all groupings; 1 where the contract names none."""
        return min(self.ratios.values(), default=1.0)


@dataclass(frozen=True, slots=True)
class Search:
    """What was tried.

    Attributes:
        shipped: the model as it is.
        undirected: the same without any direction; None where the contract has none.
        directions: each direction left out by itself.
        fields: each field, and each pair of fields, left out.
        paired: fields that pairs were made of.
    """

    shipped: Alternative
    undirected: Alternative | None
    directions: tuple[Alternative, ...]
    fields: tuple[Alternative, ...]
    paired: tuple[str, ...]

    @property
    def every(self) -> tuple[Alternative, ...]:
        """Every model, the shipped one first."""
        return (self.shipped, *([self.undirected] if self.undirected else []), *self.directions, *self.fields)

    @property
    def front(self) -> tuple[Alternative, ...]:
        """The models that no other beats in both AUC and lowest ratio, the highest AUC first."""
        return front(self.every)


def front(models: Sequence[Alternative]) -> tuple[Alternative, ...]:
    """The models that no other is at least as good as in both respects and better than in one."""
    kept = [
        model
        for model in models
        if not any(
            other.roc_auc >= model.roc_auc
            and other.lowest >= model.lowest
            and (other.roc_auc, other.lowest) != (model.roc_auc, model.lowest)
            for other in models
        )
    ]
    return tuple(sorted(kept, key=lambda model: -model.roc_auc))


def directed(contract: Contract) -> list[str]:
    """The scored fields some column of which has a direction, in the order of their features.

    Beside those of `Contract.directions`: categories that it is never better to leave out.
    """
    found = {feature.field for feature in contract.features if feature.direction is not None}
    return [field for field in contract.scored if field in found]


def paired(fields: Sequence[str]) -> tuple[str, ...]:
    """The fields that pairs are made of, of fields by importance, most important first."""
    return tuple(fields[:MOST_PAIRED])


def variants(contract: Contract, pairs_of: Sequence[str]) -> Iterator[tuple[str, Variant]]:
    """By name: each direction left out, each field, and each pair of the given fields, as long as one field is left."""
    for field in directed(contract):
        yield f"no direction of {field}", Variant(free=(field,))
    if len(contract.scored) > 1:
        for field in contract.scored:
            yield f"without {field}", Variant(without=(field,))
    if len(contract.scored) > 2:
        for one, other in combinations(pairs_of, 2):
            yield f"without {one} and {other}", Variant(without=(one, other))
