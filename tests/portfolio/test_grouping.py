"""Groups of applicants a column at a time, held against those that reports tell one by one."""

from __future__ import annotations

import pytest

from portfolio.columnar.layout import lay_out
from portfolio.columnar.reading import Reader
from portfolio.comparing.grouping import groupings
from preprocessing.contract import Contract, read_contract_file
from preprocessing.groups import groups_of
from tests.books import BOOKS, EVERY_TYPE, contract_of, documents
from tests.portfolio.tables import typed

CONTRACTS = {
    "every type": contract_of(EVERY_TYPE),
    **{name: read_contract_file(folder / "contract.json") for name, folder in BOOKS.items()},
}


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_every_group(contract: Contract) -> None:
    """Numbers at the ends of a group, names, and what is missing."""
    drawn = documents(contract, 400, seed=7)
    plain = [{k: v for k, v in each.items() if k not in {ratio.name for ratio in contract.ratios}} for each in drawn]
    for grouping in contract.groups:
        # A number at an end belongs to the group that begins there.
        drawn += [{**plain[i], grouping.field: end} for i, end in enumerate(grouping.below)]
    applications = [contract.parse(document) for document in drawn]
    table = typed(contract, drawn)
    read = Reader(contract).read(lay_out(contract, table.schema, text=False).cells(table), table.num_rows)
    assert len(drawn) == len(read.rows)
    for groups, grouping in zip(groups_of(contract), groupings(contract), strict=True):
        expected = [groups.of(application) for application in applications]
        assert expected == [grouping.names[place] for place in grouping.places(read.columns)]
        assert len(set(expected)) > 1
