"""Two policies over the same applications, held against the engine that decides one by one."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from sklearn.metrics import brier_score_loss, roc_auc_score

from decision import Decision, Outcome, decide
from decision.policy import worst
from portfolio.comparing.borrowing import Assumptions
from portfolio.comparing.comparing import compare
from portfolio.comparing.comparison import Comparison
from portfolio.comparing.sides import Side, are_models, open_models
from portfolio.errors import CancelledError, NoApplicationsError, NotComparableError, UnfitInputError
from preprocessing.application import Application
from preprocessing.contract import Contract
from tests.applications import POLICY_FILE
from tests.artifacts import MODEL_FOLDER, edit_signed
from tests.portfolio.blocks import blocks_of, with_grades

BY = Assumptions(0.12, 0.6)


class Case(NamedTuple):
    """One application, decided by each policy as a request is."""

    fields: Application
    pd: float
    a: Decision
    b: Decision
    defaulted: bool


@pytest.fixture(scope="module")
def cases(sides: tuple[Side, Side], loans: pa.Table, contract: Contract) -> list[Case]:
    a, b = (side.assessor.engine for side in sides)
    rows = [{k: v for k, v in row.items() if v is not None} for row in loans.to_pylist()]
    labels = [row.pop("loan_status") for row in rows]
    assessed = a.assess([contract.parse(row) for row in rows])
    return [
        Case(each.fields, each.pd, each.decision,
             decide(b.policy, each.fields, each.pd, a.scorer.ranges.outside(each.fields).worse), label == 1)
        for each, label in zip(assessed, labels, strict=True)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def changed_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("changed") / "changed.parquet"


@pytest.fixture(scope="module")
def comparison(sides: tuple[Side, Side], loans: pa.Table, changed_file: Path) -> Comparison:
    a, b = (side.assessor for side in sides)
    return compare(a, b, loans.schema, blocks_of(loans), by=BY, changed=changed_file)


class TestAgainstTheEngine:
    def test_swaps(self, comparison: Comparison, cases: list[Case]) -> None:
        """Every application is in one cell, and each cell says what became of its own."""
        expected = Counter((case.a.outcome, case.b.outcome) for case in cases)
        assert expected == {(s.a, s.b): s.by_a.applications for s in comparison.swaps if s.by_a.applications}
        assert len(expected) > 5
        for swap in comparison.swaps:
            cell = [case for case in cases if (case.a.outcome, case.b.outcome) == (swap.a, swap.b)]
            assert len(cell) == swap.by_a.applications == swap.by_a.known
            if cell:
                assert np.mean([case.pd for case in cell]) == pytest.approx(swap.by_a.expected_bad, rel=1e-12)
                assert np.mean([case.defaulted for case in cell]) == pytest.approx(swap.by_a.observed_bad.value)
        moved = sum(case.a.outcome is not case.b.outcome for case in cases)
        assert (moved, 1 - moved / len(cases)) == (comparison.changed, pytest.approx(comparison.agreed.value))

    def test_groups(self, comparison: Comparison, cases: list[Case], contract: Contract) -> None:
        """Of the whole and of each group, those approved without conditions."""
        everybody = comparison.groups[0]
        assert ("all", "", len(cases)) == (everybody.grouping, everybody.name, everybody.applications)
        renters = next(g for g in comparison.groups if (g.grouping, g.name) == ("home ownership", "RENT"))
        inside = [case for case in cases if case.fields["person_home_ownership"] == "RENT"]
        approved = [case for case in inside if case.b.outcome is Outcome.APPROVE]
        assert (len(inside), len(approved)) == (renters.applications, renters.b.applications)
        assert len(approved) / len(inside) == pytest.approx(renters.b.share)
        for title in {group.grouping for group in comparison.groups}:
            assert len(cases) == sum(g.applications for g in comparison.groups if g.grouping == title)
        assert len(contract.groups) + 1 == len({group.grouping for group in comparison.groups})

    def test_profit(self, comparison: Comparison, cases: list[Case]) -> None:
        """The margin where it is repaid, the loss where it isn't; expected by the PD, observed by the outcome."""
        given = next(each for each in comparison.given if each.outcome == Outcome.APPROVE)
        for lending, approved in (
            (given.a, [case for case in cases if case.a.outcome is Outcome.APPROVE]),
            (given.b, [case for case in cases if case.b.outcome is Outcome.APPROVE]),
        ):
            amounts = [case.fields["loan_amnt"] for case in approved]
            earned = [a * (-0.6 if case.defaulted else 0.12) for a, case in zip(amounts, approved, strict=True)]
            due = [a * ((1 - c.pd) * 0.12 - c.pd * 0.6) for a, c in zip(amounts, approved, strict=True)]
            assert (sum(amounts), sum(earned), sum(due)) == pytest.approx(
                (lending.amount, lending.observed_profit, lending.expected_profit)
            )

    def test_rules(self, sides: tuple[Side, Side], comparison: Comparison, cases: list[Case]) -> None:
        """One decides alone where the outcome would be better if it were not there."""
        for side, uses in enumerate(comparison.rules):
            policy = sides[side].assessor.engine.policy
            assert [rule.id for rule in policy.rules] == [use.id for use in uses]
            for rule, use in zip(policy.rules, uses, strict=True):
                held = alone = 0
                for case in cases:
                    decision = (case.a, case.b)[side]
                    if rule in decision.rules:
                        held += 1
                        without = decision.band
                        for other in decision.rules:
                            without = without if other is rule else worst(without, other.outcome)
                        alone += without is not decision.outcome
                assert (held, alone) == (use.holds, use.alone)
        assert any(0 < use.alone < use.holds for use in comparison.rules[0])

    def test_ranking(self, comparison: Comparison, cases: list[Case]) -> None:
        labels, pds = [case.defaulted for case in cases], [case.pd for case in cases]
        assert roc_auc_score(labels, pds) == pytest.approx(comparison.ranking[0].auc, abs=5e-4)
        assert brier_score_loss(labels, pds) == pytest.approx(comparison.ranking[0].brier.value)
        assert comparison.brier_difference.value == 0

    def test_changed_applications(self, comparison: Comparison, cases: list[Case], changed_file: Path) -> None:
        """Those whose decision differs, all of them, with the file's own columns."""
        found = parquet.read_table(changed_file).to_pylist()
        expected = [i for i, case in enumerate(cases) if case.a.outcome is not case.b.outcome]
        assert expected == [row["row"] for row in found]
        assert comparison.changed == len(found)
        for row in found:
            case = cases[row["row"]]
            assert (case.a.outcome, case.b.outcome, case.pd) == (
                row["decision_a"], row["decision_b"], row["probability_of_default_b"])  # fmt: skip
            assert [rule.id for rule in case.b.rules] == row["rules_b"]
            assert case.fields["loan_amnt"] == row["loan_amnt"]
        assert 0o600 == changed_file.stat().st_mode & 0o777


