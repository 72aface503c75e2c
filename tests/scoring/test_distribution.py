from __future__ import annotations

import json
import math

import pytest
from pydantic import ValidationError

from preprocessing.documents import InvalidDocumentError, read_document
from preprocessing.fields import PD
from scoring.artifact import read_artifact
from scoring.distribution import OTHER, FieldBins, Range, TrainingDistribution
from scoring.ranges import NOTHING
from scoring.scorer import Scorer
from tests.applications import EXAMPLE, FIELDS, parse_application
from tests.artifacts import MODEL_FOLDER

NUMBERS = FieldBins(field="loan_amnt", edges=[10.0, 20.0], categories=[], shares=[0.2, 0.3, 0.5], missing=0.0)
CATEGORIES = FieldBins(field="loan_grade", edges=[], categories=["B", "A"], shares=[0.6, 0.4], missing=0.0)


class TestPlaces:
    @pytest.mark.parametrize(
        ("value", "label"),
        [(-1, "0"), (10, "0"), (10.0, "0"), (math.nextafter(10, 11), "1"), (20, "1"), (20.5, "2"), (1e9, "2")],
    )
    def test_numbers(self, value: float, label: str) -> None:
        """A number's bin is the first whose upper bound it does not exceed; the last bin has none."""
        assert label == NUMBERS.labels[NUMBERS.place(value)]

    @pytest.mark.parametrize(("value", "label"), [("B", "B"), ("A", "A"), ("C", OTHER)])
    def test_categories(self, value: str, label: str) -> None:
        """A category is its own bin, and one that the training data lacks is in the other one."""
        assert label == CATEGORIES.labels[CATEGORIES.place(value)]

    def test_missing(self) -> None:
        """A missing value is behind all bins."""
        assert (len(NUMBERS.labels), len(CATEGORIES.labels)) == (NUMBERS.place(None), CATEGORIES.place(None))

    def test_in_the_order_of_the_shares(self) -> None:
        """There is one label for each expected share, in their order."""
        assert ((0.2, 0.3, 0.5), (0.6, 0.4, 0.0)) == (NUMBERS.expected, CATEGORIES.expected)
        assert (("0", "1", "2"), ("B", "A", OTHER)) == (NUMBERS.labels, CATEGORIES.labels)


class TestCoherence:
    @pytest.mark.parametrize("edges", [[20.0, 10.0], [10.0, 10.0], [10.0, math.nan]])
    def test_edges(self, edges: list[float]) -> None:
        """Edges that do not rise are refused: a value would have no bin, or two."""
        with pytest.raises(ValidationError):
            FieldBins.model_validate(NUMBERS.model_dump() | {"edges": edges})

    @pytest.mark.parametrize("bins", [{"edges": [1.0]}, {"edges": [], "categories": ["A"]}, {"categories": ["A"]}])
    def test_shares(self, bins: dict[str, list[object]]) -> None:
        """Bins without a share each, or of both kinds, are refused."""
        with pytest.raises(ValidationError):
            FieldBins.model_validate(NUMBERS.model_dump() | bins)

    @pytest.mark.parametrize("wrong", [{"range": {"low": 2, "high": 1}}, {"range": {"low": 0, "high": math.inf}}])
    def test_range(self, wrong: dict[str, object]) -> None:
        """A range that falls, or has no end, is refused."""
        with pytest.raises(ValidationError):
            FieldBins.model_validate(NUMBERS.model_dump() | wrong)

    def test_range_of_one_number(self) -> None:
        """Where all training data is alike."""
        assert Range(low=1, high=1).low == 1

    @pytest.mark.parametrize("wrong", [{"range": {"low": 1, "high": 2}}, {"states": ["a"]}, {"edges": [1.0]}])
    def test_no_numbers_of_categories(self, wrong: dict[str, object]) -> None:
        """Neither a range of categories, nor states, nor edges; as many shares as would be right for either."""
        for shares in ([0.6, 0.4], [0.6, 0.3, 0.1], [0.4, 0.3, 0.2, 0.1]):
            with pytest.raises(ValidationError):
                FieldBins.model_validate(CATEGORIES.model_dump() | wrong | {"shares": shares})

    def test_states_are_behind_the_numbers(self) -> None:
        """Each with a share and a label of its own; those without a share were never seen."""
        bins = FieldBins(
            field="a", edges=[1.0], categories=[], states=["s", "t"], shares=[0.5, 0.2, 0.3, 0.0], missing=0
        )
        assert ("0", "1", "s", "t") == bins.labels
        assert [0, 1, 2, 3, 4] == [bins.place(value) for value in (1, 2, "s", "t", None)]
        assert (0.5, 0.2, 0.3, 0.0) == bins.expected
        assert {"s"} == bins.seen

    def test_older_format(self) -> None:
        """A file of an older format is refused for that alone, not for what it lacks."""
        older = {"format": 1, "rows": 1, "bins": [NUMBERS.model_dump(exclude={"range"})]}
        with pytest.raises(InvalidDocumentError) as refused:
            read_document(TrainingDistribution, json.dumps(older).encode())
        assert ("as a whole: it is of format 1, and this code reads 2, which has ranges",) == refused.value.problems


class TestShipped:
    def test_fields(self) -> None:
        """Every scored field and the PD have their bins once, and no other field has."""
        artifact = read_artifact(MODEL_FOLDER)
        names = [bins.field for bins in artifact.distribution.bins]
        assert {*artifact.schema.fields, PD} == set(names)
        assert len(names) == len(set(names))
        assert set(names) - {PD} <= set(FIELDS)

    def test_ranges(self) -> None:
        """Every scored number has a range, and the README's application lies within all of them."""
        artifact = read_artifact(MODEL_FOLDER)
        ranges = {bins.field for bins in artifact.distribution.bins if bins.range}
        assert {name for name in artifact.contract.scored if not artifact.contract.by_name[name].choices} == ranges
        assert NOTHING == Scorer(artifact).ranges.outside(parse_application(EXAMPLE))

    def test_shares_add_up(self) -> None:
        """The shares of a field's bins are all of the applications that state it."""
        for bins in read_artifact(MODEL_FOLDER).distribution.bins:
            assert sum(bins.shares) == pytest.approx(1, abs=1e-4)
