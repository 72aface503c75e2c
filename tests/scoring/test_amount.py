"""The sweep over amounts against the scorer, amount by amount."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from scoring.amount import AmountSweep
from scoring.artifact import read_artifact
from scoring.scorer import Scorer
from tests.applications import CONTRACT, EXAMPLE, parse_application, portfolio
from tests.artifacts import MODEL_FOLDER


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(read_artifact(MODEL_FOLDER))


@pytest.fixture(scope="module")
def sweep(scorer: Scorer) -> AmountSweep:
    return AmountSweep(scorer.leaves.ensemble, scorer.schema)


class TestSteps:
    @pytest.mark.parametrize("document", portfolio(5, seed=5)[1:])
    def test_every_whole_amount_has_its_pd(
        self, scorer: Scorer, sweep: AmountSweep, document: dict[str, object]
    ) -> None:
        """The lowest and the highest included; but next to a step's end rounding decides."""
        application = parse_application(document)
        highest = int(application["loan_amnt"]) - 1
        amounts = np.arange(max(1, highest // 10), highest + 1, dtype=np.float64)
        (turns,) = scorer.score([application]).turns
        steps = sweep.steps(turns, [application["person_income"]], amounts[0], highest)
        others = [CONTRACT.with_amount(application, amount) for amount in amounts.tolist()]
        step = len(steps.end) - 1 - np.searchsorted(steps.end[::-1], amounts)
        right = np.abs(steps.pd[step] - scorer.score(others).pd) < 1e-9
        at_an_end = np.abs(amounts[:, np.newaxis] - steps.end).min(axis=1) <= amounts * 2.0**-22
        assert right[~at_an_end].all()
        assert right[at_an_end].mean() > 0.5

    def test_between_two_thresholds(self, scorer: Scorer, sweep: AmountSweep) -> None:
        """The same where splits on the amount part the applications right at the lowest and at the highest."""
        trees = [tree.tree_ for (tree,) in scorer.estimator.estimators_]
        of_amount = scorer.schema.features.index("loan_amnt")
        thresholds = {t for tree in trees for t in tree.threshold[tree.feature == of_amount].tolist()}
        whole = sorted(t for t in thresholds if t.is_integer() and 1000 <= t < 20000)
        application = parse_application(EXAMPLE | {"loan_percent_income": None})
        (turns,) = scorer.score([application]).turns
        assert len(whole) > 20
        for lowest, highest in pairwise(whole):
            steps = sweep.steps(turns, [application["person_income"]], lowest, highest)
            ends = [CONTRACT.with_amount(application, amount) for amount in (highest, lowest)]
            found = [pd for begin, end, pd in steps.between(0, 1) for a in (highest, lowest) if begin < a <= end]
            assert scorer.score(ends).pd.tolist() == pytest.approx(found, abs=1e-9)

    def test_steps_follow_each_other_down_to_the_lowest_amount(self, scorer: Scorer, sweep: AmountSweep) -> None:
        (turns,) = scorer.score([parse_application(EXAMPLE)]).turns
        steps = sweep.steps(turns, [62000], 900, 8999)
        bounds = list(steps.between(0, 1))
        assert bounds[0][1] == 8999
        assert bounds[-1][0] == 899
        assert all(above[0] == below[1] > below[0] for above, below in pairwise(bounds))

    def test_between(self, scorer: Scorer, sweep: AmountSweep) -> None:
        (turns,) = scorer.score([parse_application(EXAMPLE)]).turns
        steps = sweep.steps(turns, [62000], 900, 8999)
        chosen = [pd for *_, pd in steps.between(0.05, 0.1)]
        assert 0 < len(chosen) < len(steps.pd)
        assert chosen == [pd for pd in steps.pd.tolist() if 0.05 <= pd < 0.1]
