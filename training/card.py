"""The model card: for whom the model is, how good it is, and what is not known of it.

After Mitchell et al., "Model Cards for Model Reporting", 2019. A pure function of what was measured, so that equal runs
give equal bytes.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence

from scoring.artifact import MODEL_NAME, ReferencePopulation
from training.book import Notes
from training.data import DataSummary
from training.evaluation import FOLDS, SPLIT_SEED, GroupMetrics, Spread, by_group
from training.export import library_versions
from training.fairness import Fairness, GroupApproval
from training.groups import groups_of
from training.metrics import CALIBRATION_BINS, NAMES
from training.plots import CALIBRATION_PLOT, IMPORTANCE_PLOT
from training.trained import Trained


def model_card(trained: Trained) -> str:
    """The card in Markdown."""
    notes = trained.book.notes
    known = notes.sha256 == trained.data.summary.sha256
    noted = dict(notes.sections) if known else {}
    sections = {
        "": _head(trained),
        "Intended use": _INTENDED_USE,
        "Data": _data(trained.data.summary, notes, known=known),
        "Metrics": _metrics(trained),
        "By group": _groups(trained),
        "Decisions by group": _fairness(trained.fairness, trained.reference),
        "Fields": _fields(trained),
        "What is not known": _LIMITS,
        "How it was made": _making(trained),
    }
    written = [
        "\n\n".join(part.strip() for part in (f"## {title}" if title else "", text, noted.get(title, "")) if part)
        for title, text in sections.items()
    ]
    return "\n\n".join(written) + "\n"


def _head(trained: Trained) -> str:
    contract = trained.data.contract
    return f"""
# Model card: {MODEL_NAME} {trained.version}

{trained.created.isoformat()}, for the loan book {contract.name}, contract {contract.version}. A scikit-learn
GradientBoostingClassifier of {trained.trees} trees with {trained.leaves} leaves, fitted on
{trained.data.summary.rows_used} past loans. It takes {len(trained.schema.features)} features, made of
{len(trained.schema.fields)} fields of a loan application, and gives the probability that the loan defaults (PD).
"""


_INTENDED_USE = """
To rank and quantify the risk of loan applications, as one input of a decision policy that a lender writes, owns and
answers for. The model predicts; it does not decide. Before it touches a real applicant, validate it on the lender's own
book, and have it reviewed under the law that applies.

The PD's horizon is that of the label: over which time a loan counts as defaulted is for the contract's owner to say.

Not for: amounts, products or populations unlike the training data; reading its explanations as causes; decisions
without a person to appeal to.
"""


def _data(summary: DataSummary, notes: Notes, *, known: bool) -> str:
    source = notes.source if known else "A file of which no notes are held."
    refusals = "".join(f"\n  - {count}: {refusal}" for refusal, count in summary.refusals.items())
    missing = "; ".join(f"{name} in {count} rows" for name, count in summary.missing.items() if count) or "nothing"
    return f"""
{source} Its sha256 is `{summary.sha256}`.

- {summary.rows_read} rows were read; {summary.rows_outside_contract} outside the contract were dropped
  (a row may be wrong in several ways){":" if refusals else "."}{refusals}
- {summary.duplicates} exact duplicates were dropped. {summary.rows_used} rows are left;
  {summary.defaults} of them defaulted ({summary.defaults / summary.rows_used:.2%}).
- Missing among them: {missing}.
  Medians learned in training stand in for missing numbers, and that a value was missing is a feature of its own.
"""


def _metrics(trained: Trained) -> str:
    model, challengers = trained.evaluation.model(), trained.evaluation.challengers()
    rows = [
        [label, _pm(model[name]), *(_pm(spreads[name]) for spreads in challengers.values())]
        for name, label in NAMES.items()
    ]
    applicant = trained.data.contract.applicant
    grouped = f", grouped by {_and(applicant)}" if applicant else ", each row by itself"
    return f"""
Mean ± standard deviation over the {FOLDS} folds of
`StratifiedGroupKFold({FOLDS}, shuffle=True, random_state={SPLIT_SEED})`{grouped}, with the cleaning constants learned
inside each fold. What it is compared with was fitted on the same features and folds. ECE is over {CALIBRATION_BINS}
bins of equal mass, and above 0 by chance alone.

{_table(["", "model", *challengers], rows)}

The folds differ by more than most choices of parameters do: read the spread before the mean.

