"""Whether better values would have lowered the PD, against trying all there are; and that no reason says otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier

from decision import PolicyFiles
from decision.reasons import ReasonCatalogue
from preprocessing.application import Application
from preprocessing.contract import Contract
from preprocessing.fields import AnyField, Flag, Integer, Number, Ratio
from scoring.attribution import Attributor
from scoring.improvements import Improvements, Question, best_values, representatives
from tests.applications import CONTRACT, examples
from tests.books import Document, contract_of
from tests.contracts import Small, applications, contracts, policy_of
from tests.telemetry import Engine

SEEDS = st.integers(0, 10**6)


class LeastRiskInside(Small):
    """A model that sees a ratio only, whose risk is least from .5 to 2."""

    @cached_property
    def model(self) -> GradientBoostingClassifier:
        matrix = self.matrix.copy()
        matrix[:, :2] = 0
        labels = (abs(np.log2(matrix[:, 2])) > 1).astype(int)
        return GradientBoostingClassifier(n_estimators=4, max_depth=2, random_state=1).fit(matrix, labels)


class OnlyGood(Small):
    """A model of a category whose risk is less for `d` than for all others."""

    @cached_property
    def model(self) -> GradientBoostingClassifier:
        (column,) = [i for i, feature in enumerate(self.contract.features) if "d" in feature.values]
        labels = (self.matrix[:, column] == 0).astype(int)
        return GradientBoostingClassifier(n_estimators=4, max_depth=2, random_state=1).fit(self.matrix, labels)


def improved(field: AnyField, application: Application, contract: Contract, every: Sequence[Any]) -> Iterator[Any]:
    """The same applications with other values of one field, better ones where the contract says which."""
    worse = {"rises": lambda value, own: value >= own, "falls": lambda value, own: value <= own}.get(
        field.direction or ""
    )
    order = (field.no, field.yes) if isinstance(field, Flag) else field.choices
    own = application[field.name]
    for value in every:
        if worse and own is not None and not isinstance(field, Number | Integer | Ratio):
            if worse(order.index(value), order.index(own)):
                continue
        elif worse and not isinstance(own, str | None) and not isinstance(value, str) and worse(value, own):
            continue
        if isinstance(field, Ratio):
            yield {**application, field.name: value}
        else:
            yield contract.with_values(application, {field.name: value})


def every_value(field: AnyField, thresholds: Sequence[float], steps: int) -> list[Any]:
    """All choices, or numbers enough that each side of each threshold has one."""
    if field.choices:
        return list(field.choices)
    low, high = (0.0, field.maximum) if isinstance(field, Ratio) else (field.least, field.greatest)  # type: ignore[union-attr]  # a number
    spread = [low + (high - low) * i / steps for i in range(steps + 1)]
    near = [t + shift * max(1e-3, abs(t) * 1e-6) for t in thresholds for shift in (-1, 0, 1)]
    values = [value for value in [*spread, *near] if low <= value <= high]
    if isinstance(field, Integer):
        values = sorted({whole for v in values for whole in (int(v), int(v) + 1) if low <= whole <= high})
    best = [state for state, end in getattr(field, "standing", {}).items() if end == "best"]
    return [*values, *best]


def tried(small: Small, application: Application, name: str) -> bool:
    """Whether any better value lowers the PD, by trying them."""
    contract = small.contract
    field = contract.by_name[name]
    moved = [name, *(r.name for r in contract.ratios if r.scored and name in (r.numerator, r.denominator))]
    thresholds: list[float] = []
    for mover in moved:
        cuts = small.scorer.leaves.ensemble.thresholds(small.schema.columns(mover))
        ratio = contract.by_name[mover]
        if mover != name and isinstance(ratio, Ratio):
            held = application[ratio.denominator if ratio.numerator == name else ratio.numerator]
            if not isinstance(held, int | float):
                continue
            cuts = [cut * held if ratio.numerator == name else held / cut for cut in cuts if cut > 0]
        thresholds += cuts
    others = list(improved(field, application, contract, every_value(field, thresholds, 50)))
    scores = small.scorer.score([application, *others]).pd
    return bool((scores[1:] < scores[0]).any())


def lowering(small: Small, application: Application, *groups: Sequence[str]) -> list[bool]:
    scores = small.scorer.score([application])
    return Improvements(small.scorer).lowering(application, scores.matrix[0], float(scores.pd[0]), groups)


class TestImprovements:
    @examples(40)
    @given(contracts(), st.integers(1, 4), SEEDS)
    def test_are_what_trying_values_finds(self, contract: Contract, depth: int, seed: int) -> None:
        small = Small(contract, applications(contract, 120, seed), depth, seed)
        for application in applications(contract, 8, seed + 1):
            expected = [tried(small, application, name) for name in contract.scored]
            assert expected == lowering(small, application, *([name] for name in contract.scored))

    @examples(20)
    @given(contracts(), SEEDS)
    def test_of_a_group_one_is_enough(self, contract: Contract, seed: int) -> None:
        """And no group's answer depends on which others are asked about at the same time."""
        small = Small(contract, applications(contract, 120, seed), 3, seed)
        for application in applications(contract, 4, seed + 1):
            alone = [lowering(small, application, [name])[0] for name in contract.scored]
            assert [any(alone), False, *alone] == lowering(
                small, application, contract.scored, [], *([name] for name in contract.scored)
            )

    @examples(20)
    @given(contracts(), SEEDS)
    def test_of_many_applications_each_is_answered_by_itself(self, contract: Contract, seed: int) -> None:
        small = Small(contract, applications(contract, 120, seed), 3, seed)
        asked = applications(contract, 6, seed + 1)
        scores = small.scorer.score(asked)
        groups = [[[name] for name in contract.scored[i:]] for i in range(len(asked))]  # of the last ones maybe none
        questions = map(Question, asked, scores.encoded, scores.pd.tolist(), groups)
        expected = [lowering(small, application, *of_one) for application, of_one in zip(asked, groups, strict=True)]
        assert expected == Improvements(small.scorer).lowering_each([*questions])

    def test_of_what_the_likely_value_lowers_no_other_is_tried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is the one with the least PD in an example; here no other would do."""
        kind: Document = {"name": "kind", "type": "category", "description": "d", "categories": [*"abcdef"],
                          "example": "a"}  # fmt: skip
        contract = contract_of(
            {"format": 1, "name": "b", "version": "1.0.0", "fields": [kind],
             "label": {"column": "bad", "defaulted": [1], "repaid": [0]}}
        )  # fmt: skip
        small = OnlyGood(contract, applications(contract, 200, 3), 2, 3)
        improvements, pds = Improvements(small.scorer), small.scorer.pds
        tried: list[int] = []

        def noting(encoded: NDArray[Any]) -> NDArray[np.float64]:
            tried.append(len(encoded))
            return pds(encoded)

        monkeypatch.setattr(small.scorer, "pds", noting)
        for own, expected in (("a", ([True], [1])), ("d", ([False], [1, 5]))):
            scores = small.scorer.score([contract.parse({"kind": own})])
            tried.clear()
            found = improvements.lowering({"kind": own}, scores.matrix[0], float(scores.pd[0]), [["kind"]])
            assert expected == (found, tried)

    def test_a_number_without_a_direction_is_tried_where_its_ratio_crosses_a_threshold(self) -> None:
        """Neither end of its range helps, and no split reads it; between them lies the ratio of the least risk."""
        numbers = [
            {"name": name, "type": "number", "description": "d", "minimum": 1, "maximum": 1000, "example": 1}
            for name in ("above", "below")
        ]
        ratio = {"name": "ratio", "type": "ratio", "description": "d", "numerator": "above", "denominator": "below",
                 "maximum": 1000}  # fmt: skip
        contract = contract_of(
            {"format": 1, "name": "b", "version": "1.0.0", "fields": [*numbers, ratio],
             "label": {"column": "bad", "defaulted": [1], "repaid": [0]}}
        )  # fmt: skip
        small = LeastRiskInside(contract, applications(contract, 200, 3), 2, 3)
        application = contract.parse({"above": 90, "below": 10})
        assert lowering(small, application, *([name] for name in contract.scored)) == [True, True, True]


class TestBestValues:
    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("person_income", (1e9,)),
            ("loan_amnt", (1,)),
            ("loan_percent_income", (0.0,)),
            ("loan_grade", ("A",)),
            ("cb_person_default_on_file", ("N",)),
            ("person_emp_length", (80,)),
            ("loan_intent", CONTRACT.by_name["loan_intent"].choices),
        ],
    )
    def test_of_the_default_book(self, name: str, values: tuple[Any, ...]) -> None:
        assert values == best_values(CONTRACT.by_name[name])

    def test_a_state_that_stands_best_is_one(self) -> None:
        """Of somebody in that state no number is better."""
        since: Document = {
            "name": "since", "type": "integer", "description": "d", "minimum": 0, "maximum": 600, "example": 20,
            "codes": {"never": -7, "no_record": -9}, "standing": {"never": "best"}, "direction": "falls",
        }  # fmt: skip
        contract = contract_of(
            {"format": 1, "name": "b", "version": "1.0.0", "fields": [since],
             "label": {"column": "bad", "defaulted": [1], "repaid": [0]}}
        )  # fmt: skip
        assert best_values(contract.by_name["since"]) == (600, "never")
        small = Small(contract, applications(contract, 200, 3), 3, 4)
        lowered = [lowering(small, contract.parse({"since": value}), ["since"]) for value in (0, -7)]
        assert lowered == [[True], [False]]


class TestRepresentatives:
    def test_each_interval_has_one(self) -> None:
        assert list(representatives([2.0, 5.0, 5.0, 9.0, 10.0, 20.0], 1, 10)) == [1, 1.5, 3.5, 7.0, 9.5, 10]

    def test_of_whole_numbers_the_first(self) -> None:
        assert list(representatives([2.5, 5.0, 9.9], 0.5, 10, whole=True)) == [1, 3, 6, 10]
        assert list(representatives([1.0, 5.0, 10.0], 1, 10, whole=True)) == [1, 2, 6]


class TestReasons:
    @examples(60)
    @given(contracts(), st.integers(1, 4), SEEDS)
    def test_none_names_a_field_whose_improvement_would_not_lower_the_pd(
        self, contract: Contract, depth: int, seed: int
    ) -> None:
        """Unless nothing would; and they keep the order of the attributions, one to four of them."""
        small = Small(contract, applications(contract, 120, seed), depth, seed)
        reasons = [{"code": f"S{i}", "field": n, "scores": [n], "text": n} for i, n in enumerate(contract.scored)]
        catalogue = ReasonCatalogue.model_validate_json(
            json.dumps({"format": 1, "version": "1.0.0", "reasons": reasons})
        )
        tables = small.scorer.leaves.build_tables(small.matrix[:4])
        files = PolicyFiles(policy_of(contract, []), catalogue, {})
        engine = Engine(small.scorer, Attributor(small.scorer.leaves, tables), files)
        others = applications(contract, 12, seed + 1)
        for assessment, explained in zip(engine.assess(others), engine.explain(others), strict=True):
            if assessment.decision.outcome == "APPROVE":
                continue
            told = assessment.reasons
            assert 1 <= len(told) <= 4
            assert told == explained.reasons  # which are ranked by the attributions themselves
            assert explained.attributions is not None
            impacts = [explained.attributions.by_field[reason.field] for reason in told if reason.source == "score"]
            assert impacts == sorted(impacts, reverse=True)
            true = [tried(small, assessment.fields, reason.field) for reason in told]
            assert all(true) or not any(tried(small, assessment.fields, name) for name in contract.scored)


def test_a_ratio_crosses_its_thresholds_where_one_of_its_two_is_tried() -> None:
    """Whichever of the two moves, the other held: between these values no threshold of the ratio is missed."""
    sums = {"type": "number", "description": "d", "minimum": 1, "maximum": 100, "example": 1}
    ratio = {"name": "r", "type": "ratio", "description": "d", "numerator": "a", "denominator": "b", "maximum": 100}
    label = {"column": "bad", "defaulted": [1], "repaid": [0]}
    fields = [sums | {"name": "a"}, sums | {"name": "b"}, ratio]
    contract = contract_of({"format": 1, "name": "c", "version": "1.0.0", "label": label, "fields": fields})
    rows = applications(contract, 120, 1)
    improvements = Improvements(Small(contract, rows, 3, 1).scorer)
    cuts = improvements._cuts["r"]
    assert cuts
    for name in ("a", "b"):
        tried = list(improvements._cuts_of_ratios(contract.by_name[name], rows[0]))
        crossed = [contract.with_values(rows[0], {name: value})["r"] for value in tried]
        assert crossed == pytest.approx([cut for cut in cuts if cut > 0])
