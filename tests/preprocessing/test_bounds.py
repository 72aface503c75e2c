"""Every bound of every loan book's contract: at it an application is read, one step beyond it is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from preprocessing.application import InvalidApplicationError
from preprocessing.contract import CONTRACT_FILE, Contract
from tests.books import BOOKS, EVERY_TYPE, Document, contract_of

DOCUMENTS: dict[str, Document] = {"every type": EVERY_TYPE} | {
    name: json.loads((folder / CONTRACT_FILE).read_text(encoding="utf-8")) for name, folder in BOOKS.items()
}
FIELDS = [(book, field["name"]) for book, document in DOCUMENTS.items() for field in document["fields"]]


def wrong(contract: Contract, **changes: Any) -> list[Any]:
    """The fields that are refused in the contract's example with these changes; ratios are left to be computed."""
    stated = {k: v for k, v in contract.example.items() if k not in {ratio.name for ratio in contract.ratios}}
    try:
        contract.parse(stated | changes)
    except InvalidApplicationError as exc:
        return [error.loc[0] for error in exc.errors]
    return []


def beyond(field: Document, low: float, high: float) -> list[float]:
    """The nearest values outside a range; no state of the field's."""
    steps = (
        (low - 1, high + 1)
        if field["type"] == "integer"
        else (math.nextafter(low, -math.inf), math.nextafter(high, math.inf))
    )
    return [step for step in steps if step not in field.get("codes", {}).values()]


@pytest.mark.parametrize(("book", "name"), FIELDS)
def test_each_field(book: str, name: str) -> None:
    """As its document says, whatever the code makes of it."""
    contract = contract_of(DOCUMENTS[book])
    (field,) = [field for field in DOCUMENTS[book]["fields"] if field["name"] == name]
    if field["type"] in ("number", "integer"):
        ranges = [(field["minimum"], field["maximum"])]
        if plausible := field.get("plausible"):
            ranges.append((plausible["minimum"], plausible["maximum"]))
        inner = ranges[-1]
        taken: list[Any] = [*inner, float(inner[0]), *field.get("codes", {}).values()]
        refused: list[Any] = [value for low, high in ranges for value in beyond(field, low, high)]
        refused += [*field.get("codes", {}), True, str(inner[0])]
    elif field["type"] in ("category", "ordered", "flag"):
        taken = [*field.get("categories", []), *(field[key] for key in ("yes", "no") if key in field)]
        refused = ["no such text", "", 1, True]
    elif field["type"] == "ratio":
        taken, refused = [], [math.nextafter(0, -1), math.nextafter(field["maximum"], math.inf), "1"]
    elif field["type"] == "date":
        taken, refused = ["2024-02-29", "0001-01-01", "9999-12-31"], ["2023-02-29", "2024-1-1", "20240101", 20240101]
    else:
        taken, refused = ["x", "x" * 64, "\u2028"], ["", "x" * 65, "\x1f", "\x7f", "\x9f", 1]
    optional = field.get("nullable") or field["type"] in ("ratio", "reference")
    (taken if optional else refused).append(None)
    assert {repr(value): wrong(contract, **{name: value}) for value in taken} == {repr(value): [] for value in taken}
    assert {repr(v): wrong(contract, **{name: v}) for v in refused} == {repr(v): [name] for v in refused}


@pytest.mark.parametrize("book", [name for name, document in DOCUMENTS.items() if contract_of(document).ratios])
def test_each_ratio(book: str) -> None:
    """As far as its tolerance a stated one may lie off: absolute up to a ratio of 1, relative above."""
    contract = contract_of(DOCUMENTS[book])
    for ratio in contract.ratios:
        above, below = contract.number(ratio.numerator), contract.number(ratio.denominator)
        for exact in (0.5, 1.0, 2.0, 8.0):
            operands = {below.name: 64 * max(1, below.least), above.name: 64 * max(1, below.least) * exact}
            if not above.least <= operands[above.name] <= above.greatest:
                continue
            slack = ratio.tolerance * max(1.0, exact)
            for stated, said in (
                (exact + slack * 0.999999, []), (max(0, exact - slack * 0.999999), []),
                (exact + slack * 1.000001, [ratio.name]), (exact - slack * 1.000001, [ratio.name]),
            ):  # fmt: skip
                assert wrong(contract, **operands, **{ratio.name: stated}) == said
