"""What a part of the benchmark reports: tables for people, figures for targets and comparisons."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.spread import Spread, spread


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text.

    Attributes:
        head: names of the columns.
        rows: as many cells as there are columns.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """The table in Markdown."""
        lines = [self.head, ("---",) * len(self.head), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Two figures of the same run, one over the other.

    Attributes:
        over: round by round.
        higher_is_better: which way a loss lies.
    """

    over: Spread
    higher_is_better: bool


@dataclass(frozen=True, slots=True)
class Section:
    """One part's outcome.

    Attributes:
        title: what was measured.
        tables: for people.
        ratios: by name; these are compared between runs.
        figures: by name; absolutes, which are this machine's own.
        notes: what else must be known.
    """

    title: str
    tables: tuple[Table, ...]
    ratios: dict[str, Ratio] = field(default_factory=dict)
    figures: dict[str, Spread] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def markdown(self) -> str:
        """As Markdown, without a title."""
        return "\n\n".join((*(table.markdown() for table in self.tables), *self.notes))


def read_section(document: dict[str, Any]) -> Section:
    """A section from what `Section.document` made of it."""
    return Section(
        document["title"],
        tuple(Table(tuple(table["head"]), tuple(map(tuple, table["rows"]))) for table in document["tables"]),
        {
            name: Ratio(spread(ratio["over"]["rounds"]), ratio["higher_is_better"])
            for name, ratio in document["ratios"].items()
        },
        {name: spread(figure["rounds"]) for name, figure in document["figures"].items()},
        tuple(document["notes"]),
    )
