"""Everything that the report tells, measured; nothing here is text for a reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from decision import Policy
from training.data import TrainingData
from training.evaluation import Evaluation, tasks
from training.recipe import Recipe
from training.report.alternatives import Alternative, Search, directed, paired, variants
from training.report.approvals import (
    Approvals,
    Grouped,
    Outside,
    Severities,
    approvals,
    decided,
    grouped,
    lowest_ratios,
    ruled,
)
from training.report.cells import Parting, partings
from training.report.figures import Areas, areas, figures
from training.report.monitoring import Trigger, triggers
from training.report.refits import Folds, Margins, Refit, Variant, refitted, scorecards
from training.report.resampling import Estimate, Resamples
from training.report.sensitivity import Move, Predict, moves
from training.report.stability import SEEDS, Another, compared

GROUPED, DISJOINT = "grouped", "disjoint"

MODEL = "model"
SCORECARD = "points scorecard"


@dataclass(frozen=True, slots=True)
class Split:
    """One way to draw the folds, and how models do on it.

    Attributes:
        name: `grouped` or `disjoint`.
        kept_together: fields: rows equal in all of them are on one side; none where each row is by itself.
        evaluation: the model's, fold by fold.
        figures: model or challenger to metric to its estimate, the mean over folds.
    """

    name: str
    kept_together: tuple[str, ...]
    evaluation: Evaluation
    figures: Mapping[str, Mapping[str, Estimate]]


@dataclass(frozen=True, slots=True)
class Validation:
    """What was measured.

    Attributes:
        splits: the headline's first.
        partings: calibration in parts, on the headline's PDs.
        approvals: by group, on the headline's PDs.
        policy: decided.
        search: for less discriminatory alternatives, on the headline's folds.
        moves: one field moved by one step.
        seeds: the recipe's seed drawn otherwise, on the headline's folds.
        shuffles: the headline's folds drawn otherwise.
        across: the other split's PDs, where there are two.
        triggers: of the alerts; None where training runs without them.
        quick: whether the search, and other seeds and folds, were left out.
    """

    splits: tuple[Split, ...]
    partings: tuple[Parting, ...]
    approvals: tuple[Approvals, ...]
    policy: Policy
    search: Search
    moves: tuple[Move, ...]
    seeds: tuple[Another, ...]
    shuffles: tuple[Another, ...]
    across: tuple[Another, ...]
    triggers: tuple[Trigger, ...] | None
    quick: bool

    @property
    def headline(self) -> Split:
        """The split by which the model is judged: the harsher one where there are two."""
        return self.splits[0]


def validated(  # noqa: PLR0913  # what is measured, and by what
    data: TrainingData,
    recipe: Recipe,
    policy: Policy,
    predict: Predict,
    outside: Outside,
    *,
    evaluation: Evaluation,
    harsher: Evaluation | None,
    quick: bool = False,
) -> Validation:
    """Measure everything, with progress bars on stderr.

    Args:
        data: n applications.
        recipe: with the number of trees settled.
        policy: decides.
        predict: the PDs of the model that is shipped.
        outside: which values of an application lie outside of what it knows.
        evaluation: on folds that keep near-duplicates together.
        harsher: on folds that keep together what the contract calls disjoint; None where it calls nothing so.
        quick: leave out what takes many models more: the search, and other seeds and folds.
    """
    contract = data.contract
    drawn = [(GROUPED, contract.applicant, data.groups, evaluation)]
    if harsher is not None and data.disjoint is not None:
        drawn.insert(0, (DISJOINT, contract.disjoint, data.disjoint, harsher))
    folds = [list(tasks(data, groups)) for _, _, groups, _ in drawn]
    resamples = [Resamples.drawn(groups) for _, _, groups, _ in drawn]
    _, _, groups, head = drawn[0]
    rules, by = ruled(policy, data.applications, outside), grouped(contract, data.applications)
    pairs_of = () if quick else paired(list(head.importance()))
    searched = {} if quick else dict(variants(contract, pairs_of))
    seeds = () if quick else SEEDS
    work: list[tuple[Folds, Variant]] = [(folds[0], variant) for variant in searched.values()]
    work += [(folds[0], Variant(seed=seed)) for seed in seeds]
    work += [(list(tasks(data, groups, seed)), Variant()) for seed in seeds]
    found = iter(refitted(work, recipe, "report"))

    shipped = _refit(head, head.margin)
    area = partial(_area, data=data, resamples=resamples[0])
    splits = tuple(
        Split(name, together, each, _figures(each, tasks_, draws))
        for (name, together, _, each), tasks_, draws in zip(drawn, folds, resamples, strict=True)
    )
    alternative = partial(_alternative, data=data, policy=policy, rules=rules, by=by)
    best, free = area(shipped), _refit(head, head.undirected)
    # An interval takes a second: the price of a direction is worth it, each pair of fields is not.
    priced = {name: next(found) for name, variant in searched.items() if variant.free}
    tried = {name: alternative(name, refit, area(refit).above(best)) for name, refit in priced.items()}
    tried |= {name: alternative(name, next(found)) for name, variant in searched.items() if not variant.free}
    against = partial(compared, data.labels, shipped, policy=policy, rules=rules)
    return Validation(
        splits=splits,
        partings=partings(data, head.pd, policy, resamples[0]),
        approvals=approvals(by, decided(policy, rules, head.pd), resamples[0]),
        policy=policy,
        search=Search(
            shipped=alternative("shipped", shipped),
            undirected=alternative("no directions", free, area(free).above(best)) if directed(contract) else None,
            directions=tuple(tried[name] for name, variant in searched.items() if variant.free),
            fields=tuple(tried[name] for name, variant in searched.items() if variant.without),
            paired=pairs_of,
        ),
        moves=moves(contract, data.applications, predict, policy, outside),
        seeds=against({f"seed {seed}": next(found) for seed in seeds}),
        shuffles=against({f"folds {seed}": next(found) for seed in seeds}),
        across=against({f"{name} folds": _refit(each, each.margin) for name, _, _, each in drawn[1:]}),
        triggers=triggers(),
        quick=quick,
    )


def _figures(evaluation: Evaluation, folds: Folds, resamples: Resamples) -> dict[str, Mapping[str, Estimate]]:
    rows = [fold.rows for fold in evaluation.folds]
    pds = {MODEL: evaluation.pd, **evaluation.others, SCORECARD: scorecards(folds)}
    return {name: figures(evaluation.labels, pd, rows, resamples) for name, pd in pds.items()}


def _refit(evaluation: Evaluation, margin: Margins) -> Refit:
    """What an evaluation has made already, calibrated as refits are."""
    return Refit.of(margin, evaluation.labels, [fold.rows for fold in evaluation.folds])


def _area(made: Refit, *, data: TrainingData, resamples: Resamples) -> Areas:
    return areas(data.labels, made.margin, made.folds, resamples)


def _alternative(  # noqa: PLR0913  # of one model
    name: str,
    made: Refit,
    gain: Estimate | None = None,
    *,
    data: TrainingData,
    policy: Policy,
    rules: Severities,
    by: Sequence[Grouped],
) -> Alternative:
    outcomes = decided(policy, rules, made.pd)
    return Alternative(
        name,
        made.roc_auc(data.labels),
        made.brier(data.labels),
        approved=float((outcomes == 0).mean()),
        ratios=lowest_ratios(by, outcomes),
        gain=gain,
    )
