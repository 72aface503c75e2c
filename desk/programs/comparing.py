"""A program that compares a draft of the policy with the one in force, over a file of past applications.

`python -m desk.programs.comparing FOLDER` reads FOLDER's model, policy, draft and input, tells rows as they are done,
then the comparison's tables, and leaves the page with its plots in FOLDER/comparison.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from desk.jobs.drafts import DRAFT, IN_FORCE, MODEL, PAGE
from desk.jobs.job import INPUT
from desk.programs.limits import run, tell

if TYPE_CHECKING:
    from portfolio.reading.reading import Block
    from portfolio.reading.source import Source
    from portfolio.reading.spans import Part

BLOCK_ROWS = 2_000


def main(folder: Path, _: list[str]) -> None:
    """Compare."""
    from portfolio.assessor import Options  # noqa: PLC0415  # only the program leans on Arrow
    from portfolio.comparing.comparing import compare  # noqa: PLC0415
    from portfolio.comparing.opening import open_portfolio  # noqa: PLC0415
    from portfolio.comparing.page import page  # noqa: PLC0415
    from portfolio.comparing.report import notes, tables  # noqa: PLC0415
    from portfolio.comparing.sides import open_policies  # noqa: PLC0415

    sides = open_policies(folder / IN_FORCE, folder / DRAFT, folder / MODEL)
    a, b = (side.assessor for side in sides)
    source, parts = open_portfolio(folder / INPUT, a, b)
    tell(total=source.rows)
    comparison = compare(
        a,
        b,
        source.schema,
        _blocks(source, parts),
        options=Options(text=source.kind == "csv"),
        told=lambda rows, bad: tell(done=rows, bad=bad),
    )
    (folder / PAGE).write_text(page(comparison, sides, None), encoding="utf-8")
    tell(
        applications=comparison.applications,
        known=comparison.known,
        changed=comparison.changed,
        notes=list(notes(comparison, sides, None)),
        tables=[each._asdict() for each in tables(comparison)],
    )


def _blocks(source: Source, parts: tuple[Part, ...]) -> Iterator[Block]:
    from portfolio.reading.reading import blocks_of  # noqa: PLC0415

    for part in parts:
        yield from blocks_of(source, part, BLOCK_ROWS)


if __name__ == "__main__":
    run(main)
