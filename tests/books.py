"""Loan books for tests: an invented one with a field of every type, and applications drawn from any contract.

Nothing is taken from any data: values are drawn from the ranges, categories and codes that a contract states.
"""

from __future__ import annotations

import csv
import io
import json
import math
import random
import shutil
from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from preprocessing.contract import Contract, read_contract
from preprocessing.fields import AnyField, Category, Date, Flag, Integer, Number, Ordered, Ratio, Reference

ROOT = Path(__file__).parents[1]
BOOKS = {
    "default": ROOT / "artifacts" / "policy",
    **{name: ROOT / "artifacts" / "books" / name for name in ("german", "heloc", "hmeq")},
}
DATA = {
    "default": "credit_risk_dataset.csv",
    "german": "german.data",
    "heloc": "heloc_dataset_v1.csv",
    "hmeq": "hmeq.csv",
}
"""The books that the project holds, and the files they were written for, which it does not hold."""

REAL = ROOT.parent / "shared" / "data"
"""Where those lie, on a machine that has them."""

Document = dict[str, Any]

EVERY_TYPE: Document = {
    "format": 1,
    "name": "boat_loans",
    "version": "2.1.0",
    "file": {"delimiter": ";"},
    "label": {"column": "Ausgang", "defaulted": ["lost", "late"], "repaid": ["paid"]},
    "amount": "price",
    "age": "age",
    "applicant": ["applicant_number"],
    "groups": [{"field": "age", "title": "age", "below": [30, 62]}, {"field": "hull", "title": "hull"}],
    "fields": [
        {"name": "price", "column": "Kaufpreis (€)", "type": "number", "description": "Amount asked for.",
         "unit": "EUR", "minimum": 100, "maximum": 1e7,
         "plausible": {"minimum": 500, "maximum": 5e6, "remedy": "euros"},
         "direction": "rises", "actionable": "change", "example": 25000},
        {"name": "savings", "type": "number", "description": "Savings.", "minimum": 1, "maximum": 1e7, "nullable": True,
         "codes": {"none": 0, "abroad": -1}, "direction": "falls", "actionable": "change", "example": 8000},
        {"name": "price_to_savings", "type": "ratio", "description": "price / savings.", "numerator": "price",
         "denominator": "savings", "maximum": 1e7, "direction": "rises"},
        {"name": "berths", "type": "integer", "description": "Berths.", "minimum": 0, "maximum": 40,
         "codes": {"unknown": 99}, "example": 4},
        {"name": "hull", "column": "Rumpf", "type": "category", "description": "Made of what.", "nullable": True,
         "categories": ["wood", "steel", "it's \"GRP\" {0}", "Größe\\n1", "a['b'] or __import__", "other"],
         "example": "steel"},
        {"name": "condition", "type": "ordered", "description": "By the surveyor, best first.", "nullable": True,
         "categories": ["1", "2", "3", "wreck"], "direction": "rises", "actionable": "state", "example": "2"},
        {"name": "moored", "type": "flag", "description": "Has a mooring.", "yes": "ja", "no": "nein",
         "direction": "falls", "actionable": "change", "example": "ja"},
        {"name": "surveyed", "type": "date", "description": "Day of the survey.", "example": "2024-05-17"},
        {"name": "age", "type": "integer", "description": "Age in years.", "minimum": 0, "maximum": 120, "use": "rules",
         "example": 41},
        {"name": "language", "type": "category", "description": "For reports only.",
         "categories": ["de", "dk", "other"], "use": "reports", "nullable": True, "example": "de"},
        {"name": "applicant_number", "type": "integer", "description": "Who.", "minimum": 0, "maximum": 1e6,
         "use": "reports", "example": 17},
        {"name": "reference", "type": "reference", "description": "Given back as sent."},
    ],
}  # fmt: skip
"""A contract with a field of every type and use, and with texts that would be code if anybody let them."""


def contract_of(document: Mapping[str, Any]) -> Contract:
    """A contract from its document, as from a file."""
    return read_contract(json.dumps(document).encode())


def edited(document: Document = EVERY_TYPE, **fields: Mapping[str, Any] | None) -> Document:
    """A copy, with keys of the named fields changed, or the fields removed where that is None."""
    copy = deepcopy(document)
    for name, changes in fields.items():
        field = next(field for field in copy["fields"] if field["name"] == name)
        if changes is None:
            copy["fields"].remove(field)
        else:
            field.update(changes)
    return copy


