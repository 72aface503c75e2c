"""The model card: for whom the model is, how good it is, and what is not known of it.

After Mitchell et al., "Model Cards for Model Reporting", 2019. A pure function of what was measured, so that equal runs
give equal bytes.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence

from preprocessing.features import FEATURES, FeatureSchema
from scoring.artifact import ReferencePopulation
from training.data import KNOWN_NAME, DataSummary, TrainingData
from training.evaluation import FOLDS, SPLIT_SEED, Evaluation, GroupMetrics, Spread, by_group
from training.export import MODEL_NAME, library_versions
from training.fairness import Fairness, GroupApproval
from training.groups import GROUPINGS
from training.metrics import CALIBRATION_BINS, NAMES
from training.plots import CALIBRATION_PLOT, IMPORTANCE_PLOT
from training.recipe import PARAMETERS
from training.trained import Trained


def model_card(trained: Trained) -> str:
    """The card in Markdown."""
    sections = [
        _head(trained),
        _INTENDED_USE,
        _data(trained.data.summary),
        _metrics(trained.evaluation),
        _groups(trained.data, trained.evaluation),
        _fairness(trained.fairness, trained.reference),
        _fields(trained.schema, trained.evaluation),
        _LIMITS,
        _making(trained),
    ]
    return "\n\n".join(section.strip() for section in sections) + "\n"


def _head(trained: Trained) -> str:
    return f"""
# Model card: {MODEL_NAME} {trained.version}

{trained.created.isoformat()}. A scikit-learn GradientBoostingClassifier of {trained.trees} trees with {trained.leaves}
leaves, fitted on {trained.data.summary.rows_used} past loans. It takes {len(trained.schema.features)} features, made of
{len(trained.schema.fields)} fields of a loan application, and gives the probability that the loan defaults (PD).
"""


_INTENDED_USE = """
## Intended use

To rank and quantify the risk of consumer loan applications whose grade the lender has already set, as one input of a
decision policy that a lender writes, owns and answers for. The model predicts; it does not decide. It is a working
example of such a model, trained on public data of unknown origin: before it touches a real applicant, retrain it on the
lender's own book, validate it there, and have it reviewed under the law that applies.

The data does not say over which time a loan counts as defaulted, so the PD has no stated horizon. A lender whose grade
is an input must tell applicants what lies behind the grade, not only the grade itself.

Not for: amounts, products or populations unlike the training data; setting interest rates, since the rate is one of its
inputs; reading its explanations as causes; decisions without a person to appeal to.
"""

_MEASURED_ON_THE_PUBLIC_FILE = """
What was measured on the public file:

- 6,360 rows share income, amount, rate, grade, employment length and home ownership with another row (365 would by
  chance), and their labels agree in 99.4% of cases. They leak across a random split (+.002 to +.004 AUC), so the folds
  here keep rows of the same age, income, amount and employment length together. Folds that keep equal incomes together
  are harsher still (AUC .926 to .929): part of the figures below is recognition.
- Impossible values occur: ages of 123 and 144, an employment length of 123 years (all refused by the contract), and
  employment longer than age less 16 in 740 rows (kept).
- The stated loan_percent_income equals amount / income, rounded to two places, in 96.9% of rows and is at most .093 off
  in the others. The model computes the ratio from amount and income and never reads the stated one.
- Labels look partly rule-made: all 2,340 tenants with a loan_percent_income above .30 defaulted, and all 2,301 owners
  with an income of 20,000 or more and a grade of A to D repaid (each row counted once). **Do not take the AUC on this
  file for skill in judging credit.**
"""


def _data(summary: DataSummary) -> str:
    source = (
        f'`{KNOWN_NAME}`, the public "Credit Risk Dataset" (Kaggle, laotse/credit-risk-dataset).'
        if summary.is_known
        else "**A file other than the public one that this project was measured on: what is said below of the public "
        "file may not hold for it.**"
    )
    reasons = "".join(f"\n  - {count}: {reason}" for reason, count in summary.reasons.items())
    missing = "; ".join(f"{name} in {count} rows" for name, count in summary.missing.items() if count) or "nothing"
    return f"""
## Data

{source} Its sha256 is `{summary.sha256}`.
The licence of the public file could not be confirmed: check it before you use the file, or the model beyond a trial.

- {summary.rows_read} rows were read; {summary.rows_outside_contract} outside the application contract were dropped
  (a row may be wrong in several ways){":" if reasons else "."}{reasons}
- {summary.duplicates} exact duplicates were dropped. {summary.rows_used} rows are left;
  {summary.defaults} of them defaulted ({summary.defaults / summary.rows_used:.2%}).
- Missing among them: {missing}.
  Medians learned in training stand in for what is missing, and that it was missing is a feature of its own.

