"""`python -m preprocessing`: a contract's fields as a table and as an application."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pytest

from preprocessing.__main__ import main
from preprocessing.contract import CONTRACT_FILE
from preprocessing.table import BEGIN, END, markdown
from tests.books import BOOKS, EVERY_TYPE, contract_of, write_book


@pytest.fixture
def book(tmp_path: Path) -> Path:
    write_book(tmp_path / "book")
    return tmp_path / "book"


class TestTable:
    def test_every_type(self) -> None:
        """Ranges, codes, plausible ranges and texts are told; a bar in one does not end its cell."""
        document = json.loads(json.dumps(EVERY_TYPE).replace('"wood"', '"wo|od"'))
        rows = {line.split("`")[1]: line for line in markdown(contract_of(document)).splitlines()[2:]}
        assert [field["name"] for field in EVERY_TYPE["fields"]] == list(rows)
        assert "| number, EUR | 100 to 10,000,000; euros: 500 to 5,000,000 | scored |" in rows["price"]
        assert "| number, or null | 1 to 10,000,000; 0 (none); -1 (abroad) | scored |" in rows["savings"]
        assert "0 to 10,000,000; checked against price / savings, which is what is read" in rows["price_to_savings"]
        assert "| string | YYYY-MM-DD | reports |" in rows["surveyed"]
        assert "| integer | 0 to 120 | rules |" in rows["age"]
        assert "| given back |" in rows["reference"]
        assert "wo\\|od, steel" in rows["hull"]

    def test_printed(self, book: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["table", str(book)]) == 0
        assert markdown(contract_of(EVERY_TYPE)) == capsys.readouterr().out

    def test_into_a_page(self, book: Path, tmp_path: Path) -> None:
        """What stands between the marks is replaced, twice alike; the rest stays."""
        page = tmp_path / "page.md"
        begin = BEGIN.format(book.as_posix())
        page.write_text(f"above\n{begin}old\n{END}below\n", encoding="utf-8")
        for _ in range(2):
            assert main(["table", str(book), "--into", str(page)]) == 0
            assert f"above\n{begin}\n{markdown(contract_of(EVERY_TYPE))}\n{END}below\n" == page.read_text("utf-8")

    def test_a_page_without_a_place(self, book: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It is left as it was."""
        page = tmp_path / "page.md"
        page.write_text("above\n", encoding="utf-8")
        assert main(["table", str(book), "--into", str(page)]) == 1
        assert "add both" in capsys.readouterr().err
        assert page.read_text("utf-8") == "above\n"

    def test_no_contract(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A folder without one, and one that can't be used, are told."""
        assert main(["table", str(tmp_path)]) == 1
        assert "contract.json: can't be read" in capsys.readouterr().err
        (tmp_path / "contract.json").write_text("{}")
        assert main(["table", str(tmp_path)]) == 1
        assert "contract.json: fields: Field required; add it" in capsys.readouterr().err


class TestExample:
    @pytest.mark.parametrize("name", BOOKS)
    def test_is_valid(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        """What it prints is an application of the loan book."""
        assert main(["example", str(BOOKS[name])]) == 0
        contract = contract_of(json.loads((BOOKS[name] / "contract.json").read_bytes()))
        contract.parse(json.loads(capsys.readouterr().out))

    def test_is_shown_as_it_is_written(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """In the letters of the book's own language."""
        contract = deepcopy(EVERY_TYPE)
        hull = next(field for field in contract["fields"] if field["name"] == "hull")
        hull["categories"], hull["example"] = [*hull["categories"], "ЖЕЛЕЗО"], "ЖЕЛЕЗО"
        (tmp_path / CONTRACT_FILE).write_text(json.dumps(contract), encoding="utf-8")
        assert main(["example", str(tmp_path)]) == 0
        assert '  "hull": "ЖЕЛЕЗО"' in capsys.readouterr().out.replace(",", "").splitlines()
