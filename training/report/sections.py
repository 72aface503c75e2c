"""What was measured, in Markdown, a section each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from training.evaluation import FOLDS, SPLIT_SEED
from training.metrics import CALIBRATION_BINS, NAMES
from training.plots import ALTERNATIVES_PLOT, APPROVALS_PLOT, BINS, CALIBRATION_PLOT
from training.report.alternatives import Alternative, Search
from training.report.approvals import FOUR_FIFTHS, Approval, Approvals
from training.report.cells import FEW, MOST_CELLS, Cell, Parting
from training.report.markdown import cell, code, difference, estimate, folded, number, percent, signed, spread, table
from training.report.monitoring import ALERTS, GROUP
from training.report.resampling import LEVEL, RESAMPLES, SEED
from training.report.sensitivity import ROWS
from training.report.sensitivity import SEED as SAMPLE_SEED
from training.report.stability import Another
from training.report.validation import DISJOINT, MODEL, Split, Validation

_NOTHING = 1e-5
"""A mean change of the PD that no more than the order of a sum, and the rounding of a calibration, makes."""

_ONE_CURVE = """Here one calibration curve is learned from all folds, in place of one for each, so that a
figure may differ in its last digits from the same in Summary and Metrics."""

QUICK = "Left out of this report: training ran with `--quick`."
"""Where other sections have what many models more are needed for."""


def summary(found: Validation) -> str:
    """The figures that a reader looks for first."""
    cells = [each for parting in found.partings for each in parting.cells if not each.few]
    off = sum(each.off for each in cells)
    rows = [[label, *(estimate(split.figures[MODEL][name]) for split in found.splits)] for name, label in NAMES.items()]
    lowest = [f"{estimate(by.lowest.ratio, 3)} by {cell(by.title)} ({_group(by.lowest)})" for by in found.approvals]
    points = [
        f"""In {off} of {len(cells)} parts of the applicants with {FEW} rows or more the mean PD lies outside the
  {LEVEL:.0%} interval of the default rate; by chance alone it would in some {(1 - LEVEL) * len(cells):.0f}. See
  Calibration in parts.""",
        f"""Lowest ratio of approval rates: {_and(lowest) or "the contract names no groups"}. See
  Decisions by group.""",
    ]
    if found.search.undirected is not None and found.search.undirected.gain is not None:
        gain = found.search.undirected.gain
        points.append(f"Without its directions the model's AUC would differ by {difference(gain)}. See Directions.")
    return f"""
{table(["metric", *(_title(split) for split in found.splits)], rows)}

Means over {FOLDS} folds of the PDs of loans that the fold's model did not see, with {LEVEL:.0%} intervals.
{_headline(found)}

{_bullets(points)}
"""


def metrics(found: Validation) -> str:
    """The model beside what was tried instead, on every split."""
    return f"""
Folds are those of `StratifiedGroupKFold({FOLDS}, shuffle=True, random_state={SPLIT_SEED})`, with cleaning constants and
calibration learned inside of them. Every model had the same features and the same folds. Figures are means over the
folds. Intervals: percentiles of {RESAMPLES} resamples of the out-of-fold PDs, seed {SEED}; rows that a split keeps
together are drawn together. That other data would have made another model is not in them. ECE is over
{CALIBRATION_BINS} bins of equal mass (expected calibration error); chance adds to it, so its interval is moved to lie
around its value.

{_paragraphs(_split(split) for split in found.splits)}

The points scorecard has each field in bins, weights of evidence for the bins, a logistic regression over those, and
{found.policy.score.points_to_double_odds:g} points to double the odds, as the policy's scale has.

![Default rate against mean PD, {BINS} bins of equal mass, on log-odds axes]({CALIBRATION_PLOT})

Bars: the interval of each bin's default rate (Wilson). Dashed: the policy's thresholds.
"""


def parts(found: Validation) -> str:
    """Calibration by band, by category and by group."""
    return f"""
From the out-of-fold PDs of the headline's folds. `off`: the mean PD lies outside the interval of the default rate,
which is the wider of the bootstrap's and Wilson's; of twenty parts one is off by chance alone. `few`: under {FEW} rows,
which say little. Beyond {MOST_CELLS} categories the smallest stand together. The bands of the PD are the policy's, in
parts.

{_paragraphs(map(_parting, found.partings))}
"""


def approval(found: Validation) -> str:
    """Approval by group."""
    if not found.approvals:
        return "The contract names no groups to report by."
    return f"""
Approval without conditions under policy {found.policy.version}, from the out-of-fold PDs of the headline's folds. The
ratio is to the highest rate among the groups of the same table with {FEW} rows or more. 29 CFR 1607.4(D), a rule on
employment that is used for credit too, looks at ratios under {FOUR_FIFTHS:g}. `few`: under {FEW} rows, which say
little: read the interval, not the ratio.

