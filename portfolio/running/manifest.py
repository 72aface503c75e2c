"""What came of all parts. It is written last, and is the same byte for byte however often the work was interrupted.

So it holds no time, no host, and nothing of who did which part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from portfolio.running.plan import FORMAT, Document, digest_of
from portfolio.running.receipt import Receipt


def manifest_of(plan: Document, receipts: Sequence[Receipt]) -> Document:
    """The manifest of a plan's parts, of which none is missing.

    Args:
        plan: the plan.
        receipts: of all parts.
    """
    receipts = sorted(receipts, key=lambda receipt: receipt.part)
    totals = totals_of(receipts)
    assert [receipt.part for receipt in receipts] == list(range(plan["parts"]["count"]))
    assert totals["rows"] == totals["answered"] + totals["quarantined"] == plan["input"]["rows"]
    parts = [receipt.model_dump(include={"part", "rows", "answered", "quarantined", "answers", "quarantine"})
             for receipt in receipts]  # fmt: skip
    identity: dict[str, Any] = plan["identity"]
    return {"format": FORMAT, "plan": digest_of(plan), **identity, **totals, "parts": parts}


def totals_of(receipts: Sequence[Receipt]) -> Document:
    """What parts add up to."""
    decisions: Counter[str] = Counter()
    wrong: Counter[tuple[str, str]] = Counter()
    for receipt in receipts:
        decisions.update(receipt.decisions)
        for each in receipt.wrong:
            wrong[each.field or "", each.kind] += each.count
    return {
        "rows": sum(receipt.rows for receipt in receipts),
        "answered": sum(receipt.answered for receipt in receipts),
        "quarantined": sum(receipt.quarantined for receipt in receipts),
        "decisions": dict(sorted(decisions.items())),
        "wrong": [{"field": field or None, "kind": kind, "count": n} for (field, kind), n in sorted(wrong.items())],
    }
