"""The files of a drafted folder. Nothing in them is a row: numbers are quantiles of two digits, texts categories."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from preprocessing.contract import DataFile
from training.drafting import signs
from training.drafting.fields import Document, Drafted, rounded
from training.tables import Cell

_WIDTH = 100
_VERSION = "1.0.0"
_QUARTILES = {"the lower quartiles": 0.25, "the medians": 0.5, "the upper quartiles": 0.75}
_SCALE = {"base_score": 600, "base_odds": 30, "points_to_double_odds": 20, "minimum": 300, "maximum": 850}


def contract(  # noqa: PLR0913, PLR0917  # what a file says of itself, and what was found in it
    name: str,
    written: DataFile,
    label: str,
    defaulted: Sequence[Cell],
    repaid: Sequence[Cell],
    drafted: Sequence[Drafted],
) -> Document:
    """The contract."""
    amounts = [d.field for d in drafted if d.field and signs.is_amount(d.column) and _may_be_amount(d.field)]
    ages = [d.field for d in drafted if d.field and signs.is_age(d.column) and d.field["type"] in ("number", "integer")]
    fields = [drafted.field for drafted in drafted if drafted.field is not None]
    if all(field["type"] != "reference" and field["name"] != "reference" for field in fields):
        fields.append(
            {"name": "reference", "type": "reference", "description": "The sender's own id, given back as sent."}
        )
    asked = [
        "label: which loans count as defaulted, over which time, and are all other values repaid?",
        (
            f"amount: is {amounts[0]['name']} the amount asked for?"
            if len(amounts) == 1
            else "amount: name the field that holds the amount asked for, if there is one"
        ),
        "applicant: name the fields that tell one applicant from another; the report counts rows that look alike",
        "direction: say of each number which way the risk goes as it rises, or that nothing is known",
        "thresholds: decision_policy.json takes them from the file's default rate; set the lender's own, and its rules",
        "texts: reason_codes.json repeats names of columns; write what an applicant is told",
    ]
    said = written.model_dump(exclude_defaults=True)
    return {
        "format": 1,
        "name": name,
        "version": _VERSION,
        "decide": asked,
        **({"file": said} if said else {}),
        "label": {"column": label, "defaulted": list(defaulted), "repaid": list(repaid)},
        **({"amount": amounts[0]["name"]} if len(amounts) == 1 else {}),
        **({"age": ages[0]["name"]} if len(ages) == 1 else {}),
        "groups": [group for field in fields if (group := _group(field, ages)) is not None],
        "fields": fields,
    }


def _may_be_amount(field: Mapping[str, Any]) -> bool:
    return field["type"] in ("number", "integer") and not field.keys() & {"nullable", "codes", "use"}


def _group(field: Mapping[str, Any], ages: Sequence[Document]) -> Document | None:
    if field.get("use") != "reports":
        return None
    if field in ages:
        return {"field": field["name"], "title": "age", "below": [25, 40, 62]}
    if field["type"] in ("category", "flag"):
        return {"field": field["name"], "title": field["name"].replace("_", " ")}
    return None


def decided(document: Document) -> Document:
    """The contract as it would be once every question is settled."""
    fields = [{key: value for key, value in field.items() if key != "decide"} for field in document["fields"]]
    return {key: value for key, value in document.items() if key != "decide"} | {"fields": fields}


def catalogue(fields: Sequence[Document]) -> Document:
    """A reason for each scored field, whose text is its name, and for a category the category too."""
    reasons = []
    for field in fields:
        if field["type"] in ("date", "reference") or field.get("use") == "reports":
            continue
        text = field["name"].replace("_", " ").capitalize()
        reason: Document = {
            "code": field["name"].upper(),
            "field": field["name"],
            "scores": [field["name"]],
            "text": text,
        }
        if field.get("nullable"):
            reason["text_if_missing"] = f"{text} not stated"
        if choices := field.get("categories") or [field[key] for key in ("yes", "no") if key in field]:
            reason["text_by_value"] = {choice: f"{text}: {choice}" for choice in choices}
        reasons.append(reason)
    return {"format": 1, "version": _VERSION, "reasons": reasons}


def policy(fields: Sequence[Document], default_rate: float, today: str) -> Document:
    """Two thresholds about the default rate, and no rule."""
    approve = min(max(round(0.6 * default_rate, 2), 0.01), 0.9)
    reject = min(max(round(1.2 * default_rate, 2), approve), 0.95)
    known = [f for f in fields if f.get("use") != "reports" and f["type"] not in ("date", "reference")]
    example = {field["name"]: field["example"] for field in known}
    cases = [
        ("just under the approval threshold", approve - 0.001, "APPROVE"),
        ("at the approval threshold", approve, "CONDITIONAL_APPROVAL" if approve < reject else "REJECT"),
        ("at the reject threshold", reject, "REJECT"),
    ]
    return {
        "format": 1,
        "version": _VERSION,
        "effective_date": today,
        "reason_catalogue": _VERSION,
        "thresholds": {"approve_below": approve, "reject_from": reject},
        "score": _SCALE,
        "rules": [],
        "examples": [
            {"name": name, "fields": example, "probability_of_default": round(pd, 4), "expected": expected}
            for name, pd, expected in cases
        ],
    }


def golden(drafted: Sequence[Drafted]) -> Document:
    """Applications made of quantiles and most frequent categories, of states, and without what may be left out."""
    fields = [(d.column, d.field) for d in drafted if d.field is not None and d.field["type"] != "reference"]
    typical = {field["name"]: field["example"] for _, field in fields}
    applications = {}
    for name, share in _QUARTILES.items():
        numbers = {
            field["name"]: rounded(column.quantile(share), field) for column, field in fields if "minimum" in field
        }
        applications[name] = typical | numbers
    states = {field["name"]: next(iter(field["codes"].values())) for _, field in fields if field.get("codes")}
    if states:
        applications["every special code"] = typical | states
    if any(field.get("nullable") for _, field in fields):
        required = {field["name"] for _, field in fields if not field.get("nullable")}
        applications["all that may be left out left out"] = {k: v for k, v in typical.items() if k in required}
    return {"applications": [{"name": name, "application": document} for name, document in applications.items()]}


def written(document: Any, indent: int = 0) -> str:
    """JSON that a person can edit: what fits on one line stands on one."""
    flat = json.dumps(document, ensure_ascii=False)
    if len(flat) + indent <= _WIDTH or not isinstance(document, dict | list) or not document:
        return flat
    pad = " " * (indent + 2)
    if isinstance(document, dict):
        parts = [
            f"{json.dumps(key, ensure_ascii=False)}: {written(value, indent + 2)}" for key, value in document.items()
        ]
    else:
        parts = [written(value, indent + 2) for value in document]
    opening, closing = "{}" if isinstance(document, dict) else "[]"
    body = f",\n{pad}".join(parts)
    return f"{opening}\n{pad}{body}\n{' ' * indent}{closing}"
