"""What tests of portfolios share."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from portfolio.assessor import Assessor
from portfolio.comparing.sides import Side, open_policies
from preprocessing.contract import Contract, read_contract_file
from tests.applications import POLICY_FILE
from tests.artifacts import MODEL_FOLDER
from tests.books import labelled, table
from tests.portfolio.portfolios import MODEL


@pytest.fixture(scope="session")
def assessor() -> Assessor:
    """The default book's model and policy."""
    return Assessor.open(MODEL, POLICY_FILE)


@pytest.fixture(scope="session")
def contract() -> Contract:
    return read_contract_file(MODEL_FOLDER / "contract.json")


@pytest.fixture(scope="session")
def loans(contract: Contract) -> pa.Table:
    """1,500 applications with what became of them, as the training file has them."""
    columns, cells = table(contract, labelled(contract, 1500, seed=16))
    return pa.table({name: pa.array([row[i] for row in cells]) for i, name in enumerate(columns)})


@pytest.fixture(scope="session")
def stricter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default policy with other thresholds, without a rule, and with another that is new."""

    document = json.loads(POLICY_FILE.read_bytes())
    document["version"] = "2.0.0"
    document["thresholds"] = {"approve_below": 0.05, "reject_from": 0.3}
    document["rules"] = [rule for rule in document["rules"] if rule["id"] != "prior_default"]
    document["rules"].append(
        {
            "id": "long_way",
            "description": "A loan above half a year's income: conditional approval at best.",
            "conditions": [{"field": "loan_percent_income", "op": ">", "value": 0.5}],
            "outcome": "CONDITIONAL_APPROVAL",
            "reason": "AMOUNT_ABOVE_INCOME",
        }
    )
    high = next(each for each in document["examples"] if each["expected"] == "REJECT" and "rules" not in each)
    document["examples"] = [{**high, "probability_of_default": 0.9}]
    path = tmp_path_factory.mktemp("stricter") / "stricter_policy.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def sides(stricter: Path) -> tuple[Side, Side]:
    """The default policy and the other one, on the project's model."""
    return open_policies(POLICY_FILE, stricter, MODEL_FOLDER)
