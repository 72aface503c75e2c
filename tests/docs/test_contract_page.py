"""docs/contract.md: its example is a contract, every key has its place, and every fault is worded as it is told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from preprocessing import coherence, contract, fields
from preprocessing.contract import Contract, DataFile, Grouping, Label, read_contract
from tests.docs.pages import DOCS, ROOT, blocks
from training.book import GOLDEN_FILE, NOTES_FILE, RECIPE_FILE
from training.data import MIN_ROWS_PER_CLASS
from training.recipe import RecipeFile

PAGE = DOCS / "contract.md"
TEXT = PAGE.read_text(encoding="utf-8")
TYPES = get_args(get_args(fields.AnyField)[0])
FAULTS = TEXT.partition("## Faults")[2].partition("\n## ")[0]
MESSAGES = [
    message for line in FAULTS.splitlines() if line.startswith("| ") for message in re.findall(r"`([^`]+)`", line)
]


def test_the_example_is_a_contract() -> None:
    """It is read as it stands, and has a field of each type."""
    read = read_contract(blocks(PAGE, "json")[0].encode())
    assert {get_args(kind.model_fields["type"].annotation)[0] for kind in TYPES} == {f.type for f in read.fields}


@pytest.mark.parametrize("model", [Contract, DataFile, Label, Grouping, fields.Plausible, RecipeFile, *TYPES])
def test_every_key(model: type[contract.Strict]) -> None:
    """No key of the file goes without a word."""
    assert [] == [key for key in model.model_fields if f"`{key}`" not in TEXT and key not in ("minimum", "maximum")]


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message(message: str) -> None:
    """It is what a fault says: in the sources, across the parts of a text."""
    sources = "".join(path.read_text(encoding="utf-8") for path in Path(ROOT / "preprocessing").glob("*.py"))
    joined = re.sub(r'"\s*\n\s*(?:\+ )?f?"', "", sources)
    assert message in joined


def test_limits() -> None:
    """Numbers in the text are those of the code."""
    said = (
        f"1 to {contract.MAX_FIELDS}, in the order", f"at most {coherence.MAX_FEATURES:,} features",
        f"`categories`, 2 to {fields.MAX_CATEGORIES}", f"1 to {fields.MAX_REFERENCE_LENGTH} characters",
        f"Each label needs {MIN_ROWS_PER_CLASS} rows", GOLDEN_FILE, NOTES_FILE, RECIPE_FILE, "±1e12",
    )  # fmt: skip
    assert [] == [text for text in said if text not in TEXT]
    assert fields.MAX_NUMBER == 1e12