class TestWhatIsNotThere:
    def compared(self, sides: tuple[Side, Side], whole: pa.Table, **options: Any) -> Comparison:
        a, b = (side.assessor for side in sides)
        return compare(a, b, whole.schema, blocks_of(whole), **options)

    def test_the_same_policy_twice(self, sides: tuple[Side, Side], loans: pa.Table) -> None:
        comparison = self.compared((sides[0], sides[0]), loans.slice(0, 300))
        assert (0, 1.0) == (comparison.changed, comparison.agreed.value)

    def test_pieces_make_no_difference(self, sides: tuple[Side, Side], loans: pa.Table) -> None:
        a, b = (side.assessor for side in sides)
        few = loans.slice(0, 300)
        one, many = (compare(a, b, few.schema, blocks_of(few, rows)) for rows in (300, 7))
        assert [swap.by_a.observed_bad for swap in one.swaps] == [swap.by_a.observed_bad for swap in many.swaps]
        assert one.rules == many.rules
        assert (one.binned == many.binned).all()
        for first, second in zip(one.groups, many.groups, strict=True):
            assert first.b.expected_bad == pytest.approx(second.b.expected_bad, rel=1e-12, nan_ok=True)

    def test_without_outcomes(self, sides: tuple[Side, Side], loans: pa.Table) -> None:
        """Nothing is observed, and nothing is made up."""
        comparison = self.compared(sides, loans.slice(0, 300).drop_columns(["loan_status"]), by=BY)
        assert 0 == comparison.known
        assert math.isnan(comparison.groups[0].a.observed_bad.value)
        assert math.isnan(comparison.groups[0].a.observed_profit)
        assert comparison.groups[0].a.expected_profit != 0
        assert comparison.document()["ranking"][0]["auc"] is None

    @pytest.mark.parametrize(
        ("values", "known", "strange"),
        [([1, 0, None], 200, 0), ([1, 0, 7], 200, 100), (["1", "0", "na"], 200, 0), (["1.0", " 0", "late"], 200, 100)],
    )
    def test_labels_that_say_nothing(
        self, sides: tuple[Side, Side], loans: pa.Table, values: list[Any], known: int, strange: int
    ) -> None:
        """A value that is no label is no outcome, and is told."""
        few = loans.slice(0, 300)
        labels = pa.array([values[i % 3] for i in range(300)])
        few = few.set_column(few.schema.get_field_index("loan_status"), "loan_status", labels)
        comparison = self.compared(sides, few)
        assert (known, strange) == (comparison.known, comparison.strange)

    def test_rows_outside_the_contract_are_left_out(self, sides: tuple[Side, Side], loans: pa.Table) -> None:
        few = loans.slice(0, 300)
        grades = pa.array(["Z" if i % 3 == 0 else "B" for i in range(300)])
        comparison = self.compared(
            sides, few.set_column(few.schema.get_field_index("loan_grade"), "loan_grade", grades)
        )
        assert (300, (100, 100), 200) == (comparison.rows, comparison.unread, comparison.applications)

    def test_only_bad_rows(self, sides: tuple[Side, Side], loans: pa.Table, tmp_path: Path) -> None:
        bad = with_grades(loans.slice(0, 300), ["Z"] * 300)
        with pytest.raises(NoApplicationsError, match="none of its 300 rows is within the contract"):
            self.compared(sides, bad, changed=tmp_path / "changed.parquet")
        assert [] == list(tmp_path.iterdir())

    def test_no_rows(self, sides: tuple[Side, Side], loans: pa.Table) -> None:
        with pytest.raises(NoApplicationsError, match="no rows"):
            self.compared(sides, loans.slice(0, 0))

    def test_missing_columns(self, sides: tuple[Side, Side], loans: pa.Table) -> None:
        with pytest.raises(UnfitInputError, match="there is no column loan_grade"):
            self.compared(sides, loans.drop_columns(["loan_grade"]))

    @pytest.mark.parametrize("column", ["margin", "loan_intent"])
    def test_terms_that_are_none(self, sides: tuple[Side, Side], loans: pa.Table, column: str) -> None:
        with pytest.raises(UnfitInputError, match=column):
            self.compared(sides, loans.slice(0, 50), by=Assumptions(column, 0.6))

    def test_terms_from_columns(self, sides: tuple[Side, Side], loans: pa.Table) -> None:
        """A loan without them has no profit, and is counted."""
        few = loans.slice(0, 300)
        rates = pa.array([None if i % 3 == 0 else "0.12" for i in range(300)])
        comparison = self.compared(sides, few.append_column("rate", rates), by=Assumptions("rate", 0.6))
        constant = self.compared(sides, few.take([i for i in range(300) if i % 3]), by=BY)
        assert (300, 200, 200) == (comparison.applications, comparison.valued, constant.valued)
        assert constant.groups[0].a.expected_profit == pytest.approx(comparison.groups[0].a.expected_profit)

    def test_a_column_that_would_stand_twice(self, sides: tuple[Side, Side], loans: pa.Table, tmp_path: Path) -> None:
        few = loans.slice(0, 50).append_column("row", pa.array(range(50)))
        with pytest.raises(UnfitInputError, match=r"row: .* rename the input's"):
            self.compared(sides, few, changed=tmp_path / "changed.parquet")

    def test_cancelled(self, sides: tuple[Side, Side], loans: pa.Table, tmp_path: Path) -> None:
        """Between two tables, and no file is left."""
        done: list[int] = []
        with pytest.raises(CancelledError):
            self.compared(sides, loans, changed=tmp_path / "changed.parquet", cancelled=lambda: len(done) == 2,
                          told=lambda rows, _: done.append(rows))  # fmt: skip
        assert [400, 400] == done
        assert [] == list(tmp_path.iterdir())


