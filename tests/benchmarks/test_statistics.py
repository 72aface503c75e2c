"""Rounds, ratios and quantiles."""

import math

import pytest

from benchmarks.spread import Spread, number, quantile, ratio, spread


def test_a_figure_is_its_median_with_the_least_and_the_most() -> None:
    assert str(spread([300, 100, 200])) == "200 (100-300)"


def test_a_single_round_has_no_range() -> None:
    assert str(spread([0.12345])) == "0.123"


def test_no_valid_round_is_said_and_is_no_number() -> None:
    assert str(Spread(())) == "no valid round"
    assert math.isnan(Spread(()).median)


def test_a_ratio_is_taken_round_by_round() -> None:
    """The ratio of the medians would be 1 here."""
    assert ratio(spread([1, 2, 9]), spread([2, 1, 3])).rounds == (0.5, 2.0, 3.0)


def test_rounds_that_do_not_pair_up_give_the_ratio_of_the_medians() -> None:
    assert ratio(spread([1, 2, 9]), spread([4, 4])).rounds == (0.5,)


def test_a_ratio_to_nothing_is_nothing() -> None:
    assert ratio(spread([1.0]), Spread(())).rounds == ()


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 51), (0.99, 100), (1.0, 100)])
def test_quantiles_are_values_of_the_sample(share: float, expected: float) -> None:
    assert quantile(list(range(1, 101)), share) == expected


@pytest.mark.parametrize(
    ("value", "text"), [(12345.6, "12,346"), (99.96, "100"), (4.4449, "4.44"), (0.00123, "0.00123")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text