def documents(contract: Contract, n: int, seed: int) -> list[Document]:
    """`n` valid, JSON-ready applications with values all over the contract; fewer are the beginning of the same."""
    rng = random.Random(seed)
    return [_document(rng, contract) for _ in range(n)]


def _document(rng: random.Random, contract: Contract) -> Document:
    document: Document = {}
    for field in contract.fields:
        value = _ratio(rng, field, document) if isinstance(field, Ratio) else _value(rng, field)
        if (field.nullable or isinstance(field, Ratio)) and rng.random() < 0.1:
            value = None
        if value is not None or rng.random() < 0.5:
            document[field.name] = value
    required = [field.name for field in contract.fields if not field.nullable and not isinstance(field, Ratio)]
    assert all(document.get(name) is not None for name in required)
    return document


def _value(rng: random.Random, field: AnyField) -> Any:
    if isinstance(field, Number | Integer):
        return _number(rng, field)
    if isinstance(field, Category | Ordered | Flag):
        return rng.choice(field.choices)
    if isinstance(field, Date):
        return (date(2015, 1, 1) + timedelta(days=rng.randrange(3650))).isoformat()
    assert isinstance(field, Reference)
    return f"R-{rng.randrange(10**9)}"


def _number(rng: random.Random, field: Number | Integer) -> float:
    if field.codes and rng.random() < 0.15:
        return _plain(rng.choice(list(field.codes.values())))
    low, high = field.minimum, field.maximum
    if field.plausible is not None:
        low, high = field.plausible.minimum, field.plausible.maximum
    if low >= 0 and high > 1000 * max(1.0, low):  # sums of money are nowhere near their bounds
        value = math.exp(rng.uniform(math.log(max(low, high / 1e5)), math.log(high / 10)))
    else:
        value = rng.triangular(low, high, low + (high - low) / 3)
    value = float(round(value)) if isinstance(field, Integer) or rng.random() < 0.5 else round(value, 2)
    return _plain(min(max(value, low), high))


def _plain(value: float) -> float:
    return int(value) if float(value).is_integer() else value


def _ratio(rng: random.Random, field: Ratio, document: Document) -> float | None:
    above, below = document.get(field.numerator), document.get(field.denominator)
    # A state's code is no number to divide by.
    if above is None or below is None or below <= 0 or above < 0 or rng.random() < 0.5:
        return None
    exact = above / below
    return min(round(exact, 2) if rng.random() < 0.5 else exact, field.maximum)


def risk(contract: Contract, document: Document) -> float:
    """An invented probability of default: from every scored field a little, missing values and states among them."""
    application = contract.parse(document)
    total, weights = 0.0, 0.0
    for i, name in enumerate(contract.scored):
        field, value = contract.by_name[name], application[name]
        sign = -1 if field.direction == "falls" or (field.direction is None and i % 2) else 1
        total += sign * (_place(field, value) - 0.5)
        weights += 0.08
    return 1 / (1 + math.exp(0.7 - 2.5 * total / math.sqrt(weights)))


def _place(field: AnyField, value: Any) -> float:
    if value is None or (isinstance(value, str) and isinstance(field, Number | Integer | Ratio)):
        return 0.8
    if isinstance(field, Category | Ordered | Flag):
        choices = field.choices
        return choices.index(value) / max(1, len(choices) - 1)
    if isinstance(field, Ratio):
        return value / (1 + value)
    assert isinstance(field, Number | Integer)
    if field.minimum >= 0 and field.maximum > 1000:
        return math.log1p(value) / math.log1p(field.maximum)
    return (value - field.minimum) / (field.maximum - field.minimum)


def labelled(contract: Contract, n: int, seed: int) -> list[tuple[Document, Any]]:
    """`n` applications, each with a value of the label drawn by its risk."""
    rng = random.Random(seed)
    made = documents(contract, n, seed)
    return [
        (d, rng.choice(contract.label.defaulted if rng.random() < risk(contract, d) else contract.label.repaid))
        for d in made
    ]


def table(contract: Contract, rows: Sequence[tuple[Document, Any]]) -> tuple[list[str], list[list[Any]]]:
    """Column names and cells as the contract's training file has them, None where nothing is."""
    sources = {field.source: field.name for field in contract.fields}
    columns = [*sources, contract.label.column]
    if not contract.file.header:
        columns = [f"column_{i + 1}" for i in range(max(int(name.removeprefix("column_")) for name in columns
                                                         if name.startswith("column_")))]  # fmt: skip
    cells = [
        [label if column == contract.label.column else document.get(sources.get(column, "")) for column in columns]
        for document, label in rows
    ]
    return columns, cells


