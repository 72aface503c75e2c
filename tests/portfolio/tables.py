"""Tables of applications for tests, and what the plain path says of them, row by row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from engine import Engine
from portfolio.assessor import Scored
from preprocessing.application import InvalidApplicationError
from preprocessing.contract import Contract
from serving.http.answers import prediction
from tests.books import Document

OWN = ("decision", "prediction", "probability_of_default", "credit_score", "reasons", "outside_training_range",
       "model_name", "model_version", "policy_version", "reference")  # fmt: skip


def typed(contract: Contract, documents: Sequence[Document]) -> pa.Table:
    """Columns of one type each: what is of another kind is left out."""
    columns = {}
    for field in contract.fields:
        text = field.json_type == "string"
        values = [document.get(field.name) for document in documents]
        kinds: tuple[type, ...] = (str,) if text else (int, float)
        kept = [v if isinstance(v, kinds) and not isinstance(v, bool) and _fits(v) else None for v in values]
        columns[field.name] = pa.array(kept, pa.string()) if text else pa.array(map(_float, kept), pa.float64())
    return pa.table(columns)


def texts(contract: Contract, documents: Sequence[Document]) -> pa.Table:
    """Columns of texts, as CSV has them: of the plain values of JSON."""
    columns = {}
    for field in contract.fields:
        values = [document.get(field.name) for document in documents]
        kept = [str(value) if isinstance(value, str | int | float) else None for value in values]
        columns[field.name] = pa.array(kept, pa.string())
    return pa.table(columns)


def stated(contract: Contract, table: pa.Table, *, text: bool) -> list[Document]:
    """The document that each row is."""
    return [
        {
            name: cell
            for name, value in row.items()
            if (cell := _cell(value, number=text and contract.by_name[name].json_type != "string", text=text))
            is not None
        }
        for row in table.to_pylist()
    ]


def assert_same(engine: Engine, documents: Sequence[Document], scored: Scored, first_row: int = 0) -> None:
    """Every row has the service's answer bit for bit, or its errors by field and kind."""
    good, errors, applications = [], [], []
    for row, document in enumerate(documents, first_row):
        try:
            applications.append(engine.contract.parse(document))
            good.append(row)
        except InvalidApplicationError as exc:
            errors += [(row, error.loc[0], error.type) for error in exc.errors]
    assert errors == [(row["row"], row["field"], row["kind"]) for row in scored.quarantined.to_pylist()]
    assert len({row for row, *_ in errors}) == scored.bad_rows
    assert good == scored.answers.column("row").to_pylist()
    answers = scored.answers.to_pylist()
    for assessment, answer in zip(engine.assess(applications), answers, strict=True):
        expected = prediction(assessment)
        expected["reasons"] = [reason["code"] for reason in expected["reasons"]]
        assert expected == {name: answer[name] for name in OWN if answer.get(name) is not None}
        assert expected["probability_of_default"].hex() == answer["probability_of_default"].hex()


def _fits(value: Any) -> bool:
    return isinstance(value, str) or abs(value) < 1e308


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _cell(value: Any, *, number: bool, text: bool) -> Any:
    if text and value is not None and value.strip().lower() in {"", "na", "nan", "null"}:
        return None
    if number and value is not None:
        try:
            found = float(value)
        except ValueError:
            return value
        return found if math.isfinite(found) else value
    return value
