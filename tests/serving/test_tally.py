"""Counts that are carried over say what counting at once would have said."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving.telemetry.tally import CARRIED_AT_ONCE, Tallies

BOUNDS = (0.0, 0.5, 1.0, 2.5)


def make_histogram() -> tuple[CollectorRegistry, Histogram]:
    registry = CollectorRegistry()
    return registry, Histogram("seconds", "Seconds.", buckets=BOUNDS, registry=registry)


def samples(registry: CollectorRegistry) -> dict[tuple[str, str | None], float]:
    return {
        (sample.name, sample.labels.get("le")): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if not sample.name.endswith("_created")
    }


@given(st.lists(st.lists(st.sampled_from(BOUNDS) | st.floats(0, 10))))
def test_a_histogram(rounds: list[list[float]]) -> None:
    """However often it is carried over; also at its very bounds."""
    at_once, expected = make_histogram()
    carried_over, series = make_histogram()
    tallies = Tallies()
    tallied = tallies.histogram(series)
    assert tallied is not series, "prometheus_client has changed: histograms are counted one value at a time"
    for values in rounds:
        for value in values:
            expected.observe(value)
            tallied.observe(value)
        tallies.flush()
    after, before = samples(carried_over), samples(at_once)
    total = ("seconds_sum", None)
    assert math.isclose(after.pop(total), before.pop(total))
    assert after == before


def test_nothing_is_counted_twice_or_before_it_is_carried_over() -> None:
    registry, tallies = CollectorRegistry(), Tallies()
    counted = tallies.tally(Counter("answers", "Answers.", registry=registry))
    counted.add()
    counted.add(2)
    assert registry.get_sample_value("answers_total") == 0
    for _ in range(2):
        tallies.flush()
        assert registry.get_sample_value("answers_total") == 3


def test_a_gauge_goes_down_too() -> None:
    registry, tallies = CollectorRegistry(), Tallies()
    waiting = tallies.tally(Gauge("waiting", "Waiting.", registry=registry))
    for number, expected in ((2, 2), (-1, 1), (-1, 0)):
        waiting.add(number)
        tallies.flush()
        assert registry.get_sample_value("waiting") == expected


def test_a_histogram_of_another_make_counts_at_once() -> None:
    class Other:
        def __init__(self) -> None:
            self.values: list[float] = []

        def observe(self, amount: float) -> None:
            self.values.append(amount)

    other: Any = Other()
    tallies = Tallies()
    tallies.histogram(other).observe(0.5)
    tallies.flush()
    assert other.values == [0.5]


def test_others_have_their_turns_between_parts() -> None:
    """Many tallies are carried over in parts, all of them by the last."""
    registry, tallies = CollectorRegistry(), Tallies()
    answers = Counter("answers", "Answers.", ["kind"], registry=registry)
    for kind in range(3 * CARRIED_AT_ONCE + 1):
        tallies.tally(answers.labels(str(kind))).add()

    def carried() -> float:
        return sum(sample.value for metric in registry.collect() for sample in metric.samples if "total" in sample.name)

    assert [CARRIED_AT_ONCE * part for part in (1, 2, 3)] == [carried() for _ in tallies.parts()]
    assert 3 * CARRIED_AT_ONCE + 1 == carried()