{_paragraphs(map(_approvals, found.approvals))}

![Ratio of approval rates by group]({APPROVALS_PLOT})

Dashed: {FOUR_FIFTHS:g}. Hollow: under {FEW} rows.
"""


def alternatives(found: Validation) -> str:
    """The search for less discriminatory alternatives."""
    if found.quick:
        return QUICK
    search = found.search
    titles = list(search.shipped.ratios)
    left = _pairs_left(found, search)
    best = max(search.every, key=lambda model: (model.lowest, model.roc_auc))
    return f"""
Whether a model that sees less, or keeps to fewer directions, would treat groups more alike:
{len(search.every) - 1} models were made on the headline's folds, each without one field, without two, or without
directions, with the same parameters. {_ONE_CURVE} Each is held against the shipped one by its AUC and by its lowest
ratio of approval rates over the groups with {FEW} rows or more, under the same policy.{left}

{_alternatives([search.shipped, *(model for model in search.front if model is not search.shipped)], search, titles)}

Numbered: the models that no other beats in both, the highest AUC first. The highest ratio,
{number(best.lowest, 3)}, is that of "{cell(best.name)}", at an AUC of {number(best.roc_auc)}; the shipped model's is
{number(search.shipped.lowest, 3)} at
{number(search.shipped.roc_auc)}. Whether a loss of AUC is worth a ratio is for the lender to decide, and to write down.

![ROC AUC against the lowest ratio of approval rates]({ALTERNATIVES_PLOT})

Large: the shipped model. Orange, on the dotted line: the numbered ones.

{folded(f"All {len(search.every)} models", _alternatives(search.every, search, titles))}
"""


def directions(found: Validation, stated: dict[str, str]) -> str:
    """Which way each field's risk goes, and what that costs."""
    if not stated:
        return "None: the risk of every field may go either way."
    search = found.search
    rows = [[cell(field), direction] for field, direction in stated.items()]
    price = [model for model in (search.undirected, *search.directions) if model is not None]
    prices = [
        [cell(model.name), number(model.roc_auc), difference(model.gain) if model.gain else "", number(model.brier),
         signed(model.brier - search.shipped.brier)]
        for model in [search.shipped, *price]
    ]  # fmt: skip
    return f"""
The PD goes one way as each of these rises, all else equal; a ratio goes along with what it is made of. Proven from the
trees for every input, when the model is trained and whenever it is loaded.

{table(["field", "as it rises, the risk"], rows, texts=2)}

Their price, on the headline's folds: the same recipe without all of them, and without each. {_ONE_CURVE} The
intervals are of the same resamples for both models: one that holds 0 may be chance.

{table(["model", "ROC AUC", "against shipped", "Brier", "against shipped"], prices)}

{QUICK if found.quick else ""}
"""


def sensitivity(found: Validation) -> str:
    """One field moved by one step."""
    rows = [
        [cell(move.field), move.step, str(move.rows), signed(move.low), signed(move.median), signed(move.high),
         percent(move.decisions)]
        for move in found.moves
    ]  # fmt: skip
    return f"""
The shipped model on {ROWS} of the applicants (all where there are fewer; drawn with seed {SAMPLE_SEED}): one field
moved by one step, ratios computed anew, everything else held. A number goes to the next of its deciles up or down, an
ordered category to its neighbour, any other to each of the others. Change of the PD, and the share of moves that change
the outcome under policy {found.policy.version}, which a rule may do where the PD stays.

{table(["field", "step", "moves", "5%", "median", "95%", "outcomes changed"], rows, texts=2)}
"""


def stability(found: Validation) -> str:
    """Other seeds, other folds."""
    same = found.seeds and all(each.change < _NOTHING for each in found.seeds)
    header = ["drawn otherwise", "ROC AUC", "Brier", "change of the PD", "outcomes changed"]
    return f"""
The headline's out-of-fold PDs against those of the same recipe, had something been drawn otherwise: its seed, the
folds, or how the folds are kept apart. Mean absolute change of an applicant's PD, and share of outcomes that change.
{_ONE_CURVE}

{table(header, map(_another, [*found.seeds, *found.shuffles, *found.across]))}

{"The recipe draws nothing: another seed makes the same model." if same else ""}

{QUICK if found.quick else ""}
"""


def limits(found: Validation) -> str:
    """For what the model is not to be used, as far as the figures say."""
    cells = [(parting.title, each) for parting in found.partings for each in parting.cells]
    few = _and(f"{cell(title)} {cell(each.name)} ({each.rows})" for title, each in cells if each.few)
    off = _and(
        f"{cell(title)} {cell(each.name)} (PD {number(each.mean_pd, 3)}, rate {number(each.default_rate.value, 3)})"
        for title, each in cells
        if each.off and not each.few
    )
    return f"""
- Not for amounts, products or populations unlike the training data. Not for reading its explanations as causes. Not for
  decisions without a person to appeal to.
- Too few rows to judge (under {FEW}): {few or "none of the parts reported here"}.
- Parts in which the mean PD is off by more than chance{f": {off}" if off else ": none of those reported here"}.
- Beyond the range of the data trees go on flat, so an extreme application gets the PD of the nearest seen. Answers name
  such fields in `outside_training_range`.
"""