![Default rate against mean PD]({CALIBRATION_PLOT})
"""


def _groups(trained: Trained) -> str:
    tables = [
        _group_table(groups.title, by_group(trained.data, trained.evaluation.pd, groups))
        for groups in groups_of(trained.data.contract)
    ]
    return "\n\n".join(
        [
            """
From the out-of-fold PDs of all folds together. Where default rate and mean PD differ, the model is off for that group;
in small groups chance alone makes them differ. Approval rates depend on the policy: see below.
""".strip(),
            *(tables or ["The contract names no groups to report by."]),
        ]
    )


def _fairness(fairness: Fairness, reference: ReferencePopulation) -> str:
    tables = "\n\n".join(_approval_table(kind, groups) for kind, groups in fairness.approvals.items())
    return f"""
Approval without conditions under policy {fairness.policy_version}, from the out-of-fold PDs; ratios are to the largest
group's rate.

{tables}

Reasons compare an applicant with the {reference.size} training applicants that policy {reference.policy_version}
approves with a PD from {reference.pd_from:g} to below {reference.pd_below:g} (mean log-odds
{reference.base_value:.4f}).
"""


def _approval_table(kind: str, groups: Sequence[GroupApproval]) -> str:
    rows = [
        f"| {group.name} | {group.rows} | {group.approval_rate:.3f} | {group.ratio:.3f} |"
        for group in groups
        if group.approval_rate is not None and group.ratio is not None
    ]
    return "\n".join([f"| {kind} | rows | approval rate | ratio |", "|---|---|---|---|", *rows])


def _group_table(kind: str, groups: Sequence[GroupMetrics]) -> str:
    header = [kind, "applications", "default rate", "mean PD", "ROC AUC", "Brier"]
    return _table(
        header,
        [
            [
                group.name,
                str(group.rows),
                f"{group.default_rate:.4f}",
                f"{group.mean_pd:.4f}",
                "one label only" if group.roc_auc is None else f"{group.roc_auc:.4f}",
                f"{group.brier:.4f}",
            ]
            for group in groups
        ],
    )


def _fields(trained: Trained) -> str:
    contract = trained.data.contract
    rows = [
        [field, _pm(spread), _and([feature.name for feature in contract.features if feature.field == field])]
        for field, spread in trained.evaluation.importance().items()
    ]
    unscored = [
        f"`{field.name}` ({'rules' if field.for_rules else 'reports'})" for field in contract.fields if not field.scored
    ]
    never = f"Never read by the model, since no feature is made of them: {_and(unscored)}." if unscored else ""
    return f"""
Importance is the ROC AUC lost on unseen rows when the field is shuffled among them, all its features together: what the
model leans on, not what causes default. Fields that can stand in for one another may each look less important than
together they are.

{_table(["field", "importance", "features"], rows)}

![Importance by field]({IMPORTANCE_PLOT})

{never}
"""


_LIMITS = """
- How the loans were chosen. If applicants were refused, they are not in the file, and nothing is known of how the model
  judges their like.
- Whether it holds over time: the folds are drawn at random, not by date.
- How it treats groups other than those above: a model that can't see a group may still disadvantage it through fields
  that stand in for it.
- How good it is where rows are few. Beyond the range of the data trees go on flat, so an extreme application gets the
  PD of the nearest seen.
"""


def _making(trained: Trained) -> str:
    parameters = {**dict(sorted(trained.recipe.parameters.items())), "random_state": trained.recipe.seed}
    return f"""
```
python -m training --book FOLDER --data FILE --out FOLDER \\
    --date {trained.created.isoformat()} --version {trained.version}
```

- Parameters: {_listed(parameters.items(), "=")}.{_choice(trained)}
  The seed was set before any result was seen.
- Python {platform.python_version()}, {_listed(library_versions().items(), " ")}.
- Same data, versions and date on one machine give the same bytes, the two plots aside.
"""


def _choice(trained: Trained) -> str:
    among = trained.among
    if not among:
        return ""
    return (
        f"\n  The number of trees is that of the least log loss over these folds, out of {_and(map(str, among))}:\n"
        "  chosen where it is measured, which flatters the figures by less than they spread."
    )


def _pm(spread: Spread) -> str:
    return f"{spread.mean:.4f} ± {spread.sd:.4f}"


def _and(names: Iterable[str]) -> str:
    return ", ".join(names)


def _listed(pairs: Iterable[tuple[str, object]], sign: str) -> str:
    return ", ".join(f"{name}{sign}{value}" for name, value in pairs)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
