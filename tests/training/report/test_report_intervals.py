"""Resamples, intervals, and the metrics on weighted rows: held against the same thing done the long way."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from training.metrics import Metrics, measure
from training.report.figures import areas, figures, quality, weighted
from training.report.resampling import Estimate, Resamples, interval, share, wilson


def some(rows: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Labels and rising PDs, several of them equal."""
    rng = np.random.default_rng(seed)
    pd = np.sort(rng.integers(1, 40, rows)) / 40
    return (rng.random(rows) < pd).astype(np.int64), pd


class TestWeighted:
    def test_rows_as_they_are(self) -> None:
        """Each row once, every metric is that of `measure`."""
        labels, pd = some(300)

        found = weighted(labels, pd)(np.ones((1, 300)))[0]

        assert pytest.approx(tuple(measure(labels, pd)), abs=1e-12) == tuple(found)

    def test_against_repeated_rows(self) -> None:
        """A row that was drawn k times counts as k rows; only the calibration error's bins stay where they were."""
        labels, pd = some(120)
        times = np.random.default_rng(5).integers(0, 4, (20, 120))

        found = weighted(labels, pd)(times.astype(np.float64))

        for row, repeated in zip(found, times, strict=True):
            long_way = measure(np.repeat(labels, repeated), np.repeat(pd, repeated))
            assert pytest.approx(tuple(long_way)[:-1], abs=1e-12) == tuple(row)[:-1]

    def test_one_label_only(self) -> None:
        """Where a resample has one label, what needs both is NaN, and the rest is there."""
        found = dict(
            zip(Metrics._fields, weighted(np.zeros(4, dtype=int), np.full(4, 0.1))(np.ones((1, 4)))[0], strict=True)
        )

        assert np.isnan(found["roc_auc"])
        assert found["brier"] == pytest.approx(0.01)


class TestResamples:
    def test_a_group_is_drawn_as_a_whole(self) -> None:
        """As many groups are drawn as there are, and the rows of one come equally often."""
        drawn = Resamples.drawn(np.array([7, 3, 7, 5]), resamples=50)

        def check(weights: np.ndarray) -> np.ndarray:
            assert (weights[:, 0] == weights[:, 2]).all()
            assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
            return weights

        assert drawn.over(check).shape == (50, 4)
        assert len(np.unique(drawn.over(check), axis=0)) > 5

    def test_twins_are_no_evidence(self) -> None:
        """Every row twice, in one group with its twin, narrows no interval."""
        labels, pd = some(150)
        groups = np.arange(150)

        once = figures(labels, pd, [np.arange(150)], Resamples.drawn(groups))
        twice = figures(np.tile(labels, 2), np.tile(pd, 2), [np.arange(300)], Resamples.drawn(np.tile(groups, 2)))
        apart = figures(np.tile(labels, 2), np.tile(pd, 2), [np.arange(300)], Resamples.drawn(np.arange(300)))

        assert pytest.approx(tuple(once["roc_auc"])) == tuple(twice["roc_auc"])
        assert apart["roc_auc"].high - apart["roc_auc"].low < 0.8 * (once["roc_auc"].high - once["roc_auc"].low)

    def test_same_seed_same_draws(self) -> None:
        """The draws are a function of groups and seed."""
        groups = np.arange(30)

        assert np.array_equal(Resamples.drawn(groups).counts, Resamples.drawn(groups).counts)
        assert not np.array_equal(Resamples.drawn(groups).counts, Resamples.drawn(groups, seed=1).counts)

    def test_as_many_rows_at_a_time_as_one_likes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """How many weights are held at a time changes nothing."""
        drawn = Resamples.drawn(np.arange(30), resamples=40)
        whole = drawn.over(lambda weights: weights)
        monkeypatch.setattr("training.report.resampling._CELLS", 100)

        assert np.array_equal(whole, drawn.over(lambda weights: weights))


