from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from scoring.logistic import logistic


def test_is_scipys_bit_for_bit() -> None:
    """Which training computes with, and every artifact's golden PDs come from."""
    rng = np.random.default_rng(0)
    log_odds = np.concatenate([rng.normal(0, 4, 100_000), rng.uniform(-700, 700, 50_000), [0.0, -0.0, 36.7, np.inf]])
    assert expit(log_odds).tobytes() == logistic(log_odds).tobytes()


def test_each_by_itself() -> None:
    """A value gets the same bits in any company."""
    log_odds = np.random.default_rng(1).normal(0, 4, 1000)
    assert logistic(log_odds).tolist() == [float(logistic(log_odds[i : i + 1])[0]) for i in range(1000)]


@pytest.mark.parametrize("log_odds", [-709.0, -710.0, -1e308, -np.inf])
def test_there_is_a_least(log_odds: float) -> None:
    """Where the exponential would overflow, the probability is the least, and not an error."""
    assert logistic(np.array([log_odds])).tolist() == [1 / (1 + np.exp(709.0))]


def test_nothing_in_nothing_out() -> None:
    assert logistic(np.array([])).shape == (0,)


def test_what_is_no_number_stays_so() -> None:
    assert np.isnan(logistic(np.array([np.nan, 1.0]))).tolist() == [True, False]
