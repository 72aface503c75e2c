"""The ranges of a training distribution, made of invented numbers."""

from __future__ import annotations

import numpy as np
import pytest

from preprocessing.documents import read_document
from preprocessing.fields import PD
from scoring.distribution import FORMAT, TrainingDistribution
from tests.applications import CONTRACT, parse_application, portfolio
from training.distribution import QUANTILES, reach, training_distribution
from training.export import json_bytes


def distribution() -> TrainingDistribution:
    applications = [parse_application(document) for document in portfolio(400, seed=5)]
    return training_distribution(CONTRACT, applications, np.linspace(0.01, 0.9, len(applications)))


class TestReach:
    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [
            (5421.7, 633_333.0, (5400, 640_000)),
            (0.0, 25.0, (0, 25)),
            (0.00859, 0.6401, (0.0085, 0.65)),
            (-123.0, -0.0456, (-130, -0.045)),
            (99.1, 99.2, (99, 100)),
            (0.1, 0.3, (0.1, 0.3)),
        ],
    )
    def test_is_rounded_outward(self, low: float, high: float, expected: tuple[float, float]) -> None:
        """Each end has two digits, and lies no nearer than the number that it is made of."""
        found = reach(np.array([low, low, high, high]))
        assert expected == (found.low, found.high)

    def test_leaves_out_a_thousandth(self) -> None:
        """The quantiles bound the range, so that one slip of a pen in a thousand doesn't stretch it."""
        usual = np.full(4000, 50.0)
        assert (50.0, 50.0) == (reach(np.append(usual, [1, 9e9])).low, reach(np.append(usual, [1, 9e9])).high)

    def test_holds_nearly_all(self) -> None:
        """At most the stated share lies beyond each end."""
        numbers = np.random.default_rng(1).lognormal(size=5000)
        found = reach(numbers)
        assert (numbers < found.low).mean() <= QUANTILES[0]
        assert (numbers > found.high).mean() <= 1 - QUANTILES[1]


class TestFile:
    def test_ranges(self) -> None:
        """Every scored number has a range, ratios too; a category and the PD have none."""
        found = {bins.field: bins.range is not None for bins in distribution().bins}
        assert {name: not CONTRACT.by_name[name].choices for name in CONTRACT.scored} | {PD: False} == found

    def test_states_its_quantiles(self) -> None:
        """The file says between which quantiles its ranges lie, and reads back as it was."""
        made = distribution()
        assert (FORMAT, [*QUANTILES]) == (made.format, made.quantiles)
        assert made == read_document(TrainingDistribution, json_bytes(made))