class TestIntervals:
    def test_means_over_folds(self) -> None:
        """A figure is the mean of the folds' own, and its interval of the means of the same resamples."""
        labels, pd = some(300)
        folds = [np.arange(0, 300, 2), np.arange(1, 300, 2)]

        found = figures(labels, pd, folds, Resamples.drawn(np.arange(300)))

        own = [measure(labels[rows], pd[rows]) for rows in folds]
        assert pytest.approx(np.mean(own, axis=0).tolist()) == [each.value for each in found.values()]
        assert found["roc_auc"].low < found["roc_auc"].value < found["roc_auc"].high

    def test_covers(self) -> None:
        """Of 200 samples' intervals of a share, about 95% hold the truth."""
        rng = np.random.default_rng(11)
        truth, covered = 0.2, 0
        for _ in range(200):
            labels = (rng.random(150) < truth).astype(np.float64)
            over = Resamples.drawn(np.arange(150), resamples=200).over(lambda w, y=labels: w @ y[:, None] / 150)
            found = share(labels.sum(), 150, over[:, 0])
            covered += not found.excludes(truth)
        assert 184 <= covered <= 199

    def test_auc_covers(self) -> None:
        """The same of an AUC whose truth is known: two normal distributions a standard deviation apart."""
        rng = np.random.default_rng(12)
        truth, covered = 0.7602499389, 0  # of the standard normal distribution at 1 / sqrt(2)
        for _ in range(100):
            labels = np.repeat([0, 1], [120, 60])
            scores = rng.normal(labels, 1.0)
            pd = 1 / (1 + np.exp(-scores))
            found = quality(labels, pd, Resamples.drawn(np.arange(180), resamples=200))
            covered += not found.roc_auc.excludes(truth)
        assert 89 <= covered <= 100

    def test_wilson(self) -> None:
        """As in the textbooks: none of 10, and half of 100."""
        assert pytest.approx((0, 0.2775), abs=1e-4) == wilson(0, 10)
        assert pytest.approx((0.4038, 0.5962), abs=1e-4) == wilson(50, 100)

    def test_no_default_at_all(self) -> None:
        """No resample has a default either, but the interval knows how few rows there were."""
        found = share(0, 20, np.zeros(50))

        assert found.low == 0
        assert found.high == pytest.approx(wilson(0, 20)[1])
        assert not found.excludes(0.05)
        assert found.excludes(0.3)

    def test_mostly_without_a_value(self) -> None:
        """There is no interval where most resamples have no value."""
        assert np.isnan(interval(np.array([0.5, np.nan, np.nan]))).all()

    def test_calibration_error_lies_within_its_interval(self) -> None:
        """Chance adds to the error of resamples; the interval is moved back to lie around the value."""
        labels, pd = some(400)

        found = figures(labels, pd, [np.arange(400)], Resamples.drawn(np.arange(400)))["ece"]

        assert found.low <= found.value <= found.high
        assert Estimate(found.value, found.low, found.high) == found


class TestAreas:
    def test_a_difference(self) -> None:
        """That of the two means over folds; of equal models nothing is left, and a shared draw is in neither."""
        labels, pd = some(400)
        rng = np.random.default_rng(8)
        order = rng.permutation(400)
        labels, pd = labels[order], pd[order]
        other, folds = pd + rng.normal(0, 0.3, 400), [np.arange(0, 200), np.arange(200, 400)]
        draws = Resamples.drawn(np.arange(400) // 2, resamples=60)
        one, two = (areas(labels, each, folds, draws) for each in (pd, other))

        found = one.above(two)

        means = [np.mean([roc_auc_score(labels[rows], each[rows]) for rows in folds]) for each in (pd, other)]
        assert found.value == pytest.approx(means[0] - means[1])
        assert figures(labels, pd, folds, draws)["roc_auc"].value == pytest.approx(one.here)
        assert found.low < found.value < found.high
        assert one.above(one) == Estimate(0, 0, 0)
        alone = [np.subtract(*np.quantile(each.over, [0.975, 0.025])) for each in (one, two)]
        assert found.high - found.low < sum(alone)
