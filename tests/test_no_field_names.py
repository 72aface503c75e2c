"""A loan book is data: no code of the product names a field of one."""

from __future__ import annotations

import re
import tokenize
from pathlib import Path

import pytest

from preprocessing.contract import read_contract
from preprocessing.fields import Reference
from tests.servers import ROOT

FIELDS = [
    field
    for path in sorted((ROOT / "artifacts").rglob("contract.json"))
    for field in read_contract(path.read_bytes()).fields
    if not isinstance(field, Reference)
]
NAMES = {
    name
    for field in FIELDS
    for name in (field.name, field.source)
    if "_" in name and not re.fullmatch(r"column_\d+", name)
}
"""Of all books here, but for ordinary words, as `age` and `loan` are found in any sentence about credit, and for what
the columns of a file without a header are called."""

PRODUCT = [
    *(ROOT / name for name in ("service.py", "import_model.py")),
    *(
        path
        for package in (
            "preprocessing",
            "scoring",
            "decision",
            "engine",
            "reporting",
            "records",
            "portfolio",
            "serving",
            "desk",
            "training",
        )
        for path in sorted((ROOT / package).rglob("*.py"))
    ),
]


def named(path: Path) -> list[str]:
    """Where a file has a field's name in it: in code, text, docstring or comment."""
    with tokenize.open(path) as file:
        return [
            f"{token.start[0]}: {name}"
            for token in tokenize.generate_tokens(file.readline)
            for name in sorted(NAMES.intersection(re.findall(r"\w+", token.string)))
        ]


def test_there_is_something_to_look_for() -> None:
    assert {"loan_amnt", "cb_person_default_on_file"} <= NAMES
    assert len(PRODUCT) > 60


@pytest.mark.parametrize("text", ['a["loan_amnt"]', "loan_amnt = 1", "1  # of loan_amnt", 'f"{x} loan_amnt"'])
def test_a_name_is_found(text: str, tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text(text, encoding="utf-8")
    assert ["1: loan_amnt"] == named(path)


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_names_a_field(path: Path) -> None:
    assert [] == named(path)
