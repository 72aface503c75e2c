"""Compare two policies or two models: tables in, a comparison out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa

from portfolio.assessor import DEFAULT, Assessor, Options
from portfolio.comparing.borrowing import Assumptions, known, worth
from portfolio.comparing.changed import Changed, changed_to
from portfolio.comparing.comparison import Comparison, concluded
from portfolio.comparing.tally import Tally
from portfolio.comparing.verdicts import Pair
from portfolio.errors import CancelledError, NoApplicationsError
from portfolio.reading.reading import Block

Told = Callable[[int, int], object]
"""Is told how many more rows are done, and how many of them have no answer."""


def compare(  # noqa: PLR0913  # whom, what, and how far it has come
    a: Assessor,
    b: Assessor,
    schema: pa.Schema,
    blocks: Iterable[Block],
    *,
    options: Options = DEFAULT,
    by: Assumptions | None = None,
    changed: Path | None = None,
    told: Told = lambda rows, bad: None,  # noqa: ARG005  # nobody listens
    cancelled: Callable[[], bool] = lambda: False,
) -> Comparison:
    """Decide every application by both. No more than a block is in memory at a time.

    Args:
        a: a model and policy; its contract names groups, label and amount.
        b: another.
        schema: of the blocks.
        blocks: of the input, in order.
        options: whether the input is text.
        by: what a loan brings; None where profit isn't asked for.
        changed: a file that the applications are written to whose decision differs.
        told: after each block.
        cancelled: asked before each block.

    Raises:
        UnfitInputError: columns are missing or can't be read.
        NoApplicationsError: no row is an application to both.
        CancelledError: as asked; no file is left.
    """
    for side in (a, b):
        side.check(schema, options)
    if by is not None:
        by.check(schema, a.contract)
    pair = Pair(a, b, options)
    policies = (a.engine.policy, b.engine.policy)
    tally = Tally(a.contract, policies)

    def take(to: Changed | None) -> None:
        for block in blocks:
            if cancelled():
                raise CancelledError("cancelled; nothing was written")
            both = pair.judge(block.table)
            read = block.table.take(pa.array(both.rows))
            value = None if by is None else worth(read, both.columns, a.contract, by)
            tally.add(both, known(read, a.contract), value, block.size)
            if to is not None:
                to.add(block, both)
            told(block.size, block.size - len(both.rows))
        if not tally.sums[0].any():
            raise NoApplicationsError(_nothing(tally.rows))

    if changed is None:
        take(None)
    else:
        with changed_to(changed, schema, policies) as to:
            take(to)
    return concluded(tally, (a.identity, b.identity), same_model=pair.same_model, valued=by is not None)


def _nothing(rows: int) -> str:
    if not rows:
        return "the input has no rows; there is nothing to compare"
    return (
        f"none of its {rows:,} rows is within the contract of both; `python -m portfolio score` writes what is wrong "
        "with each"
    )