{_MEASURED_ON_THE_PUBLIC_FILE.strip()}
"""


def _metrics(evaluation: Evaluation) -> str:
    model, baseline = evaluation.model(), evaluation.baseline()
    rows = [[label, _pm(model[name]), _pm(baseline[name])] for name, label in NAMES.items()]
    return f"""
## Metrics

Mean ± standard deviation over the {FOLDS} folds of
`StratifiedGroupKFold({FOLDS}, shuffle=True, random_state={SPLIT_SEED})`, grouped by age, income, amount and employment
length, with the cleaning constants learned inside each fold. The baseline is a logistic regression on the same
features, standardised, on the same folds. ECE is over {CALIBRATION_BINS} bins of equal mass; by chance alone a
perfectly calibrated model has .006 on a fold of 6,500 rows.

{_table(["", "model", "logistic regression"], rows)}

The folds differ by more than most choices of parameters do: read the spread before the mean.

![Default rate against mean PD]({CALIBRATION_PLOT})
"""


def _groups(data: TrainingData, evaluation: Evaluation) -> str:
    ages, homes = (by_group(data, evaluation.pd, *grouping) for grouping in GROUPINGS.values())
    return f"""
## By group

From the out-of-fold PDs of all folds together. Where default rate and mean PD differ, the model is off for that group;
in small groups chance alone makes them differ. Approval rates depend on the policy: see below.

{_group_table("age", ages)}

{_group_table("home ownership", homes)}
"""


def _fairness(fairness: Fairness, reference: ReferencePopulation) -> str:
    sweep = fairness.age_sweep
    moved = "nothing moved" if sweep.largest_change == 0 else f"a PD moved by up to {sweep.largest_change:.3g}"
    tables = "\n\n".join(_approval_table(kind, groups) for kind, groups in fairness.approvals.items())
    return f"""
## Decisions by group

{sweep.applications} applications were scored at each of {sweep.ages} ages from 18 to 100, all else held: {moved}.

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


def _fields(schema: FeatureSchema, evaluation: Evaluation) -> str:
    rows = []
    for field, spread in evaluation.importance().items():
        features = [name for name in schema.features if FEATURES[name].field == field]
        rows.append([field, _pm(spread), ", ".join(features)])
    return f"""
## Fields

Importance is the ROC AUC lost on unseen rows when the field is shuffled among them, all its features together: what the
model leans on, not what causes default. Amount, income and their ratio can stand in for one another, so that each may
look less important than the three together are.

{_table(["field", "importance", "features"], rows)}

![Importance by field]({IMPORTANCE_PLOT})

- `person_age` is never read: no feature is made of it, so that it can't count for or against anyone.
- `cb_person_cred_hist_length` is left out as a proxy of age. Measured on the public file, leaving it out costs nothing
  that can be told from chance (AUC .9483 against .9484) and brings the rank correlation of the PD with age from -.047
  to -.028.
- `loan_grade` and `loan_int_rate` are the lender's own judgement, set after underwriting. They do not leak the outcome,
  but using them is circular: the model partly repeats what somebody had already decided (without both, the AUC falls
  to .906).
- How round an income is would lift the AUC to .954. It is an artefact of the data, could be gamed, and is no reason
  that could be told to an applicant. It is not used.
"""


_LIMITS = """
## What is not known

- Where the data comes from: which lender, country, currency and years, and what counts as default after how long.
- How the loans were chosen. If applicants were refused, they are not in the file, and nothing is known of how the model
  judges their like.
- Whether it holds over time: the file has no dates, so no test on later loans was possible.
- How it treats groups other than those above. The file names no sex, origin, disability or family status, and a model
  that can't see them may still disadvantage them through fields that stand in for them.
- How good it is where rows are few: applicants of 60 and over, grades F and G, home ownership OTHER. Beyond the range
  of the data trees go on flat, so an extreme application gets the PD of the nearest seen.
- How far the figures would fall on labels that no rule had a hand in.
"""


def _making(trained: Trained) -> str:
    file = KNOWN_NAME if trained.data.summary.is_known else "DATA.csv"
    used = trained.model.get_params()
    parameters = {name: used[name] for name in (*sorted(PARAMETERS), "random_state")}
    return f"""
## How it was made

```
python -m training --data {file} --policy artifacts/policy/decision_policy.json \\
    --date {trained.created.isoformat()} --version {trained.version}
```

- Parameters: {_listed(parameters.items(), "=")}.
  The seed was set before any result was seen; seeds move the AUC by .001.
- Python {platform.python_version()}, {_listed(library_versions().items(), " ")}.
- Same data, versions and date on one machine give the same bytes, the two plots aside.
"""


def _pm(spread: Spread) -> str:
    return f"{spread.mean:.4f} ± {spread.sd:.4f}"


def _listed(pairs: Iterable[tuple[str, object]], sign: str) -> str:
    return ", ".join(f"{name}{sign}{value}" for name, value in pairs)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
