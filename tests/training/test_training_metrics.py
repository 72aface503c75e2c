from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ks_2samp
from sklearn.calibration import calibration_curve

from training.metrics import NAMES, Metrics, equal_mass_bins, expected_calibration_error, kolmogorov_smirnov, measure

LabelsAndPd = tuple[NDArray[np.int64], NDArray[np.float64]]


@pytest.fixture
def labels_and_pd() -> LabelsAndPd:
    rng = np.random.default_rng(3)
    pd = rng.random(1000)
    return (rng.random(1000) < pd).astype(np.int64), pd


class TestKolmogorovSmirnov:
    def test_hand_value(self) -> None:
        """Of two defaulters one lies above every repayer: the gap is one half."""
        assert kolmogorov_smirnov(np.array([1, 0, 0, 1]), np.array([0.1, 0.2, 0.3, 0.9])) == 0.5

    def test_is_the_two_sample_statistic(self, labels_and_pd: LabelsAndPd) -> None:
        """It is what scipy calls the two-sample Kolmogorov-Smirnov statistic."""
        labels, pd = labels_and_pd

        assert ks_2samp(pd[labels == 0], pd[labels == 1]).statistic == pytest.approx(kolmogorov_smirnov(labels, pd))


class TestExpectedCalibrationError:
    def test_hand_value(self) -> None:
        """Two bins, off by .1 and by .3: the mean is .2."""
        labels, pd = np.array([0, 0, 1, 0]), np.array([0.1, 0.1, 0.8, 0.8])

        assert pytest.approx(0.2) == expected_calibration_error(labels, pd, bins=2)

    def test_agrees_with_the_calibration_curve(self, labels_and_pd: LabelsAndPd) -> None:
        """With bins of exactly equal size it is the mean gap of scikit-learn's curve by quantiles."""
        labels, pd = labels_and_pd
        rate, mean = calibration_curve(labels, pd, n_bins=10, strategy="quantile")

        assert np.abs(rate - mean).mean() == pytest.approx(expected_calibration_error(labels, pd))

    def test_perfect(self) -> None:
        """PDs that equal the default rate of their bin have no error."""
        assert expected_calibration_error(np.array([0, 0, 1, 1]), np.array([0.0, 0.0, 1.0, 1.0]), bins=2) == 0

    def test_fewer_rows_than_bins(self) -> None:
        """Empty bins are left out."""
        assert len(equal_mass_bins(np.array([0.3, 0.1, 0.2]), 10)) == 3


class TestMeasure:
    def test_perfect_ranking(self) -> None:
        """PDs that separate the labels have AUC, PR-AUC, KS and Gini of one."""
        found = measure(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9]))

        assert (found.roc_auc, found.pr_auc, found.ks, found.gini) == (1, 1, 1, 1)
        assert pytest.approx((0.01 + 0.04 + 0.04 + 0.01) / 4) == found.brier
        assert pytest.approx(-(2 * np.log(0.9) + 2 * np.log(0.8)) / 4) == found.log_loss

    def test_gini(self, labels_and_pd: LabelsAndPd) -> None:
        """Gini is twice the AUC less one."""
        found = measure(*labels_and_pd)

        assert 2 * found.roc_auc - 1 == found.gini

    def test_every_metric_has_a_name(self) -> None:
        """The card and the command line name every metric."""
        assert list(NAMES) == list(Metrics._fields)
