"""A comparison as text, and the tables that text and page have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from decision import Outcome
from engine import Identity
from engine.columnar.deciding import OUTCOMES
from portfolio.comparing.borrowing import Assumptions
from portfolio.comparing.comparison import Comparison, Lending, Swap
from portfolio.comparing.sides import Side
from records.figures.texts import UNKNOWN, estimate, number, percent, table

DOWN_ACROSS = "decided by A (down), by B (across)"

_MONEY = ("amount", "expected profit", "observed profit")

Rows = list[list[str]]


class Table(NamedTuple):
    """Some of it.

    Attributes:
        title: what it is of.
        head: of its columns.
        rows: of it.
        texts: how many columns, from the first on, are texts.
    """

    title: str
    head: Sequence[str]
    rows: Rows
    texts: int = 1


def lines(comparison: Comparison, sides: tuple[Side, Side], by: Assumptions | None) -> Iterator[str]:
    """What to print, a line each."""
    yield from heading(comparison)
    yield from notes(comparison, sides, by)
    for each in tables(comparison):
        yield ""
        yield f"{each.title}:"
        yield from table(each.head, each.rows)


def tables(comparison: Comparison) -> Iterator[Table]:
    """All that there is something to tell of."""
    yield swap_matrix(comparison)
    yield shares(comparison)
    yield lending(comparison)
    if comparison.changed:
        yield swaps(comparison)
    yield groups(comparison)
    if comparison.valued is not None:
        yield profit(comparison)
        yield group_profit(comparison)
    if any(comparison.rules):
        yield rules(comparison)
    if not comparison.same_model:
        yield models(comparison)


def heading(comparison: Comparison) -> Iterator[str]:
    """Who is compared, over what."""
    yield f"A: {_who(comparison.a)}"
    yield f"B: {_who(comparison.b)}"
    yield (
        f"{comparison.applications:,} applications, {comparison.known:,} of them with an outcome; "
        f"{comparison.changed:,} decided otherwise; same decision {percent(comparison.agreed)}"
    )


def notes(comparison: Comparison, sides: tuple[Side, Side], by: Assumptions | None) -> Iterator[str]:
    """What has to be known of the figures."""
    left_out = comparison.rows - comparison.applications
    if left_out:
        of_a, of_b = comparison.unread
        whose = f"the contract refuses {of_a:,}" if of_a == of_b == left_out else (
            f"A's contract refuses {of_a:,}, B's {of_b:,}"
        )  # fmt: skip
        yield f"left out: {left_out:,} of {comparison.rows:,} rows ({whose}); `portfolio score` tells what is wrong"
    if comparison.strange:
        yield (
            f"{comparison.strange:,} applications have a label that the contract doesn't name: they count as without "
            "an outcome"
        )
    if by is not None:
        yield (
            f"profit by assumption: a loan that is repaid brings {_term(by.margin)} of its amount, one that defaults "
            f"loses {_term(by.loss)}; without time, cost or prepayment"
        )
        if comparison.valued != comparison.applications:
            yield f"profit is of the {comparison.valued:,} applications whose amount and terms the file states"
    for name, side in zip("AB", sides, strict=True):
        if side.unfit is not None:
            yield f"{name} can't be served as it is: {side.unfit}"


def swap_matrix(comparison: Comparison) -> Table:
    """How many go from which decision to which."""
    counts = {(swap.a, swap.b): swap.by_a.applications for swap in comparison.swaps}
    return Table(
        DOWN_ACROSS, ["A", *OUTCOMES], [[one, *(f"{counts[one, two]:,}" for two in OUTCOMES)] for one in OUTCOMES]
    )


def shares(comparison: Comparison) -> Table:
    """How often each decision is given."""
    return Table(
        "decisions",
        ["decision", "A", "share", "B", "share", "difference [95%]"],
        [
            [each.outcome, f"{each.a.applications:,}", _share(each.a.share), f"{each.b.applications:,}",
             _share(each.b.share), percent(each.difference, signed=True)]
            for each in comparison.given
        ],
    )  # fmt: skip


def lending(comparison: Comparison) -> Table:
    """What becomes of those who get each decision, by each of the two."""
    rows = [
        [
            given.outcome,
            name,
            f"{of.applications:,}",
            _share(of.expected_bad),
            f"{of.known:,}",
            percent(of.observed_bad),
        ]
        for given in comparison.given
        for name, of in (("A", given.a), ("B", given.b))
    ]  # fmt: skip
    head = ["decision", "by", "applications", "expected bad", "with outcome", "observed bad [95%]"]
    return Table("what becomes of them", head, rows, 2)


def swaps(comparison: Comparison) -> Table:
    """The applications that are decided otherwise."""
    head = ["A", "B", "applications", "share"]
    head += ["expected bad"] if comparison.same_model else ["expected bad by A", "by B"]
    rows = []
    for swap in _moved(comparison):
        of = swap.by_a
        expected = [_share(of.expected_bad)] + ([] if comparison.same_model else [_share(swap.by_b.expected_bad)])
        rows.append([swap.a, swap.b, f"{of.applications:,}", _share(of.share), *expected, f"{of.known:,}",
                     percent(of.observed_bad)])  # fmt: skip
    return Table("decided otherwise", [*head, "with outcome", "observed bad [95%]"], rows, 2)


def groups(comparison: Comparison) -> Table:
    """Who is approved without conditions, and what becomes of them."""
    head = ["group", "applications", "approved, A", "B", "expected bad, A", "B"]
    head += ["observed bad, A", "B"] if comparison.known else []
    rows = []
    for group in comparison.groups:
        both = (group.a, group.b)
        row = [group_name(group.grouping, group.name), f"{group.applications:,}", *(_share(of.share) for of in both)]
        row += [_share(of.expected_bad) for of in both]
        row += [_share(of.observed_bad.value) for of in both] if comparison.known else []
        rows.append(row)
    return Table("approved without conditions, by group", head, rows)


def profit(comparison: Comparison) -> Table:
    """What those bring who get each decision, and those whose decision changes."""
    rows = [
        [given.outcome, f"by {name}", *_money(of)]
        for given in comparison.given
        for name, of in (("A", given.a), ("B", given.b))
    ]
    rows += [[swap.a, f"to {swap.b}", *_money(swap.by_a)] for swap in _moved(comparison)]
    return Table("profit, if lent to", ["decision", "", *_MONEY], rows, 2)


def group_profit(comparison: Comparison) -> Table:
    """What those bring who are approved without conditions."""
    head = ["group", "amount, A", "B", "expected profit, A", "B", "observed profit, A", "B"]
    rows = []
    for group in comparison.groups:
        of_a, of_b = _money(group.a), _money(group.b)
        cells = [cell for pair in zip(of_a, of_b, strict=True) for cell in pair]
        rows.append([group_name(group.grouping, group.name), *cells])
    return Table("profit of those approved without conditions, by group", head, rows)


def rules(comparison: Comparison) -> Table:
    """What each rule does."""
    of_a, of_b = ({use.id: use for use in uses} for uses in comparison.rules)
    rows = []
    for rule in dict.fromkeys([*of_a, *of_b]):
        both = (of_a.get(rule), of_b.get(rule))
        outcome = " / ".join(dict.fromkeys(use.outcome for use in both if use))
        counts = [f"{count:,}" if count is not None else UNKNOWN
                  for use in both for count in ((use.holds, use.alone) if use else (None, None))]  # fmt: skip
        rows.append([rule, outcome, *counts])
    head = ["rule", "outcome", "holds by A", "decides alone", "holds by B", "decides alone"]
    return Table("rules", head, rows, 2)


def models(comparison: Comparison) -> Table:
    """How well each tells defaults, and how their PDs lie."""
    a, b = comparison.ranking
    means = [
        sum(of.applications * of.expected_bad for of in side if of.applications) / comparison.applications
        for side in zip(*((swap.by_a, swap.by_b) for swap in comparison.swaps), strict=True)
    ]
    rows = [["mean PD", _share(means[0]), _share(means[1]), f"{means[1] - means[0]:+.2%}"]]
    if comparison.known:
        difference = b.auc - a.auc
        rows += [
            ["AUC, with an outcome", number(a.auc), number(b.auc), number(difference, signed=True)],
            ["Brier score, with an outcome", estimate(a.brier), estimate(b.brier),
             estimate(comparison.brier_difference, signed=True)],
        ]  # fmt: skip
    return Table("models", ["figure", "A", "B", "difference"], rows)


def group_name(grouping: str, name: str) -> str:
    """What a group is called."""
    return f"{grouping}: {name}" if name else grouping


def approvals(comparison: Comparison) -> tuple[Lending, Lending]:
    """Those approved without conditions, by A and by B."""
    return next((each.a, each.b) for each in comparison.given if each.outcome == Outcome.APPROVE)


def _who(identity: Identity) -> str:
    return f"{identity.model_name} {identity.model_version}, policy {identity.policy_version}"


def _term(term: float | str) -> str:
    return f"what column {term} says" if isinstance(term, str) else f"{term:.2%}"


def _share(value: float) -> str:
    return UNKNOWN if math.isnan(value) else f"{value:.2%}"


def _amount(value: float) -> str:
    return UNKNOWN if math.isnan(value) else f"{value:,.0f}"


def _money(of: Lending) -> list[str]:
    return [_amount(each) for each in (of.amount, of.expected_profit, of.observed_profit)]


def _moved(comparison: Comparison) -> list[Swap]:
    return [swap for swap in comparison.swaps if swap.a != swap.b and swap.by_a.applications]
