"""Decisions by what they have in common."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from records.commands.options import Commands, Refusal, as_moment, show_document, the_archive

if TYPE_CHECKING:
    from records.reading import Kept


def add(commands: Commands) -> None:
    """Declare the command."""
    find = commands.add("find", _run, "decisions, the latest first")
    find.add_argument("--reference", help="the caller's own")
    find.add_argument("--since", metavar="TIME", help="such as 2026-11-30, or 2026-11-30T12:00:00Z")
    find.add_argument("--until", metavar="TIME", help="not included")
    find.add_argument("--outcome", choices=("APPROVE", "CONDITIONAL_APPROVAL", "REJECT"))
    find.add_argument("--caller")
    find.add_argument("--most", type=int, default=100, help="no more than these (default: 100)")


def _run(options: argparse.Namespace) -> int:
    from records.stores.base import Query

    if options.most < 1:
        raise Refusal("--most: at least 1")
    query = Query(
        since=as_moment(options.since),
        until=as_moment(options.until),
        outcome=options.outcome,
        caller=options.caller,
        most=options.most,
    )
    found = the_archive(options).find(query, options.reference)
    if options.json:
        show_document([kept.document() for kept in found], options)
    else:
        for kept in found:
            print(_line(kept))
    return 0


def _line(kept: Kept) -> str:
    document = kept.document()
    pd = "erased" if kept.record is None else f"{kept.record.pd:.4f}"
    parts = (document["decision_id"], document["time"], document["decision"].ljust(20), pd, document["caller"] or "-")
    return "  ".join(parts)
