from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from scoring.calibration import UNCALIBRATED, Calibration

BENT = {"format": 1, "knots": [-2.0, 0.0, 1.0], "values": [-3.0, 0.5, 0.6], "slope_below": 0.5, "slope_above": 2.0}


def steep(knots: list[float], rises: list[float]) -> Calibration:
    """A calibration with any knots, and any rises from one to the next."""
    values = np.cumsum(rises[: len(knots)]).tolist()
    return Calibration(format=1, knots=knots, values=values, slope_below=0.3, slope_above=0.7)


class TestApply:
    def test_hand_values(self) -> None:
        """At the knots their values; straight lines between, below and above them."""
        bent = Calibration(**BENT)
        margins = np.array([-4.0, -2.0, -1.0, 0.0, 0.5, 1.0, 3.0])
        assert [-4.0, -3.0, -1.25, 0.5, 0.55, 0.6, 4.6] == pytest.approx(bent.apply(margins).tolist())

    def test_uncalibrated(self) -> None:
        """Leaves every margin as it is, to the last bit."""
        margins = np.random.default_rng(1).normal(scale=10, size=1000)
        assert margins.tobytes() == UNCALIBRATED.apply(margins).tobytes()

    @given(
        knots=st.lists(st.integers(-9000, 9000).map(lambda n: n / 997), min_size=1, max_size=5, unique=True).map(
            sorted
        ),
        rises=st.lists(st.floats(1e-9, 9), min_size=5, max_size=5),
        margins=st.lists(st.floats(-20, 20), min_size=1, max_size=9),
    )
    def test_never_falls(self, knots: list[float], rises: list[float], margins: list[float]) -> None:
        """In floating point too: at every knot, and one step to either side of it."""
        near = [float(np.nextafter(knot, side)) for knot in knots for side in (-np.inf, knot, np.inf)]
        calibrated = steep(knots, rises).apply(np.array(sorted([*margins, *near])))
        assert (np.diff(calibrated) >= 0).all()

    def test_each_by_itself(self) -> None:
        """Alone and among others the same, bit for bit."""
        bent = Calibration(**BENT)
        margins = np.random.default_rng(2).normal(scale=3, size=700)
        alone = np.concatenate([bent.apply(margins[i : i + 1]) for i in range(len(margins))])
        assert alone.tobytes() == bent.apply(margins).tobytes()


class TestStretch:
    def test_mean_slope(self) -> None:
        """Over the way between two margins, whichever comes first; and at one, the slope there."""
        bent = Calibration(**BENT)
        there, back, nowhere = (bent.stretch(start, np.array([0.0, -2.0, 1.0])).tolist() for start in (-2, 0, 1))
        assert (pytest.approx(3.5 / 2), pytest.approx(3.5 / 2)) == (there[0], back[1])
        assert (0.5, 2.0) == (bent.stretch(-3, np.array([-3.0]))[0], nowhere[2])


class TestRefused:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"values": [-3.0, 0.5]}, "one value for each knot"),
            ({"knots": [-2.0, 0.0, 0.0]}, "knots must rise"),
            ({"values": [-3.0, 0.5, 0.4]}, "values must rise"),
            ({"slope_below": 0.0}, "greater than 0"),
            ({"knots": [-2.0, 0.0, 5e-324]}, "knots lie so close"),
            ({"knots": [], "values": []}, "at least 1"),
        ],
    )
    def test_what_does_not_rise(self, change: dict[str, Any], message: str) -> None:
        """A calibration that could give a better applicant a higher PD is no calibration."""
        with pytest.raises(ValidationError, match=message):
            Calibration(**BENT | change)
