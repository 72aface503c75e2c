"""Calibration in parts, decisions of many, and approval by group: against values worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from decision import Outcome, decide
from preprocessing.application import Application
from tests.applications import CATEGORIES, CONTRACT
from training.book import Book
from training.data import TrainingData
from training.report.approvals import Grouped, approvals, decided, grouped, lowest_ratios, ruled
from training.report.cells import FEW, MOST_CELLS, OTHERS, parting, partings, pd_bands
from training.report.resampling import Resamples


def by(title: str, *groups: tuple[str, int]) -> Grouped:
    """A grouping of applicants that stand group by group."""
    of_row = np.repeat([name for name, _ in groups], [rows for _, rows in groups])
    names = tuple(name for name, _ in groups)
    return Grouped(title, names, of_row[:, None] == np.array(names)[None, :])


def every_third(application: Application) -> tuple[str, ...]:
    """As if the model had not seen the amounts of some."""
    return ("loan_amnt",) if application["loan_amnt"] % 3 < 1 else ()


def never(_: Application) -> tuple[str, ...]:
    """Nothing lies outside."""
    return ()


class TestParting:
    def test_hand_values(self) -> None:
        """Each part's rows, mean PD, default rate and Brier score are its own, in the order asked for."""
        labels, pd = np.array([0, 1, 0, 1, 1, 0]), np.array([0.5, 0.8, 0.4, 0.9, 0.7, 0.25])

        found = parting("age", ["a", "b", "b", "c", "c", "d"], "zdcba", labels, pd, Resamples.drawn(np.arange(6)))

        assert ["d", "c", "b", "a"] == [cell.name for cell in found.cells]
        d, c, b, a = found.cells
        assert (1, 0.5, 0.0, 0.25) == (a.rows, a.mean_pd, a.default_rate.value, a.brier.value)
        assert (2, 0.5, 1.0) == (b.rows, b.default_rate.value, b.roc_auc.value)
        assert pytest.approx((0.6, 0.1)) == (b.mean_pd, b.brier.value)
        assert np.isnan(c.roc_auc.value)
        assert np.isnan(d.roc_auc.low)
        assert all(cell.few for cell in found.cells)

    def test_off(self) -> None:
        """A part is off where its PD lies beyond the interval of its default rate, and no other is."""
        labels = np.tile([0, 0, 0, 1], 200)
        pd = np.repeat([0.25, 0.35], 400)

        right, wrong = parting(
            "half", np.repeat(["right", "wrong"], 400).tolist(), ["right", "wrong"], labels, pd,
            Resamples.drawn(np.arange(800)),
        ).cells  # fmt: skip

        assert not right.off
        assert wrong.off
        assert not wrong.few
        assert wrong.default_rate.low < 0.25 < wrong.default_rate.high < 0.35

    def test_many_categories(self) -> None:
        """The largest have a part each, the others one together."""
        names = [f"c{i:02}" for i in range(30)]
        of_row = [name for i, name in enumerate(names) for _ in range(1 + (i < MOST_CELLS))]
        labels = np.arange(len(of_row)) % 2

        found = parting("c", of_row, names, labels, labels * 0.5 + 0.1, Resamples.drawn(np.arange(len(of_row))))

        assert [*names[:MOST_CELLS], OTHERS] == [cell.name for cell in found.cells]
        assert found.cells[-1].rows == 10

    def test_of_a_book(self, data: TrainingData, book: Book) -> None:
        """By PD, by each field of categories once, by the contract's groups; each has every row in it."""
        pd = np.random.default_rng(1).random(len(data.labels))

        found = partings(data, pd, book.policy.policy, Resamples.drawn(data.groups, resamples=10))

        titles = [each.title for each in found]
        assert ["PD", "loan_intent", "loan_grade", "cb_person_default_on_file", "age", "home ownership"] == titles
        assert {len(data.labels)} == {sum(cell.rows for cell in each.cells) for each in found}

    def test_bands(self, book: Book) -> None:
        """The policy's thresholds are ends of bands, which lie side by side from 0 to 1."""
        bands = pd_bands(book.policy.policy)

        assert (0.0, 1.0) == (bands[0][0], bands[-1][1])
        assert all(high == low for (_, high), (low, _) in pairwise(bands))
        assert {0.1, 0.2} <= {high for _, high in bands}


class TestDecided:
    def test_as_the_policy_decides(self, data: TrainingData, book: Book) -> None:
        """Rules and bands apart give what `decide` gives, thresholds included."""
        policy = book.policy.policy
        pds = np.resize(
            [0.0, 0.05, 0.1, np.nextafter(0.1, 0), 0.15, 0.2, np.nextafter(0.2, 0), 0.9, 1.0], len(data.labels)
        )

        found = decided(policy, ruled(policy, data.applications, every_third), pds)

        expected = [
            decide(policy, a, pd, every_third(a)).outcome for a, pd in zip(data.applications, pds.tolist(), strict=True)
        ]
        assert expected == [list(Outcome)[outcome] for outcome in found]
        assert len(set(expected)) == 3
        assert not np.array_equal(
            ruled(policy, data.applications, every_third), ruled(policy, data.applications, never)
        )


class TestApprovals:
    def test_hand_values(self) -> None:
        """Rates are the groups' own; ratios are to the highest among groups with rows enough."""
        outcomes = np.concatenate([np.repeat([0, 2], [80, 120]), np.repeat([0, 1], [60, 40]), np.zeros(5, dtype=int)])
        grouping = by("age", ("young", 200), ("old", 100), ("oldest", 5))

        (found,) = approvals([grouping], outcomes, Resamples.drawn(np.arange(305)))

        young, old, oldest = found.groups
        assert [0.4, 0.6, 1.0] == [group.rate.value for group in found.groups]
        assert pytest.approx([0.4 / 0.6, 1.0, 1.0 / 0.6]) == [group.ratio.value for group in found.groups]
        assert [False, False, True] == [group.few for group in found.groups]
        assert young.ratio.low < 0.4 / 0.6 < young.ratio.high < 0.9
        assert oldest.rate.low < 0.6
        assert {"age": pytest.approx(0.4 / 0.6)} == lowest_ratios([grouping], outcomes)
        assert old.rows == FEW

    def test_few_rows_everywhere(self) -> None:
        """Then the largest group is what the others are compared with."""
        grouping = by("age", ("young", 10), ("old", 20))

        (found,) = approvals([grouping], np.repeat([0, 0, 2], 10), Resamples.drawn(np.arange(30)))

        assert [2.0, 1.0] == [group.ratio.value for group in found.groups]

    def test_nobody_approved(self) -> None:
        """There is no ratio, and none is claimed."""
        grouping = by("age", ("young", 10), ("old", 20))

        (found,) = approvals([grouping], np.full(30, 2), Resamples.drawn(np.arange(30)))

        assert all(np.isnan(group.ratio.value) for group in found.groups)
        assert {"age": 1.0} == lowest_ratios([grouping], np.full(30, 2))

    def test_of_a_book(self, data: TrainingData) -> None:
        """The contract's groupings; groups without rows are left out."""
        young = replace(data, applications=[{**a, "person_age": 20} for a in data.applications])

        age, home = grouped(CONTRACT, young.applications)

        assert (("under 25",), (len(data.labels),)) == (age.names, tuple(age.rows))
        assert set(home.names) <= set(CATEGORIES["person_home_ownership"])
        assert home.rows.sum() == len(data.labels)
