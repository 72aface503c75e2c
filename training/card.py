"""The model card as a validation report: for whom the model is, how good it is, and what is not known of it.

After Mitchell et al., "Model Cards for Model Reporting", 2019, and what a second line of defence asks: see
`training.report`. A pure function of what was measured, so that equal runs give equal bytes.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable

from preprocessing.contract import Contract
from scoring import MODEL_NAME
from training.book import Notes
from training.data import DataSummary
from training.export import library_versions
from training.plots import (
    ALTERNATIVES_PLOT,
    APPROVALS_PLOT,
    CALIBRATION_PLOT,
    IMPORTANCE_PLOT,
    alternatives_plot,
    approvals_plot,
    calibration_plot,
    importance_plot,
)
from training.report import sections
from training.report.markdown import cell, spread, table
from training.trained import Trained


def model_card(trained: Trained) -> str:
    """The report in Markdown."""
    notes, found = trained.book.notes, trained.validation
    known = notes.sha256 == trained.data.summary.sha256
    noted = dict(notes.sections) if known else {}
    written = {
        "": _head(trained),
        "Summary": sections.summary(found),
        "Intended use": _INTENDED_USE,
        "Limits of use": sections.limits(found),
        "Data": _data(trained.data.summary, trained.data.contract, notes, known=known),
        "Metrics": sections.metrics(found),
        "Calibration in parts": sections.parts(found),
        "Directions": sections.directions(found, dict(trained.data.contract.directions)),
        "Decisions by group": sections.approval(found),
        "Less discriminatory alternatives": sections.alternatives(found),
        "Sensitivity": sections.sensitivity(found),
        "Stability": sections.stability(found),
        "Fields": _fields(trained),
        "What is not known": _NOT_KNOWN,
        "Monitoring": sections.monitoring(found),
        "Change log": "" if "Change log" in noted else _NO_CHANGES,
        "How it was made": _making(trained),
    }
    told = [
        "\n\n".join(part for part in (f"## {title}" if title else "", text.strip(), noted.get(title, "")) if part)
        for title, text in written.items()
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n\n".join(told)) + "\n"


def plots(trained: Trained) -> dict[str, str]:
    """File name to SVG element of every plot that the report shows."""
    found = trained.validation
    head = found.headline.evaluation
    drawn = {
        CALIBRATION_PLOT: calibration_plot(head.labels, head.pd, found.policy),
        IMPORTANCE_PLOT: importance_plot(head.importance()),
    }
    if found.approvals:
        drawn[APPROVALS_PLOT] = approvals_plot(found.approvals)
    if not found.quick:
        drawn[ALTERNATIVES_PLOT] = alternatives_plot(found.search)
    return drawn


def _head(trained: Trained) -> str:
    contract = trained.data.contract
    return f"""
# Model card and validation report: {MODEL_NAME} {trained.version}

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
"""


def _data(summary: DataSummary, contract: Contract, notes: Notes, *, known: bool) -> str:
    source = notes.source if known else "A file of which no notes are held."
    refusals = "".join(f"\n  - {count}: {cell(refusal)}" for refusal, count in summary.refusals.items())
    missing = "; ".join(f"{name} in {count} rows" for name, count in summary.missing.items() if count) or "nothing"
    worst = _and(contract.missing_is_worst)
    own = _and(name for name in contract.scored if name in summary.missing and name not in contract.missing_is_worst)
    return f"""
{source} Its sha256 is `{summary.sha256}`.

- {summary.rows_read} rows were read; {summary.rows_outside_contract} outside the contract were dropped
  (a row may be wrong in several ways){":" if refusals else "."}{refusals}
- {summary.duplicates} exact duplicates were dropped. {summary.rows_used} rows are left;
  {summary.defaults} of them defaulted ({summary.defaults / summary.rows_used:.2%}).
- Missing among them: {missing}.
- To leave out any of these never lowers the PD: {worst or "none"}.
- That one of these is missing is a feature of its own, and the median stands in for a number: {own or "none"}.
"""


def _fields(trained: Trained) -> str:
    contract = trained.data.contract
    rows = [
        [cell(field), spread(each), _and([feature.name for feature in contract.features if feature.field == field])]
        for field, each in trained.validation.headline.evaluation.importance().items()
    ]
    unscored = [
        f"`{field.name}` ({'rules' if field.for_rules else 'reports'})" for field in contract.fields if not field.scored
    ]
    never = f"Never read by the model, since no feature is made of them: {_and(unscored)}." if unscored else ""
    return f"""
Importance is the ROC AUC lost on unseen rows when the field is shuffled among them, all its features together: what the
model leans on, not what causes default. Fields that can stand in for one another may each look less important than
together they are.

{table(["field", "importance", "features"], rows, texts=3)}

![Importance by field]({IMPORTANCE_PLOT})

Lines: one standard deviation over the folds to either side.

{never}
"""


_NOT_KNOWN = """
- How the loans were chosen. If applicants were refused, they are not in the file, and nothing is known of how the model
  judges their like.
- Whether it holds over time: the folds are drawn at random, not by date.
- How it treats groups other than those above: a model that can't see a group may still disadvantage it through fields
  that stand in for it.
"""

_NO_CHANGES = """
None is held. A loan book's folder may tell it in `notes.md`, under this heading.
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
- Same data, versions and date on one machine give the same bytes.
"""


def _choice(trained: Trained) -> str:
    among = trained.among
    if not among:
        return ""
    return (
        f"\n  The number of trees is that of the least log loss over these folds, out of {_and(map(str, among))}:\n"
        "  chosen where it is measured, which flatters the figures by less than they spread."
    )


def _and(names: Iterable[str]) -> str:
    return ", ".join(names)


def _listed(pairs: Iterable[tuple[str, object]], sign: str) -> str:
    return ", ".join(f"{name}{sign}{value}" for name, value in pairs)
