from __future__ import annotations

import json
import math

import pytest
from pydantic import ValidationError

from preprocessing.documents import InvalidDocumentError, read_document
from preprocessing.fields import PD
from scoring.artifact import read_artifact
from scoring.distribution import OTHER, FieldBins, TrainingDistribution
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

    def test_no_range_of_categories(self) -> None:
        """A range of categories is refused."""
        with pytest.raises(ValidationError):
            FieldBins.model_validate(CATEGORIES.model_dump() | {"range": {"low": 1, "high": 2}})

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
