"""What an applicant could state instead of a value, worst first, and what stands in for one that is missing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing.base import beyond, opposite
from preprocessing.fields import Integer, Number, Ordered, Ratio

ENDS = st.tuples(st.integers(-(10**6), 10**6), st.sampled_from([0, 1e-3, 0.5, 1, 9, 10, 2000])).map(
    lambda at: (float(at[0]), float(at[0]) + at[1])
)


def number(low: float, high: float, **more: Any) -> Number:
    return Number(type="number", name="n", description="d", minimum=low, maximum=high, **more)


class TestSteps:
    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [
            (0, 10, list(range(11))),
            (0.5, 12.5, list(range(1, 13))),
            (0, 0.002, [i / 100_000 for i in range(201)]),
            (5, 5, [5]),
            (0, 1, [i / 100 for i in range(101)]),
            (0, 9.99, [i / 100 for i in range(1000)]),
        ],
    )
    def test_of_numbers(self, low: float, high: float, expected: list[float]) -> None:
        """Whole units where the range is ten wide or more, else at least a hundred decimal steps; the worst first."""
        assert repr(expected) == repr(list(number(low, high, direction="falls").worst_first))
        assert expected[::-1] == list(number(low, high, direction="rises").worst_first)
        assert list(number(low, high).worst_first) == []

    def test_of_the_narrowest(self) -> None:
        """A power of ten that no float holds is not tried."""
        assert list(number(0, 5e-324, direction="falls").worst_first) == [0.0]
        assert [len(number(0, width, direction="falls").worst_first) for width in (1e-298, 1e-299)] == [101, 11]

    @given(st.integers(-50, 50), st.integers(0, 5))
    def test_of_integers(self, low: int, width: int) -> None:
        """Always whole units, and only what is plausible."""
        field = Integer(
            type="integer", name="n", description="d", minimum=low - 9, maximum=low + width + 9, direction="falls",
            plausible={"minimum": low, "maximum": low + width, "remedy": "r"},  # type: ignore[arg-type]
        )  # fmt: skip
        assert list(field.worst_first) == list(range(low, low + width + 1))
        assert (field.least, field.greatest) == (low, low + width)


class TestStandIns:
    @given(ENDS)
    def test_lie_beyond_an_end(self, ends: tuple[float, float]) -> None:
        """By the range's width and one, which trained models know; so far that a float32 tells them from it."""
        low, high = ends
        assert beyond("worst", "rises", low, high) == beyond("best", "falls", low, high) == high + (1 + high - low)
        assert beyond("best", "rises", low, high) == beyond("worst", "falls", low, high) == low - (1 + high - low)
        assert np.float32(low - (1 + high - low)) < np.float32(low)

    def test_of_states_and_missing_values(self) -> None:
        """Only where a direction says what is worse, and of what may be missing; the rest is imputed, or marked."""
        codes = {"codes": {"a": -1, "b": -2}, "standing": {"a": "best"}}
        whole = number(0, 9, direction="rises", nullable=True, **codes)
        plain, *marks = whole.features(may_lack=True)
        assert (dict(plain.stand_ins), plain.imputed) == ({"a": -10, None: 19}, True)
        assert [mark.name for mark in marks] == ["n_b"]
        plain, *marks = number(0, 9, nullable=True, missing="own").features(may_lack=True)
        assert (dict(plain.stand_ins), plain.imputed) == ({}, True)
        assert [(mark.name, mark.values) for mark in marks] == [("n_missing", {None})]
        (plain,) = number(0, 9, direction="falls", nullable=True).features(may_lack=True)
        assert (dict(plain.stand_ins), plain.imputed) == ({None: -10}, False)
        (plain,) = number(0, 9, direction="falls").features(may_lack=False)
        assert (dict(plain.stand_ins), plain.imputed) == ({}, False)

    def test_of_ratios_and_ranks(self) -> None:
        """A ratio begins at 0, a rank ends at one less than there are categories."""
        ratio = Ratio(
            type="ratio", name="r", description="d", numerator="a", denominator="b", maximum=4, direction="rises"
        )
        (feature,) = ratio.features(may_lack=True)
        assert (dict(feature.stand_ins), feature.imputed) == ({None: 9}, False)
        ranked = {"type": "ordered", "name": "o", "description": "d", "categories": ("x", "y", "z"), "nullable": True}
        for direction, stand_in in (("rises", 5), ("falls", -3)):
            (feature,) = Ordered.model_validate(ranked | {"direction": direction}).features(may_lack=True)
            assert (dict(feature.stand_ins), feature.imputed) == ({None: stand_in}, False)
            assert feature.ranks == {"x": 0, "y": 1, "z": 2}


def test_opposites() -> None:
    """Each is the other's, and of none there is none."""
    assert (opposite("rises"), opposite("falls"), opposite(None)) == ("falls", "rises", None)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_no_end_is_infinite(value: float) -> None:
    """Neither of a range nor of a code."""
    for made in ({"low": value, "high": 1}, {"low": 0, "high": value}, {"low": 0, "high": 1, "codes": {"a": value}}):
        with pytest.raises(ValueError, match="n"):
            number(**made)