def csv_bytes(contract: Contract, rows: Sequence[tuple[Document, Any]]) -> bytes:
    """The rows as the contract's training file is written."""
    columns, cells = table(contract, rows)
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=contract.file.delimiter, lineterminator="\n")
    writer.writerows([columns, *cells] if contract.file.header else cells)
    return text.getvalue().encode(contract.file.encoding)


def write_book(folder: Path, document: Document = EVERY_TYPE, *, recipe: Document | None = None) -> Contract:
    """Write a whole book's folder for any contract: a policy with a rule, a reason for each field, golden applications.

    The recipe is a quick one unless given.
    """
    contract = contract_of(document)
    ruled = {f.name for f in contract.fields if f.for_rules}
    cases = [{k: v for k, v in case.items() if k in ruled} for case in documents(contract, 5, seed=5)]
    whole = dict.fromkeys(sorted(ruled))
    rule = _rule(contract)
    example = {**whole, **{k: v for k, v in contract.example.items() if k in ruled}}
    files: dict[str, Any] = {
        "contract.json": document,
        "reason_codes.json": {
            "format": 1,
            "version": "1.0.0",
            "reasons": [
                {"code": name.upper(), "field": name, "scores": [name], "text": f"About {name}",
                 "text_if_missing": f"No {name}",
                 "text_by_value": {choice: f"{name}: {choice}" for choice in contract.by_name[name].choices}}
                for name in contract.scored
            ],
        },
        "decision_policy.json": {
            "format": 1,
            "version": "1.0.0",
            "effective_date": "2026-01-01",
            "reason_catalogue": "1.0.0",
            "thresholds": {"approve_below": 0.3, "reject_from": 0.5},
            "score": {"base_score": 600, "base_odds": 30, "points_to_double_odds": 20, "minimum": 300, "maximum": 850},
            "rules": [rule],
            "examples": [
                {"name": "low", "fields": example, "probability_of_default": 0.1, "expected": "APPROVE"},
                {"name": "high", "fields": example, "probability_of_default": 0.9, "expected": "REJECT"},
            ],
        },
        "golden_applications.json": {
            "applications": [{"name": f"case {i}", "application": case}
                             for i, case in enumerate(documents(contract, len(cases), seed=5))]
        },
        "recipe.json": recipe
        or {"format": 1, "n_estimators": 40, "learning_rate": 0.2, "max_depth": 3, "min_samples_leaf": 10},
    }  # fmt: skip
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=1), encoding="utf-8")
    return contract


def _rule(contract: Contract) -> Document:
    """A rule about the first scored number: one of its states where it has any, else its worse end."""
    fields = [f for f in contract.fields if f.scored and isinstance(f, Number | Integer)]
    field = next((f for f in fields if f.codes), fields[0])
    worst = field.minimum if field.direction == "falls" else field.maximum
    condition = {"field": field.name, "op": "==", "value": next(iter(field.codes), worst)}
    return {
        "id": "by_rule",
        "description": "A rule.",
        "conditions": [condition],
        "outcome": "CONDITIONAL_APPROVAL",
        "reason": field.name.upper(),
    }


def train_book(root: Path, source: Document | Path = EVERY_TYPE, rows: int = 900) -> tuple[Path, Path]:
    """A small model of drawn rows, of an invented book or of one that is copied.

    Returns:
        Folders of the book and of the model, in `root`.
    """
    book, data, model = root / "book", root / "loans.csv", root / "model"
    recipe = {"format": 1, "n_estimators": 40, "learning_rate": 0.2, "max_depth": 3, "min_samples_leaf": 10}
    if isinstance(source, Path):
        shutil.copytree(source, book)
        (book / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    else:
        write_book(book, source, recipe=recipe)
    contract = read_contract((book / "contract.json").read_bytes())
    data.write_bytes(csv_bytes(contract, labelled(contract, rows, seed=9)))
    from training.__main__ import main  # noqa: PLC0415  # the image, in which most of this is used, lacks what it needs

    assert main(["--book", str(book), "--data", str(data), "--out", str(model), "--quick"]) == 0
    return book, model