def monitoring(found: Validation) -> str:
    """What is watched, by the alerts' own rules."""
    if found.triggers is None:
        return (
            f"Training ran without the files of the deployment: the triggers are in {code(str(ALERTS))} of the project."
        )
    rows = [
        [
            code(trigger.alert),
            cell(trigger.summary),
            code(trigger.condition),
            trigger.lasting,
            trigger.labels["severity"],
        ]
        for trigger in found.triggers
    ]
    return f"""
While the model serves, Prometheus compares what it is asked, and what it answers, with the training data's bins in
`training_distribution.json`. These are the alerts of the group {code(GROUP)} in {code(str(ALERTS))}, as they are:

{table(["alert", "says", "where", "for", "severity"], rows, texts=5)}

Each has a runbook in `docs/runbooks`. Besides, by people: as labels come in, default rates by band against the table
above, with the same intervals; this report anew with each model, policy or contract; and whatever an alert brings up.
"""


def _group(group: Approval) -> str:
    under = f", under {FOUR_FIFTHS:g}" if group.ratio.value < FOUR_FIFTHS else ""
    return f"{cell(group.name)}, {group.rows} rows{under}"


def _headline(found: Validation) -> str:
    if len(found.splits) == 1:
        return ""
    return (
        f"The first column is the headline: no two of its folds share a value of {_and(found.headline.kept_together)}."
    )


def _split(split: Split) -> str:
    kept = f"rows equal in {_and(split.kept_together)} together" if split.kept_together else "each row by itself"
    held = [[label, *(estimate(each[name]) for each in split.figures.values())] for name, label in NAMES.items()]
    challengers = split.evaluation.challengers()
    spreads = split.evaluation.model()
    by_fold = [
        [label, spread(spreads[name]), *(spread(each[name]) for each in challengers.values())]
        for name, label in NAMES.items()
    ]
    spreads_table = table(["metric", MODEL, *challengers], by_fold)
    return f"""
### Folds {_title(split)}: {kept}

{table(["metric", *split.figures], held)}

{folded("Standard deviations over the folds", spreads_table)}
"""


def _title(split: Split) -> str:
    if split.name == DISJOINT:
        return f"disjoint in {_and(split.kept_together)}"
    return split.name


def _parting(parting: Parting) -> str:
    return f"### By {cell(parting.title)}\n\n" + table(
        ["part", "rows", "mean PD", "default rate", "note", "ROC AUC", "Brier"], map(_cell, parting.cells)
    )


def _cell(each: Cell) -> list[str]:
    mark = " ".join(word for word, holds in (("off", each.off), ("few", each.few)) if holds)
    return [
        cell(each.name), str(each.rows), number(each.mean_pd), estimate(each.default_rate), mark,
        estimate(each.roc_auc, 3), estimate(each.brier),
    ]  # fmt: skip


def _approvals(by: Approvals) -> str:
    rows = [
        [
            cell(group.name),
            str(group.rows),
            estimate(group.rate, 3),
            estimate(group.ratio, 3),
            "few" if group.few else "",
        ]
        for group in by.groups
    ]
    return table([cell(by.title), "rows", "approval rate", "ratio", "note"], rows)


def _alternatives(models: Sequence[Alternative], search: Search, titles: Sequence[str]) -> str:
    numbers = {id(model): str(i) for i, model in enumerate(search.front, start=1)}
    rows = [
        [cell(model.name), number(model.roc_auc), number(model.brier), percent(model.approved),
         *(number(model.ratios[title], 3) for title in titles), numbers.get(id(model), "")]
        for model in models
    ]  # fmt: skip
    return table(
        ["model", "ROC AUC", "Brier", "approved", *(f"ratio by {cell(title)}" for title in titles), "number"], rows
    )


def _pairs_left(found: Validation, search: Search) -> str:
    fields = len(found.headline.evaluation.importance())
    left = fields * (fields - 1) // 2 - len(search.paired) * (len(search.paired) - 1) // 2
    if not left:
        return ""
    return f" Pairs are of the {len(search.paired)} most important fields; {left} pairs were left out."


def _another(each: Another) -> list[str]:
    return [each.name, number(each.roc_auc), number(each.brier), number(each.change), percent(each.decisions)]


def _and(names: Iterable[str]) -> str:
    return ", ".join(names)


def _bullets(points: Iterable[str]) -> str:
    return "\n".join(f"- {point}" for point in points)


def _paragraphs(texts: Iterable[str]) -> str:
    return "\n\n".join(text.strip() for text in texts)