class TestSides:
    def test_two_models(self, loans: pa.Table, stricter: Path) -> None:
        """Each with a policy of its own."""
        a, b = open_models(MODEL_FOLDER, MODEL_FOLDER, POLICY_FILE, stricter)
        comparison = compare(a.assessor, b.assessor, loans.schema, blocks_of(loans.slice(0, 100)))
        assert ("1.1.0", "2.0.0") == (comparison.a.policy_version, comparison.b.policy_version)

    def test_two_contracts(self, loans: pa.Table, tmp_path: Path) -> None:
        """Only what both read is compared, and each reads its own way."""

        def young(contract: dict[str, Any]) -> None:
            age = next(field for field in contract["fields"] if field["name"] == contract["age"])
            contract["version"], age["maximum"] = "9.0.0", 60

        def only_young(golden: dict[str, Any]) -> None:
            golden["applications"] = [e for e in golden["applications"] if e["application"]["person_age"] <= 60]

        other = tmp_path / "model"
        shutil.copytree(MODEL_FOLDER, other)
        edit_signed(other, "contract.json", young)
        edit_signed(other, "golden_applications.json", only_young)
        a, b = open_models(MODEL_FOLDER, other, POLICY_FILE, POLICY_FILE)
        comparison = compare(a.assessor, b.assessor, loans.schema, blocks_of(loans))
        inside = sum(age <= 60 for age in loans.column("person_age").to_pylist())
        assert 0 < inside < 1500
        assert ((0, 1500 - inside), inside) == (comparison.unread, comparison.applications)
        assert (False, 0) == (comparison.same_model, comparison.changed)
        assert comparison.brier_difference.value == 0

    def test_an_unfit_policy_is_compared_and_told(self, sides: tuple[Side, Side]) -> None:
        """Its approvals reach below the reference population; that is to be mended before it is served."""
        assert sides[0].unfit is None
        assert "thresholds.approve_below: 0.05 lies under" in str(sides[1].unfit)

    def test_a_policy_and_a_model(self) -> None:
        with pytest.raises(NotComparableError, match="name two of a kind"):
            are_models(POLICY_FILE, MODEL_FOLDER)

    def test_a_folder_of_neither(self, tmp_path: Path) -> None:
        with pytest.raises(NotComparableError, match="holds neither"):
            are_models(POLICY_FILE, tmp_path)
