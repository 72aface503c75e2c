"""Who does the parts: what every engine is given, and gives back."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol

from portfolio.reading.spans import Part
from portfolio.running.receipt import Receipt
from portfolio.running.scoring import Work

ATTEMPTS = 3
"""Workers that a part may cost. One that has cost so many would cost the next one too."""


class Listener(Protocol):
    """Hears how far the parts have come."""

    def at(self, part: int, rows: int, bad: int) -> None:
        """So many rows of a part are done, and so many of them have no answer."""

    def lost(self, part: int) -> None:
        """A part's worker is gone, and another begins it anew."""

    def tick(self) -> None:
        """Nothing has happened for a while."""


class Engine(Protocol):
    """Does parts."""

    def run(self, work: Work, parts: Sequence[Part], listener: Listener) -> Generator[Receipt]:
        """Do all parts, in any order; a receipt as each is done.

        Whoever closes the iterator ends the workers.

        Raises:
            PortfolioError: a part can't be done.
        """


def lost_too_often(part: Part, how: str) -> str:
    """What is told where a part has cost too many workers."""
    return (
        f"part {part.number} (rows {part.first_row} to {part.first_row + part.rows - 1}) has cost {ATTEMPTS} workers "
        f"their lives, the last one {how}; look whether memory is short, then run the same command again"
    )
