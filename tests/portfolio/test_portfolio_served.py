"""A portfolio's files beside the answers of real servers: of every book, the same to the last digit."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from pydantic_core import to_json

from preprocessing.contract import Contract, read_contract_file
from preprocessing.fields import AnyField, Integer, Number, Ratio
from tests import expect
from tests.applications import POLICY_FILE
from tests.books import BOOKS, DATA, ROOT, Document, labelled, train_book
from tests.contracts import spoilt
from tests.portfolio.portfolios import MODEL, answers, command, quarantine
from tests.portfolio.tables import stated, typed
from tests.servers import HANG_SECONDS, serving
from training.tables import number, read_table

pytestmark = pytest.mark.slow

ROWS = int(os.environ.get("CREDIT_RISK_TEST_ROWS", "3000"))
REQUEST = 500
SPOILT_EVERY = 25
"""Of what is spoilt, much can still be read."""

SAID = ("decision", "prediction", "credit_score", "outside_training_range", "model_name", "model_version",
        "policy_version")  # fmt: skip


@pytest.mark.parametrize("name", BOOKS)
def test_the_same_as_served(name: str, tmp_path: Path) -> None:
    """Decision, PD by its digits, score, reasons, fields outside the range; each error by row, field and kind."""
    if name == "default":
        model, policy = MODEL, POLICY_FILE
    else:
        book, model = train_book(tmp_path, BOOKS[name], rows=900 if name == "german" else 2500)
        policy = book / "decision_policy.json"
    contract = read_contract_file(model / "contract.json")
    table = typed(contract, list(islice(changed(contract, name), ROWS)))
    pq.write_table(table, tmp_path / "in.parquet")
    process = command(tmp_path / "in.parquet", tmp_path / "out", "--model", str(model), "--policy", str(policy),
                      "--part-rows", str(ROWS // 3), "--quiet")  # fmt: skip
    assert ("", 0) == (process.communicate(timeout=HANG_SECONDS * 4)[1], process.returncode)
    expected, wrong = served(contract, stated(contract, table, text=False), tmp_path, model, policy)

    found = [
        {key: row[key] for key in ("row", *SAID, "reasons")}
        | {"probability_of_default": to_json(row["probability_of_default"]).decode(), "reference": row.get("reference")}
        for row in answers(tmp_path / "out").to_pylist()
    ]
    assert expected == found
    assert wrong == quarantine(tmp_path / "out")
    assert len({row for row, *_ in wrong}) >= ROWS / 100
    assert len({kind for *_, kind in wrong}) >= 3
    assert {"APPROVE", "REJECT"} <= {row["decision"] for row in found}
    assert len({tuple(row["reasons"]) for row in found}) > 5


def served(
    contract: Contract, documents: list[Document], home: Path, model: Path, policy: Path
) -> tuple[list[Document], list[tuple[int, str, str]]]:
    """What a server answers, a few hundred at a time, and what it says is wrong."""
    good: list[Document] = []
    wrong: list[tuple[int, str, str]] = []
    paths = {"CREDIT_RISK_MODEL_PATH": str(model), "CREDIT_RISK_POLICY_PATH": str(policy)}
    (home / "home").mkdir()
    with (
        serving(home / "home", **paths) as server,
        httpx.Client(base_url=server.url, timeout=HANG_SECONDS) as client,
    ):
        for start in range(0, len(documents), REQUEST):
            rows = [as_json(contract, document) for document in documents[start : start + REQUEST]]
            response = client.post("/predict/batch?partial=true", json=rows)
            expect.answer(response)
            for row, said in enumerate(json.loads(response.content, parse_float=str)["results"], start):
                if "errors" in said:
                    wrong += [(row, error["loc"][1], error["type"]) for error in said["errors"]]
                    assert {row - start} == {error["loc"][0] for error in said["errors"]}
                else:
                    good.append(
                        {"row": row, **{key: said[key] for key in (*SAID, "probability_of_default")}}
                        | {"reasons": [reason["code"] for reason in said["reasons"]]}
                        | {"reference": said.get("reference")}
                    )
    return good, wrong


def as_json(contract: Contract, document: Document) -> Document:
    """Whole numbers as such where the contract has them."""
    return {
        name: int(value)
        if isinstance(contract.by_name[name], Integer) and value.is_integer() and abs(value) < 2**53
        else value
        for name, value in document.items()
    }


def changed(contract: Contract, name: str) -> Iterator[Document]:
    """The data's rows, or drawn ones where it isn't here, then the same with changes; every so-manieth spoilt."""
    rng = random.Random(16)
    rows = rows_of(contract, name)
    again = (vary(contract, row, rng) for _ in iter(int, 1) for row in rows)
    for i, row in enumerate(chain(rows[: ROWS // 3], again)):
        named = row | ({contract.reference: f"R-{i}"} if contract.reference else {})
        yield named if i % SPOILT_EVERY else spoilt(named, contract, rng)


def rows_of(contract: Contract, name: str) -> list[Document]:
    """In the order of the file, as the contract's JSON has them."""
    path = ROOT.parent / "shared" / "data" / DATA[name]
    if not path.is_file():
        return [document for document, _ in labelled(contract, min(ROWS, 3000), seed=16)]
    return [
        {
            field.name: str(cell) if field.json_type == "string" else number(cell) if isinstance(cell, str) else cell
            for field in contract.fields
            if (cell := row.cells.get(field.source)) is not None
        }
        for row in read_table(path, contract.file).rows
    ]


def vary(contract: Contract, row: Document, rng: random.Random) -> Document:
    """Another applicant: a few values moved, left out where they may be, or others of the same field."""
    fields = rng.sample(contract.fields, k=rng.randrange(1, 4))
    moved = row | {field.name: another(field, row.get(field.name), rng) for field in fields}
    ratios = [field for field in contract.fields if isinstance(field, Ratio)]
    names = {field.name for field in fields}
    for ratio in ratios:
        if names & {ratio.name, ratio.numerator, ratio.denominator}:
            moved.pop(ratio.name, None)
    return moved


def another(field: AnyField, value: Any, rng: random.Random) -> Any:
    """A value of a field that the contract takes, if the first was one."""
    if field.optional and rng.random() < 0.1:
        return None
    if field.choices:
        return rng.choice(field.choices)
    if not isinstance(field, Number | Integer) or not isinstance(value, int | float) or value in field.codes.values():
        return value
    near = min(max(value * rng.uniform(0.5, 1.6), field.least), field.greatest)
    return round(near) if isinstance(field, Integer) else near
