"""What scores and ranks many rows at once, against what does it for one: the same bits, or as close as is promised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.contract import Contract
from scoring import impacts as module
from scoring.attribution import DENSE_FIELDS, Attributor
from scoring.boosting import FEW_ROWS
from scoring.exits import FEW_ROWS_AT_ONCE, ROWS_AT_ONCE, Exits
from scoring.impacts import Impacts
from tests.contracts import CURVED, Small, applications, contracts

SEEDS = st.integers(0, 10**6)


@settings(max_examples=15)
@given(contracts(), st.integers(1, 6), SEEDS)
def test_exits_are_those_that_walks_come_to(contract: Contract, depth: int, seed: int) -> None:
    """Log-odds bit for bit, for rows at every threshold too, for few and for more of them than are taken at once."""
    small = Small(contract, applications(contract, 120, seed), depth, seed)
    ensemble = small.scorer.leaves.ensemble
    assert ensemble.tables is not None
    edges = np.repeat(ensemble.trees.threshold.astype(np.float32).ravel()[:200, np.newaxis], small.matrix.shape[1], 1)
    rows = np.concatenate([small.matrix, edges, np.nextafter(edges, np.float32(np.inf))])
    rows = np.resize(rows, (2 * ROWS_AT_ONCE + 3, rows.shape[1]))

    exits, walked = Exits(ensemble, ensemble.tables), ensemble.log_odds(ensemble.turns(rows))
    places = ensemble.tables.rows(rows)

    assert np.array_equal(walked, exits.log_odds(places))
    for n in (0, 1, FEW_ROWS - 1, FEW_ROWS, FEW_ROWS_AT_ONCE, FEW_ROWS_AT_ONCE + 1):
        assert np.array_equal(walked[-n or len(rows) :], exits.log_odds(places[-n or len(rows) :]))


@pytest.mark.parametrize("states", [1 << 7, module.MOST_STATES])
@settings(max_examples=10)
@given(contracts(scored=6), st.integers(1, 6), SEEDS)
def test_impacts_are_sums_of_attributions(states: int, contract: Contract, depth: int, seed: int) -> None:
    """In any groups of fields, to far less than what is called unsure, however the trees are parted."""
    small = Small(contract, applications(contract, 150, seed), depth, seed)
    index, ensemble = small.scorer.leaves, small.scorer.leaves.ensemble
    attributor = Attributor(index, index.build_tables(small.matrix[:5]), CURVED)
    assert len(attributor.fields) <= DENSE_FIELDS
    groups = [[name] for name in attributor.fields] + [attributor.fields, attributor.fields[:2], ()]
    expected = attributor.attribute(small.matrix)
    summed = np.stack([sum((expected[:, attributor.fields.index(f)] for f in g), np.zeros(150)) for g in groups], 1)
    assert ensemble.tables is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_STATES", states)
        impacts = Impacts(ensemble, ensemble.tables, attributor, groups)

    rows = ensemble.tables.rows(small.matrix)
    found = impacts.of(rows)
    for n in (1, module.FEW_ROWS_AT_ONCE, module.FEW_ROWS_AT_ONCE + 1):
        assert np.array_equal(found[-n:], impacts.of(rows[-n:]))

    margins = small.scorer.score(small.applications).margin
    apart = np.abs(margins - attributor.base_margin) > 1e-6
    assert (
        np.abs(attributor.calibrated(found[apart], margins[apart]) - summed[apart]).max(initial=0) < module.UNSURE / 100
    )
    assert impacts.none[-1]
