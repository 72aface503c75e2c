"""What the p99 of the accepted is held against, with a server that answers as it is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.load import Load
from benchmarks.openloop import OpenLoop
from benchmarks.section import Section
from benchmarks.sections import overload

NAME = "accepted p99 at three times saturation ÷ (places ÷ answers a second)"


def measured(statuses: dict[int, int]) -> Section:
    """Of rounds that end with these answers, at 9,000 requests/s."""
    outcome = OpenLoop(sum(statuses.values()), statuses, statuses.get(429, 0), {"p99": 0.5}, 0.0001, 9000.0)
    server = SimpleNamespace(usage=lambda: SimpleNamespace(pss=2e8))
    run: Any = SimpleNamespace(
        rounds=5,
        seconds=1.0,
        saturation=lambda: 3000.0,
        server=lambda _: server,
        open_at_any_lateness=lambda *_, **__: outcome,
        load=lambda *_, **__: Load(3000, 1.0, 0.01, 0.02),
    )
    return overload.measure(run)


def test_the_accepted_are_held_against_the_places_over_the_answers_a_second() -> None:
    section = measured({200: 3000, 429: 6000})
    assert section.ratios[NAME].over.rounds == pytest.approx([0.5 / (512 / 3000)] * 3)
    assert section.ratios["throughput after overload ÷ before"].over.rounds == (1, 1, 1)


def test_a_round_with_room_for_all_is_none() -> None:
    section = measured({200: 9000})
    assert section.ratios[NAME].over.rounds == ()
    assert section.notes == (
        "3 rounds discarded, in which nothing was turned away: saturation had been measured too low.",
    )
