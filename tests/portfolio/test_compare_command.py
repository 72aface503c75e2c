"""`python -m portfolio compare`: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from portfolio.__main__ import main
from preprocessing.contract import Contract
from tests.applications import POLICY_FILE
from tests.artifacts import MODEL_FOLDER, POLICY_FOLDER
from tests.books import csv_bytes, labelled

MODEL = ("--model", str(MODEL_FOLDER))


@pytest.fixture
def portfolio(tmp_path: Path, loans: pa.Table) -> Path:
    path = tmp_path / "loans.parquet"
    parquet.write_table(loans.slice(0, 600), path, row_group_size=250)
    return path


def run(*arguments: str | Path) -> int:
    return main(["compare", *map(str, arguments)])


class TestTold:
    def test_text(self, portfolio: Path, stricter: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert 0 == run(POLICY_FILE, stricter, portfolio, *MODEL, "--margin", ".12", "--lgd", ".6")
        printed = capsys.readouterr().out
        for expected in ("policy 2.0.0", "decided by A (down), by B (across)", "home ownership: RENT", "long_way",
                         "expected profit", "B can't be served as it is"):  # fmt: skip
            assert expected in printed

    def test_json(self, portfolio: Path, stricter: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert 0 == run(POLICY_FILE, stricter, portfolio, *MODEL, "--json")
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert (600, 600) == (document["rows"], sum(swap["by_a"]["applications"] for swap in document["swaps"]))
        assert document["unfit"]["a"] is None
        assert document["groups"][0]["a"]["expected_profit"] is None

    def test_page_and_changed(self, portfolio: Path, stricter: Path, tmp_path: Path) -> None:
        """The page stands alone, every plot says what it shows, and the file holds who is decided otherwise."""
        page, changed = tmp_path / "page.html", tmp_path / "changed.parquet"
        assert 0 == run(POLICY_FILE, stricter, portfolio, *MODEL, "--page", page, "--changed", changed)
        text = page.read_text(encoding="utf-8")
        assert "http" not in text.replace("http-equiv", "")
        plots = [ET.fromstring("<svg" + part.split("</svg>")[0] + "</svg>") for part in text.split("<svg")[1:]]
        assert 5 == len(plots)
        assert all(plot.get("role") == "img" and plot.get("aria-label") for plot in plots)
        assert parquet.read_table(changed).num_rows > 0

    def test_csv_is_compared_alike(
        self, contract: Contract, stricter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Texts are read as the contract's training file is, the label's among them."""
        path = tmp_path / "loans.csv"
        path.write_bytes(csv_bytes(contract, labelled(contract, 200, seed=3)))
        assert 0 == run(POLICY_FILE, stricter, path, *MODEL, "--json")
        document = json.loads(capsys.readouterr().out)
        assert (200, 200, 0) == (document["applications"], document["known"], document["strange"])


class TestStore:
    def test_tags(
        self, portfolio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What isn't named is the store's latest."""
        monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
        for name, version, folder in (
            ("credit_risk_policy", "1.1.0", POLICY_FOLDER), ("credit_risk_gradient_boosting", "2.0.0", MODEL_FOLDER),
        ):  # fmt: skip
            shutil.copytree(folder, tmp_path / "models" / name / version)
            (tmp_path / "models" / name / "latest").write_text(version, encoding="utf-8")
        assert 0 == run("credit_risk_policy:1.1.0", POLICY_FILE, portfolio)
        assert "0 decided otherwise" in capsys.readouterr().out
        model = "credit_risk_gradient_boosting:2.0.0"
        assert 0 == run(model, model, portfolio, "--policy-b", POLICY_FILE)
        assert "0 decided otherwise" in capsys.readouterr().out


class TestRefused:
    def refused(self, capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
        assert 1 == run(*arguments)
        out, err = capsys.readouterr()
        assert "" == out
        assert "Traceback" not in err
        return err

    def test_no_input(self, stricter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "neither a file nor a folder" in self.refused(capsys, POLICY_FILE, stricter, tmp_path / "no", *MODEL)

    def test_no_policy(self, portfolio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "there is no" in self.refused(capsys, POLICY_FILE, tmp_path / "no.json", portfolio, *MODEL)

    def test_a_policy_that_is_none(self, portfolio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "policy.json").write_text("{}", encoding="utf-8")
        assert "policy.json" in self.refused(capsys, POLICY_FILE, tmp_path / "policy.json", portfolio, *MODEL)

    def test_a_missing_column(self, loans: pa.Table, stricter: Path, tmp_path: Path,
                              capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
        path = tmp_path / "loans.parquet"
        parquet.write_table(loans.slice(0, 50).drop_columns(["loan_amnt"]), path)
        assert "there is no column loan_amnt" in self.refused(capsys, POLICY_FILE, stricter, path, *MODEL)

    def test_an_empty_file(self, loans: pa.Table, stricter: Path, tmp_path: Path,
                           capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
        path = tmp_path / "loans.parquet"
        parquet.write_table(loans.slice(0, 0), path)
        assert "the input has no rows" in self.refused(capsys, POLICY_FILE, stricter, path, *MODEL)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--margin", ".1"), "both --margin and --lgd"),
            (("--amount", "loan_amnt"), "--amount is for profit"),
            (("--policy", str(POLICY_FILE)), "are for two models"),
            (("--margin", "no", "--lgd", ".6"), "there is no column no"),
            (("--page", "/nowhere/page.html"), "can't be written"),
            (("--changed", "/nowhere/changed.parquet"), "can't be written"),
        ],
    )
    def test_options_that_go_together(
        self, arguments: tuple[str, ...], message: str, portfolio: Path, stricter: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        assert message in self.refused(capsys, POLICY_FILE, stricter, portfolio, *MODEL, *arguments)

    def test_a_share_that_is_none(self, portfolio: Path, stricter: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit, match="2"):
            run(POLICY_FILE, stricter, portfolio, "--margin", "12", "--lgd", ".6")
        assert "a share lies between 0 and 1" in capsys.readouterr().err
